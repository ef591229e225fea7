"""The gradient in the metric of what the parameters mean, not of how they are written.

For outputs z(θ) with Jacobian J and a likelihood with Fisher matrix H_L(z), that of θ is F = Jᵀ H_L J. If
θ = A φ, the gradient in φ is Aᵀ g and the metric Aᵀ F A, so the step in φ is A⁻¹ F⁻¹ g: the same in θ.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax as lx
import optax
from jaxtyping import Array, PyTree

from ..._core._power_of_two import nearest
from ._linear import solved
from ._objective import unknowns
from ._truncated_cg import norm

NAME = "scale_by_natural_gradient"


def scale_by_natural_gradient(
    metric: Callable[[PyTree, PyTree], PyTree],
    damping: float = 0.0,
    solver: lx.AbstractLinearSolver | None = None,
) -> optax.GradientTransformationExtraArgs:
    """s with (F + μ) s = g, g the updates that come in, to be followed by `optax.scale(-1.0)`.

    Args:
      metric: (params, v) ↦ F v, linear in v, symmetric and positive semidefinite, as
        `fisher_vector_product` makes it.
      damping: μ. Without it the step does not depend on a linear change of the parameters.
      solver: of lineax, for a positive semidefinite F and right sides of length 1.
        None: `lx.CG` to √ε. One that runs out of steps gives the step it has.

    Where CG fails, as where there is no s, and as it may where F is not semidefinite, the step is NaN.

    Cost: one product with F for each step of CG.
    Source: Amari, Natural gradient works efficiently in learning, Neural Computation 10 (1998); Martens,
    New insights and perspectives on the natural gradient method, JMLR 21 (2020).
    """

    def update(updates, state, params=None, **extra):
        vector = unknowns(params, NAME)
        g = vector.pack(updates)

        def product(v):
            return vector.pack(metric(params, vector.unpack(v))) + damping * v

        # Linear already: what depends on params alone is computed once, not in every step of CG.
        times = jax.linearize(product, jnp.zeros_like(g))[1]
        size = norm(g)
        along = g / jnp.where(size > 0, size, 1)
        # In the unit of F g: CG takes a small F for a singular one. Half of it is taken from v and half
        # from F v: what is left of a residual, times a small F, is below all numbers.
        half = nearest(jnp.abs(times(along)).max(initial=0), 2)
        F = lx.FunctionLinearOperator(
            lambda v: times(v / half) / half,
            jax.eval_shape(lambda: g),
            tags=lx.positive_semidefinite_tag,
        )
        tol = float(jnp.finfo(g.dtype).eps ** 0.5)
        step = size / half / half * solved(F, along, lx.CG(tol, tol) if solver is None else solver)
        return vector.unpack(step), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def fisher_vector_product(model: Callable, loss_hessian: Callable) -> Callable:
    """(params, v) ↦ Jᵀ H_L J v, J the Jacobian of model: Fisher's matrix, or Gauss and Newton's.

    Args:
      model: params ↦ outputs.
      loss_hessian: (outputs, u) ↦ H_L u, of the negative log-likelihood in the outputs:
        `gaussian_fisher`, `categorical_fisher`, or another.

    Cost: a jvp and a vjp of the model.
    """

    def product(params, v):
        outputs, u = jax.jvp(model, (params,), (v,))
        return jax.vjp(model, params)[1](loss_hessian(outputs, u))[0]

    return product


def gaussian_fisher(outputs: PyTree, u: PyTree) -> PyTree:
    """u: the Hessian of ½‖z - y‖² in the outputs z, means of unit variance."""
    return u


def categorical_fisher(outputs: Array, u: Array) -> Array:
    """p u - p (p·u), p = softmax(z): the Hessian of -log p_y in the logits z, on the last axis."""
    p = jax.nn.softmax(outputs, -1)
    return p * u - p * (p * u).sum(-1, keepdims=True)

"""Gauss-Newton: the step that solves the linearised least-squares problem."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax as lx
import optax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, PyTree

from ..._core._matmul import matmul
from ..._core._power_of_two import nearest
from ...linalg import qr
from .._fit_result import independent
from .._linear import jacobian
from .._vector import packing
from ._linear import solved
from ._objective import unknowns

NAME = "scale_by_gauss_newton"


def scale_by_gauss_newton(
    residual_fn: Callable,
    damping: PyTree = 0.0,
    solver: lx.AbstractLinearSolver | None = None,
) -> optax.GradientTransformationExtraArgs:
    """s with (JᵀJ + D) s = Jᵀ r, r = residual_fn(params), to be followed by `optax.scale(-1.0)`.

    s minimises ‖J s - r‖² + sᵀD s and is found as that: least squares of J above √D, whose condition is not
    squared. It is the step of ½‖r‖² and of every multiple of it. Of the updates that come in only the
    structure counts, so this stands first in a chain.

    Args:
      residual_fn: params ↦ residuals, a pytree.
      damping: D, not negative: a number, times the identity, or a tree like params, the diagonal.
      solver: of lineax, for least squares. `lx.LSMR` and `lx.Normal(lx.CG(...))` need products with J
        and Jᵀ alone. None: QR of the matrix; NaN where J has not full rank, to rounding, and nothing
        is damped.

    A solver that runs out of steps gives the step it has.

    Cost: n products with J and a QR, or two products for each step of an iterative solver.
    Source: Nocedal and Wright, Numerical Optimization (2006), section 10.3.
    """

    def update(updates, state, params=None, **extra):
        vector = unknowns(params, NAME)
        x = vector.pack(params)
        r, push = jax.linearize(lambda x: _packed(residual_fn(vector.unpack(x))), x)
        root = jnp.sqrt(vector.pack(_diagonal(damping, params)))
        if solver is None:
            return vector.unpack(_by_qr(jacobian(push, x), root, r)), state
        J = lx.FunctionLinearOperator(lambda v: (push(v), root * v), jax.eval_shape(lambda: root))
        return vector.unpack(solved(J, (r, jnp.zeros_like(root)), solver)), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def _by_qr(J, root, r) -> Array:
    """The least squares of J above √D; NaN where their columns are dependent to rounding."""
    M = jnp.concatenate([J, jnp.diag(root).astype(J.dtype)])
    unit = nearest(jnp.abs(M).max())  # so that squares are in range
    Q, R = qr(M / unit)
    s = solve_triangular(R, matmul(Q[: len(r)].T, (r / unit)[:, None]))[:, 0]
    return jnp.where(independent(M / unit, R), s, jnp.nan)


def _packed(residuals):
    return packing(residuals, f"{NAME}: the residuals").pack(residuals)


def _diagonal(damping, params):
    """A tree like params, of a number or such a tree."""
    if jax.tree_util.all_leaves([damping]):
        damping = jax.tree.map(lambda _: damping, params)
    return jax.tree.map(
        lambda d, p: jnp.broadcast_to(jnp.asarray(d, p.dtype), p.shape), damping, params
    )

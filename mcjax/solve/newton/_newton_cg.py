"""Truncated Newton: H s = g by conjugate gradients, only as well as the distance to the minimum deserves."""

import jax.numpy as jnp
import optax

from ._objective import hessian_product, objective, unknowns
from ._truncated_cg import forcing, in_units, truncated_cg


def scale_by_newton_cg(
    max_steps: int | None = None, tol: float = 0.5
) -> optax.GradientTransformationExtraArgs:
    """Newton's step s ≈ H⁻¹ g, H the Hessian, to be followed by `optax.scale(-1.0)`.

    Solved to ‖H s - g‖ ≤ min(tol, ‖g‖) ‖g‖. Where the curvature along a direction of CG is not positive, s
    is what CG had before, or g if that is nothing: -s leads down wherever g is not zero. No step is
    tested: far from a minimum put a line search behind, as `optax.scale_by_backtracking_linesearch`.

    Args:
      max_steps: of CG, each a product with H. None: twice the number of parameters.
      tol: the relative residual far from a minimum.

    `update` needs params and value_fn=, params ↦ number, whose gradient the updates are; data that it
    needs is closed over. At a saddle with g = 0 the step is zero: `scale_by_trust_region` leaves it.

    Cost: a gradient of the gradient, and a product with H for each step of CG.
    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.1.
    """

    def update(updates, state, params=None, *, value_fn=None, **extra):
        vector = unknowns(params, "scale_by_newton_cg")
        f = objective(value_fn, vector, "scale_by_newton_cg")
        g = vector.pack(updates)
        hessian = hessian_product(f, vector.pack(params))
        scaled = in_units(hessian, g)
        path = truncated_cg(scaled.hessian, scaled.g, jnp.inf, forcing(g, tol), max_steps)
        nowhere = jnp.all(path.p == 0)
        return vector.unpack(jnp.where(nowhere, g, -path.p * scaled.step)), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)

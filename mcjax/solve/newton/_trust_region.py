"""A step within a ball in which the quadratic model was right before, tested before it is taken.

The model m(p) = g·p + ½ pᵀHp is minimised for ‖p‖ ≤ Δ along the path of CG, to the sphere where that leads
out. CG sees H in the space of g alone: if g is orthogonal to the eigenvector v of a negative eigenvalue (the
hard case; at a saddle g = 0), it stops inside and calls a saddle a minimum. So where it stops inside, or met
negative curvature, v is looked for from elsewhere, and of

    p,    p + τ v,    τ' v          τ, τ' to the sphere, downhill: τ v·(g + Hp) ≤ 0

the one with the least model is tried. The step is taken if f falls by a tenth of what the model says;
Δ becomes ‖p‖/4 where f falls by less than a quarter, and 2Δ where it falls by more than three quarters and p
is on the sphere. Both differences count as right to rounding: ρ = (f - f⁺ + δ) / (-m + δ), δ = 10 ε |f|.

Source: Conn, Gould and Toint, Trust-Region Methods (2000), algorithms 6.1.1 and 7.5.1, section 17.4.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.core import Tracer
from jaxtyping import Array

from ._lanczos import least_curvature
from ._objective import hessian_product, objective, unknowns
from ._truncated_cg import dot, forcing, in_units, norm, to_the_sphere, truncated_cg


class TrustRegionState(NamedTuple):
    """The radius of the ball for the next step."""

    radius: Array


def scale_by_trust_region(
    radius: float = 1.0, max_steps: int | None = None, tol: float = 0.1
) -> optax.GradientTransformationExtraArgs:
    """The step of a trust-region Newton method (Steihaug), to be followed by `optax.scale(-1.0)`.

    A step that fails is zero, and the next one shorter. The values never rise, and saddles are left, also
    those where the gradient is zero. What follows in a chain changes the step after its test.

    Args:
      radius: Δ at first, in the unit of the parameters; positive.
      max_steps: of CG, each a product with the Hessian. None: twice the number of parameters.
      tol: the relative residual of CG far from a minimum; min(tol, ‖g‖) near it.

    `update` needs params and value_fn=, params ↦ number, whose gradient the updates are, and takes
    value=, value_fn(params) if known; data that value_fn needs is closed over. Where value, gradient
    or Hessian is not finite, the step is NaN.

    Cost: CG's products with the Hessian; where CG stops inside the ball, up to 32 more, and twice as many
    vectors of memory; one or two values.
    Source: Steihaug (1983); Conn, Gould and Toint, Trust-Region Methods (2000).
    """

    if not isinstance(radius, Tracer) and not 0 < radius < np.inf:
        raise ValueError(f"scale_by_trust_region: radius is positive and finite, got {radius!r}")

    def init(params):
        x = unknowns(params, "scale_by_trust_region").pack(params)
        return TrustRegionState(jnp.array(radius, x.dtype))

    def update(updates, state, params=None, *, value_fn=None, value=None, **extra):
        vector = unknowns(params, "scale_by_trust_region")
        f = objective(value_fn, vector, "scale_by_trust_region")
        x, g = vector.pack(params), vector.pack(updates)
        here = (f(x) if value is None else jnp.asarray(value)).astype(x.dtype)
        p, model = ball_step(hessian_product(f, x), g, state.radius, tol, max_steps)
        accepted, radius = _tested(here, f(x + p).astype(x.dtype), model, p, state.radius)
        p = jnp.where(accepted, p, 0)
        finite = jnp.isfinite(here) & jnp.isfinite(g).all() & jnp.isfinite(model)
        p = jnp.where(finite, p, jnp.nan)
        return vector.unpack(-p), TrustRegionState(radius)

    return optax.GradientTransformationExtraArgs(init, update)


def ball_step(hessian, g, radius, tol, max_steps) -> tuple[Array, Array]:
    """p of at most the radius, and m(p) ≤ 0."""
    eta = forcing(g, tol)
    hessian, g, step, unit = in_units(hessian, g)
    radius = radius / step
    path = truncated_cg(hessian, g, radius, eta, max_steps)
    d = jnp.where(path.left, path.d, 0)
    tau = jnp.where(path.left, to_the_sphere(path.p, path.d, radius), 0)
    p, Hp = path.p + tau * d, path.Hp + tau * path.Hd
    doubtful = path.curved | ~path.left
    p, model = lax.cond(
        doubtful,
        lambda p, Hp: _with_negative_curvature(hessian, g, p, Hp, radius),
        lambda p, Hp: (p, _model(g, p, Hp)),
        p,
        Hp,
    )
    return p * step, model * unit


def _model(g, p, Hp):
    return dot(g, p) + dot(p, Hp) / 2


def _with_negative_curvature(hessian, g, p, Hp, radius):
    """The best of p, p + τ v and τ' v."""
    curve = least_curvature(hessian, g)

    def moved(p, Hp):
        sign = jnp.where(dot(curve.v, g + Hp) > 0, -1, 1).astype(p.dtype)
        tau = jnp.where(curve.least < 0, sign * to_the_sphere(p, sign * curve.v, radius), 0)
        return p + tau * curve.v, Hp + tau * curve.Hv

    zero = jnp.zeros_like(p)
    tried = [(p, Hp), moved(p, Hp), moved(zero, zero)]
    models = jnp.stack([_model(g, *step) for step in tried])
    best = jnp.argmin(models)
    return jnp.stack([p for p, _ in tried])[best], models[best]


def _tested(here, there, model, p, radius):
    """Whether the step is taken, and the next radius."""
    delta = 10 * jnp.finfo(p.dtype).eps * jnp.abs(here)
    predicted = delta - model
    stays = predicted == 0
    ratio = jnp.where(stays, 1, (here - there + delta) / jnp.where(stays, 1, predicted))
    size = norm(p)
    on_sphere = size >= 0.99 * radius
    grown = jnp.where((ratio > 0.75) & on_sphere, 2 * radius, radius)
    return ratio > 0.1, jnp.where(ratio >= 0.25, grown, size / 4)

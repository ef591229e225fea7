"""How clearly the active set of a constrained minimum is what it is, and whether it is a minimum."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core._constant import constant
from .._core._matmul import matmul
from ._certificate import FLOOR
from ._equation import varying_as
from ._kkt import Point, System, lagrangian_slope, sides
from ._linear import jacobian


class ActiveSet(eqx.Module):
    """Which constraints are active, how clearly, and whether derivatives exist.

    lower, upper: of the bounds on each number of x; inequality: of each inequality.
    margin: the least, over inequalities and bounds, of the larger of its distance and its
      multiplier, in units of x and of the change of ∇L over x. Near 0 a constraint is weakly active.
    strict: margin > √ε, strict complementarity. Derivatives are NaN where it is not.
    independence: least singular value of the gradients of active constraints, each of length 1 (1
      where there is none); 0 where LICQ fails, and multipliers are not unique.
    licq: independence > √ε.
    curvature: least eigenvalue of the Hessian of L along the active constraints, over the
      norm of the whole, each number of x in the unit that makes its own curvature 1; negative at
      no minimum.
    violation: the largest by which a constraint is not met, in units of x.
    """

    lower: Bool[Array, " n"]
    upper: Bool[Array, " n"]
    inequality: Bool[Array, " k"]
    margin: Float[Array, ""]
    strict: Bool[Array, ""]
    independence: Float[Array, ""]
    licq: Bool[Array, ""]
    curvature: Float[Array, ""]
    violation: Float[Array, ""]


def active_set(parts: System, w: Point, args) -> ActiveSet:
    """What is active at w, and how clearly."""
    parts, w, args = constant((parts, w, args))
    x, mu = w.x, w.inequality
    slope, H = _with_jacobian(lambda x: lagrangian_slope(parts, w._replace(x=x), args), x)
    h, C_h = _with_jacobian(lambda x: parts.equality(x, args), x)
    g, C_g = _with_jacobian(lambda x: parts.inequality(x, args), x)
    size = jnp.abs(x) + FLOOR
    low, high, above, unit = sides(parts, w, args)
    change = jnp.abs(H * size[None, :]).sum(1)  # of ∇L over x
    change = jnp.where(change > 0, change, jnp.maximum(change.max(), jnp.abs(slope).max()))
    change = jnp.where(change > 0, change, 1)
    reach_h, reach_g = (_positive(jnp.abs(C * size[None, :]).sum(1)) for C in (C_h, C_g))
    pull = jnp.abs(slope) / change
    pull_g = (jnp.abs(C_g * mu[:, None]) / change[None, :]).max(1, initial=0)
    gaps = jnp.stack([x - parts.lower, parts.upper - x]) / size[None, :]
    margin = jnp.minimum(
        jnp.maximum(jnp.abs(gaps), pull[None, :]).min(initial=jnp.inf),
        jnp.maximum(jnp.abs(g) / reach_g, pull_g).min(initial=jnp.inf),
    )
    independence, curvature = _second_order(H, C_h, C_g, unit, ~(low | high), above)
    violation = jnp.concatenate([jnp.abs(h) / reach_h, -g / reach_g, -gaps.reshape(-1)]).max()
    tight = jnp.finfo(x.dtype).eps ** 0.5
    active = ActiveSet(
        low, high, above, margin, margin > tight, independence, independence > tight, curvature,
        jnp.maximum(violation, 0),
    )  # fmt: skip
    return varying_as(active, x)


def _with_jacobian(f, x):
    value, push = jax.linearize(f, x)
    return value, jacobian(push, x)


def _positive(x):
    return jnp.where(x > 0, x, 1)


def _second_order(H, C_h, C_g, unit, free, above):
    """Independence of the active gradients, and the least curvature along them, in units of `unit`.

    Inactive rows are zero in B and 1 on the diagonal of B Bᵀ, which leaves its inverse the active one's.
    """
    scale = jnp.where(free, 1 / jnp.sqrt(unit), 0)
    B = jnp.concatenate([C_h, jnp.where(above[:, None], C_g, 0)]) * scale[None, :]
    length = jnp.sqrt((B**2).sum(1))
    on = jnp.concatenate([jnp.ones(len(C_h), bool), above])
    B = B / _positive(length)[:, None]
    gram = matmul(B, B.T) + jnp.diag(jnp.where(on, 0, 1).astype(B.dtype))
    values, V = jnp.linalg.eigh(gram) if len(B) else (jnp.ones(1, B.dtype), None)
    H = (H + H.T) / 2 * scale[None, :] * scale[:, None]
    largest = jnp.maximum(jnp.abs(H).sum(1).max(), 1)  # 1 if curved at all
    if V is not None:
        inverse = jnp.where(values > len(B) * jnp.finfo(B.dtype).eps, 1 / _positive(values), 0)
        along = matmul(B.T, V)
        P = jnp.eye(len(H), dtype=H.dtype) - matmul(along * inverse[None, :], along.T)
        H = matmul(P, matmul(H, P))
    finite = jnp.isfinite(H).all()
    curvatures = jnp.linalg.eigvalsh(jnp.where(finite, (H + H.T) / 2, jnp.zeros_like(H)))
    return jnp.sqrt(jnp.maximum(values[0], 0)), curvatures[0] / largest

"""Proximal maps, and minima of a smooth function plus one that is not, as fixed points.

    prox_h(z) = argmin ‖x - z‖²/2 + h(x),        min f + h at x   ⇔   x = prox_h(x - ∇f(x)).

A projection is the proximal map of a set's indicator; optax.projections has box, simplex, balls, half
space. All are piecewise smooth: derivatives hold inside a piece.

Source: Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1 (2014) 127.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from ..linalg import lstsq, norm
from ._vector import inexact


def proximal_residual(fn: Callable, prox: Callable) -> Callable:
    """(x, args) ↦ x - prox(x - ∇fn(x, args)), zero at the minimum of fn + h, or of fn on a set.

    fn: (x, args) ↦ a real number. prox: (x, args) ↦ pytree like x, the proximal map of h, or the
    projection on the set.

    For `attach_implicit` and `implicit`. Derivatives are those of the piece of prox that x is in.
    """

    def residual(x, args=None):
        moved = jax.tree.map(lambda x, g: x - g, x, jax.grad(fn)(x, args))
        return jax.tree.map(lambda x, p: x - p, x, prox(moved, args))

    return residual


def prox_l1(x: Inexact[Array, "..."], weight: float | Array = 1.0) -> Inexact[Array, "..."]:
    """Soft threshold, the proximal map of weight Σ |x|, x real or complex: x less weight in size, or 0."""
    x = inexact(x, "prox_l1")
    if jnp.iscomplexobj(x):
        x, weight = jnp.broadcast_arrays(x, weight)
        return prox_l2(x[..., None], weight[..., None])[..., 0]
    weight = jnp.asarray(weight, x.dtype)
    short = _short(x, weight, x)
    return jnp.where(x > weight, x - weight, jnp.where(x < -weight, x + weight, short))


def prox_l2(x: Inexact[Array, "..."], weight: float | Array = 1.0) -> Inexact[Array, "..."]:
    """The proximal map of weight ‖x‖, over the last axis: x shorter by weight, or 0 (group lasso)."""
    x = inexact(x, "prox_l2")
    weight = jnp.asarray(weight, x.real.dtype)
    size = norm(x, axis=-1, keepdims=True)
    outside = size > weight
    length = norm(jnp.where(outside, x, 1), axis=-1, keepdims=True)
    shorter = x * (1 - weight / length).astype(x.dtype)
    return jnp.where(outside, shorter, _short(x, weight, size))


def _short(x, weight, size):
    """The result where |x| is at most the weight: 0; x itself if the weight is 0; NaN if either is NaN."""
    unknown = jnp.isnan(size) | jnp.isnan(weight)
    return jnp.where(weight == 0, x, jnp.where(unknown, jnp.nan, jnp.zeros_like(x)))


def projection_affine(
    x: Float[Array, " n"], A: Float[Array, "m n"], b: Float[Array, " m"]
) -> Float[Array, " n"]:
    """The nearest point with A x = b, x - A⁺ (A x - b), A of any rank; differentiable in all three."""
    if A.ndim != 2 or x.shape != A.shape[1:] or b.shape != A.shape[:1]:
        raise ValueError(
            f"projection_affine: A (m, n) needs x (n,) and b (m,), got {A.shape}, {x.shape}, {b.shape}"
        )
    return x - lstsq(A, A @ x - b)[0]


def projection_second_order_cone(
    x: Float[Array, "... n"], t: Float[Array, " ..."]
) -> tuple[Float[Array, "... n"], Float[Array, " ..."]]:
    """The nearest (x, t) with ‖x‖ ≤ t: itself, or 0 where ‖x‖ ≤ -t, or a = (‖x‖ + t)/2 of (x/‖x‖, 1)."""
    length = norm(x, axis=-1)
    inside, below = length <= t, length <= -t
    outside = ~(inside | below)
    length = norm(jnp.where(outside[..., None], x, 1), axis=-1)
    a = (length + t) / 2
    scale = jnp.where(inside, 1, jnp.where(below, 0, a / length))
    return x * scale[..., None], jnp.where(inside, t, jnp.where(below, 0, a))

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

from .._core._constant import constant
from .._core._power_of_two import nearest
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
    x = _array(x, "prox_l1")
    if jnp.iscomplexobj(x):
        x, weight = jnp.broadcast_arrays(x, weight)
        return prox_l2(x[..., None], weight[..., None])[..., 0]
    weight = jnp.asarray(weight, x.dtype)
    short = _short(x, weight, x, x)
    return jnp.where(x > weight, x - weight, jnp.where(x < -weight, x + weight, short))


def prox_l2(x: Inexact[Array, "..."], weight: float | Array = 1.0) -> Inexact[Array, "..."]:
    """The proximal map of weight ‖x‖, over the last axis: x shorter by weight, or 0 (group lasso)."""
    x = _array(x, "prox_l2")
    weight = jnp.asarray(weight, x.real.dtype)
    size = norm(x, axis=-1, keepdims=True)
    outside = size > weight
    unit = _unit(jnp.where(outside, size, 1))
    long = jnp.where(outside, x / unit.astype(x.dtype), 1)
    part = jnp.where(outside, weight, 0) / unit / norm(long, axis=-1, keepdims=True)
    shorter = long * (1 - part).astype(x.dtype) * unit.astype(x.dtype)
    all_of_x = x + x.sum(-1, keepdims=True)  # no entry is known if one is not
    return jnp.where(outside, shorter, _short(x, weight, size, all_of_x))


def _array(x, name):
    """x, a list of numbers too, as an array of inexact type."""
    return inexact(jnp.asarray(x), name)


def _unit(size):
    """A power of two near each size, whose inverse is finite: the square of 1e-200 is 0, and of 1 it is 1."""
    least = float(jnp.finfo(size.dtype).tiny)
    return constant(jnp.clip(nearest(size), least, 1 / least))


def _short(x, weight, size, uses):
    """The result where |x| is at most the weight: 0; x itself if the weight is 0; NaN if either is NaN,
    and so are its derivatives in the weight and in what it uses."""
    unknown = jnp.isnan(size) | jnp.isnan(weight)
    both = jnp.where(unknown, uses + weight.astype(x.dtype), 0)
    return jnp.where(weight == 0, x, both * jnp.where(unknown, jnp.nan, 0).astype(x.dtype))


def projection_affine(
    x: Float[Array, " n"], A: Float[Array, "m n"], b: Float[Array, " m"]
) -> Float[Array, " n"]:
    """The nearest point with A x = b, x - A⁺ (A x - b), A of any rank; differentiable in all three."""
    x, A, b = (_array(a, "projection_affine") for a in (x, A, b))
    if A.ndim != 2 or x.shape != A.shape[1:] or b.shape != A.shape[:1]:
        raise ValueError(
            f"projection_affine: A (m, n) needs x (n,) and b (m,), got {A.shape}, {x.shape}, {b.shape}"
        )
    return x - lstsq(A, A @ x - b)[0]


def projection_second_order_cone(
    x: Float[Array, "... n"], t: Float[Array, " ..."]
) -> tuple[Float[Array, "... n"], Float[Array, " ..."]]:
    """The nearest (x, t) with ‖x‖ ≤ t: itself, or 0 where ‖x‖ ≤ -t, or a = (‖x‖ + t)/2 of (x/‖x‖, 1)."""
    x = _array(x, "projection_second_order_cone")
    t = jnp.asarray(t, x.dtype)
    length = norm(x, axis=-1)
    inside, below = length <= t, length <= -t
    outside = ~(inside | below)
    unit = _unit(jnp.where(outside, length, 1))
    long = jnp.where(outside[..., None], x / unit[..., None], 1)
    length = norm(long, axis=-1)
    a = (length + jnp.where(outside, t, 0) / unit) / 2
    y, s = long * (a / length * unit)[..., None], a * unit
    kept = jnp.where(inside[..., None], x, 0), jnp.where(inside, t, 0)
    return jnp.where(outside[..., None], y, kept[0]), jnp.where(outside, s, kept[1])

"""Conjugate gradients on g·p + ½ pᵀHp from p = 0, stopped at a sphere or where the curvature is not positive.

With r = g + Hp and d the search direction,

    α = rᵀr / dᵀHd,    p ← p + α d,    r ← r + α Hd,    d ← -r + (r⁺ᵀr⁺ / rᵀr) d.

‖p‖ grows from step to step and the model falls, so where p would leave the ball, or dᵀHd ≤ 0 and
the model falls along d for ever, the way out is along d. Written by hand, as the CG of lineax solves
Hp = -g and does not tell where it meets negative curvature.

Source: Steihaug, The conjugate gradient method and trust regions in large scale optimization (1983);
Dembo and Steihaug, Truncated-Newton algorithms for large-scale unconstrained optimization (1983).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from ..._core._axes import align
from ..._core._power_of_two import nearest


class Path(NamedTuple):
    """Where CG stopped: p and Hp, and if it left the ball or met no positive curvature, d and Hd."""

    p: Array
    Hp: Array
    r: Array
    d: Array
    Hd: Array
    left: Bool[Array, ""]
    curved: Bool[Array, ""]
    steps: Int[Array, ""]


def truncated_cg(hessian: Callable, g: Array, radius, eta: Array, max_steps: int | None) -> Path:
    """CG until ‖r‖ ≤ η ‖g‖, for H and g `in_units`."""
    target = eta * norm(g)
    most = 2 * g.size if max_steps is None else max_steps

    def going(path):
        return ~path.left & (norm(path.r) > target) & (path.steps < most)

    def step(path):
        p, Hp, r, d, *_ = path
        Hd = hessian(d)
        squared, curvature = dot(r, r), dot(d, Hd)
        curved = ~(curvature > 0)
        along = squared / jnp.where(curved, 1, curvature)
        left = curved | (norm(p + along * d) >= radius)
        along = jnp.where(left, 0, along)
        r = r + along * Hd
        turned = -r + dot(r, r) / squared * d
        return Path(
            p + along * d,
            Hp + along * Hd,
            r,
            jnp.where(left, d, turned),
            Hd,
            left,
            curved,
            path.steps + 1,
        )

    zero = jnp.zeros_like(g)
    no, none, _ = align(jnp.array(False), jnp.array(0), g)
    return lax.while_loop(going, step, Path(zero, zero, g, -g, zero, no, no, none))


def forcing(g: Array, tol: float) -> Array:
    """η = min(tol, ‖g‖), above rounding: Newton's method then converges quadratically."""
    return jnp.maximum(jnp.minimum(norm(g), tol), 10 * jnp.finfo(g.dtype).eps).astype(g.dtype)


class Units(NamedTuple):
    """g in the unit of its size and H in that of H g: then so are p and the model, in powers of two."""

    hessian: Callable
    g: Array
    step: Array
    model: Array


def in_units(hessian: Callable, g: Array) -> Units:
    """H and g of size 1, and the units of p and of g·p that go with them."""
    unit = nearest(jnp.abs(g).max(initial=0))
    g = g / unit
    steep = nearest(jnp.abs(hessian(g)).max(initial=0))
    step = unit / steep
    return Units(lambda v: hessian(v) / steep, g, step, unit * step)


def to_the_sphere(p: Array, d: Array, radius: Array) -> Array:
    """τ ≥ 0 with ‖p + τ d‖ = radius, for ‖p‖ ≤ radius."""
    length = norm(d)
    p, d = p / radius, d / length
    b, c = dot(p, d), jnp.maximum(1 - dot(p, p), 0)
    root = jnp.sqrt(b * b + c)
    tau = jnp.where(b > 0, c / (b + root), root - b)  # no cancellation
    return tau * (radius / length)


def norm(v: Array) -> Array:
    """‖v‖₂, whatever the squares"""
    unit = nearest(jnp.abs(v).max(initial=0))
    v = v / unit
    return unit * jnp.sqrt(dot(v, v))


def dot(a: Array, b: Array) -> Array:
    """aᵀb as a sum, which no device rounds to fewer bits."""
    return (a * b).sum()

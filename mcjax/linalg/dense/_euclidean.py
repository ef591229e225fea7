"""The Euclidean length of a vector, with a subgradient at zero.

Φ(x) = √(Σ x²) has the gradient x/Φ(x) and Hessian (I - x xᵀ/Φ²)/Φ. At x = 0 it has no derivative;
every vector of length at most 1 is a subgradient, and 0 is the one that makes the derivative of any
smooth function of Φ² right. Its own derivative does not exist there: NaN.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..._core._potential import derivative


def euclidean(x: Array) -> Array:
    """√(Σ |x|²) over the last axis, without over- or underflow."""
    if jnp.iscomplexobj(x):
        x = jnp.concatenate([x.real, x.imag], -1)
    return derivative(_Length(), x[..., None, :], dual=None)


@dataclass(frozen=True)
class _Length:
    """Φ(x) of a real x, (..., 1, n)."""

    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        (x,) = point
        form = _length
        for d in directions:
            form = _along(form, d)
        if dual is not None:
            form = jax.grad(lambda x, form=form: form(x).sum())
        undefined = len(directions) + (dual is not None) > 1
        zero = (x == 0).all((-2, -1), keepdims=dual is not None)
        return jnp.where(zero, jnp.nan if undefined else 0.0, form(x))


def _length(x):
    largest = lax.stop_gradient(jnp.abs(x).max((-2, -1), keepdims=True, initial=0.0))
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
    return scale[..., 0, 0] * jnp.sqrt(((x / scale) ** 2).sum((-2, -1)))


def _along(form, d):
    return lambda x: jax.jvp(form, (x,), (d,))[1]

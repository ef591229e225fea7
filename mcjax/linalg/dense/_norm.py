"""Norms by NumPy's name, with a subgradient where there is no gradient.

A norm is convex, so it has a subgradient everywhere, and a gradient almost everywhere. Where it has
none, at 0, at ties and at zeros of entries, a subgradient is returned that is symmetric in what is
tied; it is 0 at 0, so that ‖x‖² and what depends on it has its derivative.
"""

from math import inf

import jax.numpy as jnp
from jax import Array

from ._euclidean import entries, euclidean, length
from ._schatten_norm import nuclear_norm, spectral_norm


def norm(x: Array, ord=None, axis=None, keepdims: bool = False) -> Array:
    """Norm of vectors or matrices: NumPy's `linalg.norm`, with derivatives at 0 and at ties.

    Identity: D ‖x‖[d] = Re Σ conj(x) d / ‖x‖ for the Euclidean norm.

    Args:
      x: an array, real or complex; integers are promoted.
      ord: None (2 of all entries; the Frobenius norm of matrices), for vectors a number p >= 1 or
        infinity, for matrices "fro", "nuc", 1 (largest column sum), 2 (spectral), infinity (largest
        row sum). Induced norms of other p have no formula, and are not offered.
      axis: an int for vectors, a pair for matrices; None for the array as a whole, which must have
        one or two axes if `ord` is given.
      keepdims: keep the axes as ones.

    Returns:
      Real. At 0 the gradient is the subgradient 0, so norm(x)**2 has the gradient 0; a derivative of
      the gradient, which does not exist there, is NaN for the Frobenius norm and 1 < p < ∞, and so
      it is at ties of singular values (`ky_fan_norm`). At a zero entry of a sum of |x|, or a tie of
      a largest one, it is that of the linear pieces that meet there: 0 for real x.

    Source: Rockafellar, Convex Analysis (1970), section 23.
    """
    x = _array(x)
    if ord is None and axis is None:
        total = euclidean(x.reshape(-1))
        return total.reshape((1,) * x.ndim) if keepdims else total
    axes = _axes(x, axis)
    moved = jnp.moveaxis(x, axes, range(-len(axes), 0))
    value = (_vector if len(axes) == 1 else _matrix)(moved, ord)
    return jnp.expand_dims(value, axes) if keepdims else value


def _array(x):
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"norm: expected numbers in an array; {error}") from None
    if not jnp.issubdtype(x.dtype, jnp.number) and x.dtype != jnp.bool_:
        raise TypeError(f"norm: expected real or complex numbers, got dtype {x.dtype}")
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def _axes(x, axis):
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) not in (1, 2):
        raise ValueError(
            f"norm: a norm of vectors has one axis, of matrices two, got axis={axis!r} for shape "
            f"{x.shape}; for all entries leave out ord and axis"
        )
    axes = tuple(a % x.ndim if -x.ndim <= a < x.ndim else a for a in axes)
    if len(set(axes)) < len(axes) or max(axes) >= x.ndim or min(axes) < 0:
        raise ValueError(f"norm: axis={axis!r} does not name axes of an array of shape {x.shape}")
    return axes


def _vector(x, ord):
    if ord is None or ord == 2:
        return euclidean(x)
    if isinstance(ord, str) or not ord >= 1:
        raise ValueError(f"norm: of vectors, ord must be None or a number >= 1, got {ord!r}")
    if ord == 1:
        return jnp.abs(x).sum(-1)
    if ord == inf:
        return jnp.abs(x).max(-1, initial=0.0)
    return length(x, ord)


def _matrix(x, ord):
    if ord is None or ord == "fro":
        return euclidean(entries(x))
    if ord == "nuc":
        return nuclear_norm(x)
    if ord == 2:
        return spectral_norm(x)
    if ord in (1, inf):
        return jnp.abs(x).sum(-2 if ord == 1 else -1).max(-1, initial=0.0)
    raise ValueError(
        f"norm: of matrices, ord must be None, 'fro', 'nuc', 1, 2 or infinity, got {ord!r}"
    )

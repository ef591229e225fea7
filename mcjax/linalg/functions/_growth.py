"""How fast the powers of a matrix grow, which decides how far a series in it may be trusted.

‖W^j‖^{1/j} for large j, the truncation error's measure, can be far below ‖W‖. Rounding errors do not
see that: a sum of powers loses what Σ |c_j| |W|^j or Σ |c_j| ‖W‖^j is larger than the result,
whichever is less: the first does not change under a scaling D W D⁻¹, the second not under a rotation.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul, norm

_SMALL = 32  # up to this size powers cost less than products with _ROWS rows
_ROWS = 8


def growth(W):
    """(‖W¹⁶‖^{1/16}, min(‖|W|⁸‖^{1/8}, Schatten 8-norm of W)), each (..., 1, 1).

    Above n = 32 the Frobenius norms are estimated, by the norms of products with random rows: the mean
    over them is that of χ² variables, and the 16th root of its deviation is a few percent.
    """
    if W.shape[-1] <= _SMALL:
        power, size, gram = W, jnp.abs(W), matmul(W, W.mT.conj())
        for _ in range(3):
            power, size = matmul(power, power), matmul(size, size)
        power, gram = norm(matmul(power, power)), norm(matmul(gram, gram)) ** 2
        rate = size.sum(-2, keepdims=True)
    else:
        rows = random_rows(W)
        power = norm(_times(rows, [W] * 16)) / _ROWS**0.5
        gram = norm(_times(rows, [W, W.mT.conj()] * 4)) / _ROWS**0.5
        rate = _times(jnp.ones_like(W[..., :1, :]).real, [jnp.abs(W)] * 8)
    return power ** (1 / 16), jnp.minimum(rate.max(-1, keepdims=True), gram) ** (1 / 8)


def random_rows(W):
    """Numbers of mean square 1, as good as random."""
    shape = (*W.shape[:-2], _ROWS, W.shape[-1])
    i, j = (lax.broadcasted_iota("float32", shape, len(shape) - axis) + 1 for axis in (2, 1))
    return (2**0.5 * jnp.cos(0.7 * i * j * j)).astype(W.dtype)


def _times(rows, factors):
    for X in factors:
        rows = matmul(rows, X)
    return rows

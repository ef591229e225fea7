"""Products of matrices: full precision everywhere, and fast for batches of tiny ones."""

from functools import reduce
from operator import add

import jax.numpy as jnp
from jax import lax

from ._power_of_two import size

TINY = 8  # up to this size a batched product is faster as n fused outer products (measured)


def matmul(X, Y):
    """X @ Y over (..., m, n) and (..., n, p) stacks.

    HIGHEST keeps float32 in float32 on GPUs that would otherwise round to TF32. A batch of tiny
    matrices is a sum of n outer products, which XLA fuses into one pass over the batch.
    """
    n = X.shape[-1]
    if X.ndim > 2 and 0 < n <= TINY:
        return reduce(add, (X[..., :, k, None] * Y[..., k, None, :] for k in range(n)))
    return jnp.matmul(X, Y, precision=lax.Precision.HIGHEST)


def transposed_matmul(X, Y):
    """Xᵀ Y. XLA's product takes twice as long on CPUs where it reads the left factor across its rows, so
    Xᵀ is written out.
    """
    if X.ndim > 2:  # a batch of small matrices is a matter of memory
        return matmul(X.mT, Y)
    return matmul(lax.optimization_barrier(X.mT), Y)


def row_minus_column(X):
    """i - j at every entry (i, j): the masks of diagonals, made where they are used."""
    row, column = (lax.broadcasted_iota("int32", X.shape, X.ndim - axis) for axis in (2, 1))
    return row - column


def add_diagonal(X, d):
    """X + d I in one pass, without storing I."""
    return X + jnp.where(row_minus_column(X) == 0, jnp.asarray(d, X.dtype), jnp.zeros((), X.dtype))


def norm(X):
    """Frobenius norms of a stack, (..., 1, 1), wherever they are in range: squares may not be."""
    unit = size(lax.stop_gradient(X))
    return unit.real * jnp.sqrt((jnp.abs(X / unit) ** 2).sum((-2, -1), keepdims=True))

"""M Y = Q for upper triangular T and S in the place of A and B: from the last block of rows of Y to the first
and in it from the first column to the last.

What other blocks add to a block is a product; what earlier columns of a block add to a column is a
product with few of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from ..._core._matmul import matmul
from ._doubling import zero

_ROWS, _COLUMNS = 64, 16  # of a block (measured)


class Column(NamedTuple):
    """How M acts on a column of Y.

    Attributes:
      matrix: (T, s, its value for another s) ↦ the triangular matrix that acts on it, s on S's diagonal.
      from_left: (T, v) ↦ what v, earlier columns times a column of S, adds to the right-hand side.
      from_below: (T, Y, S) ↦ what later rows Y add, T being beside the diagonal.
    """

    matrix: Callable
    from_left: Callable
    from_below: Callable


def sweep(column: Column, T, S, Q):
    """Y with M Y = Q."""
    n = len(T)
    height = min(n, _ROWS)

    def block(Y, start):
        rows = lax.dynamic_slice(T, (start, zero(start)), (height, n))
        beside = jnp.where(jnp.arange(n)[None, :] < start + height, 0, rows)
        D = lax.dynamic_slice(T, (start, start), (height, height))
        R = lax.dynamic_slice(Q, (start, zero(start)), (height, len(S)))
        R = _rows(column, D, S, R + column.from_below(beside, Y, S))
        return lax.dynamic_update_slice(Y, R, (start, zero(start))), None

    # The topmost may overlap the one below.
    starts = jnp.maximum(jnp.arange(n - height, -height, -height), 0)
    return lax.scan(block, Q * 0, starts)[0]


def _rows(column, T, S, Q):
    n, m = Q.shape
    width = min(m, _COLUMNS)

    def block(state, start):
        M, Y = state
        above = lax.dynamic_slice(S, (zero(start), start), (m, width))
        above = jnp.where(jnp.arange(m)[:, None] < start, above, 0)
        D = lax.dynamic_slice(S, (start, start), (width, width))
        R = lax.dynamic_slice(Q, (zero(start), start), (n, width))
        R = R + column.from_left(T, matmul(Y, above))

        def one(state, j):
            M, Z = state
            M = column.matrix(T, D[j, j], M)
            rhs = R[:, j] + column.from_left(T, matmul(Z, D[:, j, None]))[:, 0]
            return (M, Z.at[:, j].set(solve_triangular(M, rhs))), None

        (M, Z), _ = lax.scan(one, (M, R * 0), jnp.arange(width))
        return (M, lax.dynamic_update_slice(Y, Z, (zero(start), start))), None

    starts = jnp.minimum(jnp.arange(0, m, width), m - width)  # the last may overlap
    return lax.scan(block, (T, Q * 0), starts)[0][1]


def shifted(T, s, M):
    """T + s, of which M has all but the diagonal: in a loop, n numbers are written and not n²."""
    i = jnp.arange(len(T))
    return M.at[i, i].set(jnp.diagonal(T) + s)

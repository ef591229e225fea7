"""M Y = Q for upper triangular T and S in the place of A and B: one block of columns of Y after the other.

What earlier blocks add to a block is one product; what earlier columns of a block add to a column is a
product with few of them.
"""

import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from ..._core._matmul import matmul
from ._doubling import zero

_BLOCK = 16  # columns (measured)


def sweep(column, T, S, Q):
    """Y with M Y = Q.

    Args:
      column: (T, s, its value for another s) ↦ the triangular matrix that acts on a column of Y, and
        (T, v) ↦ what the sum v of earlier columns adds to its right-hand side.
    """
    matrix, carried = column
    n, m = Q.shape
    width = min(m, _BLOCK)

    def block(state, start):
        M, Y = state
        above = lax.dynamic_slice(S, (zero(start), start), (m, width))
        above = jnp.where(jnp.arange(m)[:, None] < start, above, 0)
        D = lax.dynamic_slice(S, (start, start), (width, width))
        R = lax.dynamic_slice(Q, (zero(start), start), (n, width))
        R = R + carried(T, matmul(Y, above))

        def one(state, j):
            M, Z = state
            M = matrix(T, D[j, j], M)
            rhs = R[:, j] + carried(T, matmul(Z, D[:, j, None]))[:, 0]
            return (M, Z.at[:, j].set(solve_triangular(M, rhs))), None

        (M, Z), _ = lax.scan(one, (M, R * 0), jnp.arange(width))
        return (M, lax.dynamic_update_slice(Y, Z, (zero(start), start))), None

    starts = jnp.minimum(jnp.arange(0, m, width), m - width)  # the last may overlap
    return lax.scan(block, (T, Q * 0), starts)[0][1]


def shifted(T, s, M):
    """T + s, of which M has all but the diagonal: in a loop, n numbers are written and not n²."""
    i = jnp.arange(len(T))
    return M.at[i, i].set(jnp.diagonal(T) + s)

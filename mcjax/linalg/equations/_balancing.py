"""Units in which no row of a matrix is much larger than its column (Osborne 1960; Parlett and Reinsch 1969).

An error eps ‖A‖ hides small entries of A behind large ones. D⁻¹ A D has the eigenvalues of A; with r and c
the 1-norms of its rows and columns off the diagonal, d_i ← d_i (r_i/c_i)^{1/4}, all at once, makes them
alike: that halves the logarithm of r/c where all entries are of one size before D, and never overshoots.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import row_minus_column
from ..._core._power_of_two import nearest

_MOST_STEPS = 20  # each halves what is left of the exponents


def balancing(A):
    """d, powers of two: rows and columns of A_ij d_j / d_i are of one size."""
    dtype, A = A.dtype, jnp.where(row_minus_column(A) != 0, jnp.abs(A), 0)

    def sizes(d):
        B = A / d[:, None] * d[None, :]
        return B.sum(1), B.sum(0)

    def step(state):
        d, _, count = state
        rows, columns = sizes(d)
        known = (rows > 0) & (columns > 0) & jnp.isfinite(rows + columns)
        change = nearest(jnp.where(known, rows / columns, 1), 4)
        return d * change, (change != 1).any(), count + 1

    def unfinished(state):
        _, changed, count = state
        return changed & (count < _MOST_STEPS)

    start = jnp.ones_like(A[0]), jnp.ones_like(A[0, 0], bool), jnp.zeros_like(A[0, 0], int)
    return lax.while_loop(unfinished, step, start)[0].astype(dtype)

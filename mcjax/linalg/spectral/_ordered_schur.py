"""Triangular matrices with their eigenvalues in another order.

Two neighbours a, b on the diagonal change places under a rotation whose first column is the
eigenvector (t, b - a) of b in [[a, t], [0, b]] (Bai and Demmel 1993). Pairs that have no row in common
change places at once: n rounds, on even and on odd pairs in turn, sort the diagonal (Habermann 1972).
Equals keep their order. A round is a few passes over the matrix, so that n rounds cost n³.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import row_minus_column


def reordered(T, Z, chosen):
    """(T, Z) for the same Z T Zᴴ, T triangular with the eigenvalues that are `chosen` first."""
    i = jnp.arange(T.shape[-1])

    def swap(state, k):
        T, Z, later = state
        first = (i % 2 == k % 2) & (i + 1 < len(i)) & (later > jnp.roll(later, -1, -1))
        turn = _turn(T, first)
        T = turn(turn(T).mT.conj()).mT.conj()
        T = jnp.where(row_minus_column(T) > 0, 0, T)
        later = jnp.where(first, False, jnp.roll(first, 1, -1) | later)
        return (T, turn(Z), later), None

    return lax.scan(swap, (T, Z, ~chosen), i)[0][:2]


def _turn(T, first):
    """X ↦ X G, G the rotations [[x, -ȳ], [y, x̄]] that exchange the pairs (i, i + 1) where `first`."""
    a = jnp.diagonal(T, axis1=-2, axis2=-1)
    t = jnp.diagonal(jnp.roll(T, -1, -1), axis1=-2, axis2=-1)
    rest = jnp.roll(a, -1, -1) - a
    size = jnp.hypot(jnp.abs(t), jnp.abs(rest)).astype(T.dtype)
    some, size = size != 0, jnp.where(size == 0, 1, size)
    x, y = jnp.where(first, t / size, 0), jnp.where(first, jnp.where(some, rest / size, 1), 0)
    second = jnp.roll(first, 1, -1)
    along = jnp.where(first, x, jnp.where(second, jnp.roll(x.conj(), 1, -1), 1))
    before = jnp.roll(y.conj(), 1, -1)

    def turn(X):
        left, right = jnp.roll(X, 1, -1), jnp.roll(X, -1, -1)
        return X * along[..., None, :] + right * y[..., None, :] - left * before[..., None, :]

    return turn

"""The Cholesky factor, also of a singular matrix.

A = L Lᴴ, L lower triangular with a real diagonal >= 0. With Φ the lower triangle with half of the
diagonal,  dL = L Φ(L⁻¹ dA L⁻ᴴ)  for positive definite A, which is JAX's own rule (Murray 2016), and
right once it is given the Hermitian part.

A semidefinite A = L D Lᴴ has columns of L D^{1/2} that are zero: where a pivot vanishes, so does
all that is left of its column. The factor is not differentiable there, as the root is not at 0.
"""

from functools import partial

import jax.numpy as jnp
from jax import lax

from ..._core._check import hermitian_part, square
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul
from ..._core._shapes import Square
from ..._core._where_needed import where_needed

_RESIDUAL = 10  # times n eps √(a_ii a_jj): what may be left of A where pivots vanish
_LEAF = 16  # below this size, columns are eliminated one by one


def cholesky(A: Square, *, upper: bool = False) -> Square:
    """Cholesky factor: NumPy's `cholesky`, which also has a value at singular matrices.

    Identity: dL = L Φ(L⁻¹ dA L⁻ᴴ), Φ the lower triangle with half of the diagonal.

    Args:
      A: (..., n, n), symmetric or Hermitian, positive semidefinite; (A + Aᴴ)/2 is used.
      upper: return Lᴴ.

    Returns:
      L, (..., n, n). At a singular A, to rounding, L has zero columns and its derivatives, which do
      not exist, are NaN. NaN where A is not positive semidefinite.

    Errors: L Lᴴ = A to 10 n eps √(a_ii a_jj). A pivot below n eps a_jj is zero. Without a permutation
      rounding may hide a singular A, if leading blocks are close to singular too: NaN.

    Cost: n³/3 flops, and as many again if A is singular. Source: Higham, Accuracy and Stability (2002),
    chapter 10; Murray, Differentiation of the Cholesky decomposition (2016), arXiv 1602.07527.
    """
    A = hermitian_part(square(A, "cholesky"))
    if A.size == 0:
        return A
    regular = jnp.linalg.cholesky(A, symmetrize_input=False)
    examine = jnp.vectorize(partial(evaluate, _examine), signature="(n,n),(n,n)->(n,n),(n,n)")
    exists, singular = examine(lax.stop_gradient(A), lax.stop_gradient(regular))
    L = jnp.where(exists > 0, regular, singular) + _kink(exists, A)
    return L.mT.conj() if upper else L


def _examine(A, L):
    """Whether every pivot of L is more than rounding of the entry that it is left of, as 1 or 0; and
    if not, the factor of A that has columns of zeros instead."""
    pivots, entries = jnp.diagonal(L).real, jnp.diagonal(A).real
    exists = (pivots**2 > _rounding(A) * entries).all()
    singular = where_needed(~exists, _semidefinite, A, jnp.zeros_like(A))
    return jnp.full(A.shape, exists, pivots.dtype), singular


def _rounding(A):
    return A.shape[-1] * jnp.finfo(A.dtype).eps


def _kink(exists, A):
    """0, of which A has no derivative unless it `exists`: |dA| at dA = 0, which JAX has as 0/0."""
    square = jnp.where(exists > 0, 1, (A - lax.stop_gradient(A)) ** 2)
    return jnp.sqrt(square) - exists.astype(A.dtype)


def _semidefinite(A):
    diagonal = jnp.diagonal(A).real
    L = _halves(A, _rounding(A) * diagonal)
    size = jnp.sqrt(jnp.maximum(diagonal, 0))
    left = jnp.abs(A - matmul(L, L.mT.conj()))
    right = (left <= _RESIDUAL * _rounding(A) * size[:, None] * size[None, :]).all()
    right = right & (diagonal >= 0).all() & jnp.isfinite(A).all()
    return jnp.where(right, L, jnp.nan)


def _halves(A, tolerances):
    if len(A) <= _LEAF:
        return _by_columns(A, tolerances)
    k = len(A) // 2
    L = _halves(A[:k, :k], tolerances[:k])
    zero = jnp.diagonal(L) == 0
    solvable = L + jnp.diag(zero.astype(L.dtype))
    below = lax.linalg.triangular_solve(
        solvable, A[k:, :k], lower=True, transpose_a=True, conjugate_a=True
    )
    below = jnp.where(zero[None, :], 0, below)
    rest = _halves(A[k:, k:] - matmul(below, below.mT.conj()), tolerances[k:])
    return jnp.concatenate(
        [jnp.pad(L, ((0, 0), (0, len(rest)))), jnp.concatenate([below, rest], 1)]
    )


def _by_columns(A, tolerances):
    index = jnp.arange(len(A))

    def step(j, state):
        M, L = state
        pivot = M[j, j].real
        keep = pivot > tolerances[j]
        root = jnp.sqrt(jnp.where(keep, pivot, 1)).astype(M.dtype)
        column = jnp.where((index >= j) & keep, M[:, j] / root, 0)
        return M - column[:, None] * column.conj()[None, :], L.at[:, j].set(column)

    return lax.fori_loop(0, len(A), step, (A, jnp.zeros_like(A)))[1]

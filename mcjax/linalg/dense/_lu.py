"""Triangular factors without pivoting: A = L U, and A = L D Lᴴ.

The factors exist, and are unique and smooth, where the leading minors of orders 1..n-1 do not vanish.
With X = L⁻¹ dA U⁻¹,  dL = L tril(X, -1)  and  dU = triu(X) U.

Derivatives of every order: let L₀, U₀ be the factors as constants. M = L₀⁻¹ A U₀⁻¹ is the identity
in value, and depends on A; if M = L̃ Ũ then A = (L₀ L̃)(Ũ U₀), and the factors of a matrix next to I
need no pivots, so that JAX's own rule is right there. The detour also refines the factors.

L₀, U₀ by halves: A₁₁ = L₁₁ U₁₁, then U₁₂ = L₁₁⁻¹ A₁₂, L₂₁ = A₂₁ U₁₁⁻¹ and A₂₂ - L₂₁ U₁₂ = L₂₂ U₂₂.
"""

from functools import partial

import jax.numpy as jnp
from jax import Array, lax

from ..._core._check import hermitian_part, square
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul, row_minus_column
from ..._core._shapes import Square

_LEAF = 16  # below this size, columns are eliminated one by one


def unpivoted_lu(A: Square) -> tuple[Array, Array]:
    """A = L U with unit lower triangular L and upper triangular U, without a permutation.

    Identity: dL = L tril(X, -1), dU = triu(X) U, X = L⁻¹ dA U⁻¹.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      L, U, (..., n, n). NaN where a leading minor of order below n vanishes to the last bit: there
      are no factors. Where one nearly does, they are large and A is not factored stably; with
      pivots, which jump, use `jax.scipy.linalg.lu`.

    Errors: eps ‖|L| |U|‖, without a bound in terms of A; eps ‖A‖ for positive definite A and for A
      dominated by its diagonal.

    Cost: 2n³ flops. Source: Higham, Accuracy and Stability (2002), chapter 9.
    """
    A = square(A, "unpivoted_lu")
    n = A.shape[-1]
    if n < 2:
        return jnp.ones_like(A), A
    eliminate = jnp.vectorize(partial(evaluate, _factors), signature="(n,n)->(n,n),(n,n)")
    L, U = eliminate(lax.stop_gradient(A))
    V, bump = _without_small_last_pivot(U)  # nothing but itself is divided by it
    M = _right_solve(V, _left_solve(L, A)) + bump
    packed, *_ = lax.linalg.lu(M)
    diagonal = row_minus_column(M)
    lower = jnp.where(diagonal > 0, packed, (diagonal == 0).astype(M.dtype))
    upper = jnp.where(diagonal <= 0, packed, 0) - bump
    X = matmul(upper, V)
    by_elimination = U + (X - lax.stop_gradient(X))  # X has lost a last pivot that is small
    return matmul(L, lower), jnp.where(bump == 0, X, by_elimination)


def ldl(A: Square) -> tuple[Array, Array]:
    """A = L diag(d) Lᴴ of a symmetric or Hermitian matrix, without a permutation.

    Identity: with X = L⁻¹ dA L⁻ᴴ, dd = diag(X) and dL = L tril(X D⁻¹, -1).

    Args:
      A: (..., n, n), symmetric or Hermitian, definite or not; (A + Aᴴ)/2 is used.

    Returns:
      L, (..., n, n), unit lower triangular, and d, (..., n), real. NaN where a leading minor of
      order below n vanishes to the last bit. SciPy's `ldl` permutes A and allows blocks of two in D,
      which always exist; both jump with A, so they have no derivative.

    Errors and cost: `unpivoted_lu`. Source: Golub and Van Loan, Matrix Computations (2013), 4.1.
    """
    L, U = unpivoted_lu(hermitian_part(square(A, "ldl")))
    return L, jnp.where(row_minus_column(U) == 0, U, 0).sum(-1).real


def _factors(A):
    L, U = _halves(A)
    pivots = jnp.diagonal(U)[:-1]
    exists = (pivots != 0).all() & jnp.isfinite(L).all() & jnp.isfinite(U).all()
    return jnp.where(exists, L, jnp.nan), jnp.where(exists, U, jnp.nan)


def _halves(A):
    if len(A) <= _LEAF:
        return _by_columns(A)
    k = len(A) // 2
    L1, U1 = _halves(A[:k, :k])
    upper, lower = _left_solve(L1, A[:k, k:]), _right_solve(U1, A[k:, :k])
    L2, U2 = _halves(A[k:, k:] - matmul(lower, upper))
    zero = jnp.zeros_like(upper)
    return (
        jnp.concatenate([jnp.pad(L1, ((0, 0), (0, len(L2)))), jnp.concatenate([lower, L2], 1)]),
        jnp.concatenate([jnp.concatenate([U1, upper], 1), jnp.concatenate([zero.T, U2], 1)]),
    )


def _by_columns(A):
    index = jnp.arange(len(A))

    def step(j, M):
        column = jnp.where(index > j, M[:, j] / M[j, j], 0)
        row = jnp.where(index > j, M[j], 0)
        M = M - column[:, None] * row[None, :]
        return M.at[:, j].set(jnp.where(index > j, column, M[:, j]))

    packed = lax.fori_loop(0, len(A) - 1, step, A)
    return jnp.tril(packed, -1) + jnp.eye(len(A), dtype=A.dtype), jnp.triu(packed)


def _without_small_last_pivot(U):
    """U with its size for a last pivot that is 0 to rounding, and a 1 there: what M then lacks of I."""
    n, size = U.shape[-1], jnp.abs(U).max((-2, -1), keepdims=True)
    last = lax.broadcasted_iota("int32", U.shape, U.ndim - 2) == n - 1
    small = jnp.abs(U) <= n * jnp.finfo(U.dtype).eps * size
    replaced = last & (row_minus_column(U) == 0) & small & (size > 0)
    return jnp.where(replaced, size.astype(U.dtype), U), replaced.astype(U.dtype)


def _left_solve(L, B):
    return lax.linalg.triangular_solve(L, B, left_side=True, lower=True, unit_diagonal=True)


def _right_solve(U, B):
    return lax.linalg.triangular_solve(U, B, left_side=False, lower=False)

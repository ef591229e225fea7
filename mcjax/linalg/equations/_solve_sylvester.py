"""The Sylvester equation A X + X B = Q.

Derivatives come from the equation:  A dX + dX B = dQ - dA X - X dB,  and in reverse, with Y from
Aᵀ Y + Y Bᵀ = X̄,  Q̄ = Y, Ā = -Y Xᵀ, B̄ = -Xᵀ Y  (`_core._solve`).

The solver is Bartels and Stewart's (1972) without a Schur decomposition, which no GPU has. The
eigenvectors V of A are computed to backward stability even where they are nearly parallel; V = U R
with U unitary, and Uᴴ A U = R Λ R⁻¹ is upper triangular up to eps times the condition of V. So

    A = U T Uᴴ + small,   B = W S Wᴴ + small,   T Y + Y S = Uᴴ Q W,   X = U Y Wᴴ,

column by column, and iterative refinement removes what "small" is. Multiple and defective
eigenvalues cost digits of the factors, not of X.
"""

import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from ..._core._check import matrix, same_dtype, square
from ..._core._matmul import matmul
from ..._core._shapes import OtherSquare, Rectangle, Square
from ..._core._solve import sealed_solve


def solve_sylvester(A: Square, B: OtherSquare, Q: Rectangle) -> Rectangle:
    """X with A X + X B = Q: SciPy's `solve_sylvester`, differentiable in A, B and Q.

    Args:
      A: (..., n, n), B: (..., m, m), Q: (..., n, m), with broadcasting batches.

    Returns:
      X, (..., n, m). NaN where A and -B share an eigenvalue to rounding: no X, or no unique one.

    Cost: two eigendecompositions, m triangular solves of size n, two steps of refinement; a gradient
    reuses the factors. Source: Bartels and Stewart, Comm. ACM 15 (1972) 820; Higham, Accuracy and
    Stability (2002), chapter 16.
    """
    A, B = square(A, "solve_sylvester"), square(B, "solve_sylvester")
    A, B, Q = same_dtype(A, B, matrix(Q, "solve_sylvester"))
    if Q.shape[-2:] != (A.shape[-1], B.shape[-1]):
        raise ValueError(
            f"solve_sylvester: A X + X B = Q needs Q of shape {(A.shape[-1], B.shape[-1])} for A "
            f"{A.shape[-2:]} and B {B.shape[-2:]}, got {Q.shape[-2:]}; did you mean Q.mT, or -B?"
        )
    batch = jnp.broadcast_shapes(*(x.shape[:-2] for x in (A, B, Q)))
    A, B, Q = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B, Q))
    return jnp.vectorize(_solve_one, signature="(n,n),(m,m),(n,m)->(n,m)")(A, B, Q)


def _solve_one(A, B, Q):
    if Q.size == 0:
        return Q
    return sealed_solve(_apply, _factor, (_solve, _solve_transposed), (A, B), Q)


def _apply(coefficients, X):
    A, B = coefficients
    return matmul(A, X) + matmul(X, B)


def _factor(A, B):
    """Unitary U, W and triangular T, S with A ≈ U T Uᴴ and B ≈ W S Wᴴ."""
    (U, T), (W, S) = map(_triangularise, (A, B))
    t, s = jnp.diagonal(T), jnp.diagonal(S)
    gap = jnp.abs(t[:, None] + s[None, :]).min()
    scale = jnp.abs(t).max() + jnp.abs(s).max()
    unique = gap > 10 * len(t) * jnp.finfo(gap.dtype).eps * scale
    return U, jnp.where(unique, T, jnp.nan), W, S


def _triangularise(A):
    _, V = jnp.linalg.eig(A)
    U, _ = jnp.linalg.qr(V)
    return U, jnp.triu(matmul(matmul(U.mT.conj(), A.astype(U.dtype)), U))


def _solve(U, T, W, S, Q):
    rhs = matmul(matmul(U.mT.conj(), Q.astype(U.dtype)), W)
    X = matmul(matmul(U, _sweep(T, S, rhs)), W.mT.conj())
    return (X if jnp.iscomplexobj(Q) else X.real,)


def _solve_transposed(U, T, W, S, Q):
    """With J reversing an order, J Tᵀ J is upper triangular: Aᵀ = (Ū J)(J Tᵀ J)(Ū J)ᴴ."""
    reverse = U[:, ::-1].conj(), T[::-1, ::-1].mT, W[:, ::-1].conj(), S[::-1, ::-1].mT
    return _solve(*reverse, Q)


def _sweep(T, S, Q):
    """T Y + Y S = Q for upper triangular T and S, one column of Y after the other."""
    identity = jnp.eye(len(T), dtype=T.dtype)

    def column(Y, j):
        rhs = Q[:, j] - matmul(Y, S[:, j, None])[:, 0]
        y = solve_triangular(T + S[j, j] * identity, rhs)
        return Y.at[:, j].set(y), None

    return lax.scan(column, jnp.zeros_like(Q), jnp.arange(len(S)))[0]

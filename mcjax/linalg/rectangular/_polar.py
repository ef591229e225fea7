"""The polar decomposition A = U P.

With A = W Σ Vᴴ, U = W Vᴴ is the odd function f(σ) = 1 of A (`_isometry`) and P = V Σ Vᴴ = Uᴴ A. From
f[σ_i, σ_j] = 0 and f[σ_i, -σ_j] = 2 / (σ_i + σ_j), with K = Wᴴ E V,

    D U[E] = W ((K - Kᴴ)_ij / (σ_i + σ_j)) Vᴴ          (square A; tall: + (I - U Uᴴ) E P⁻¹).

Equal singular values are harmless, small ones are not. P is differentiated as the product it is.
"""

import jax

from ..._core._check import hermitian_part, matrix
from ..._core._matmul import matmul
from ..._core._shapes import Rectangle
from ._isometry import isometry
from ._qdwh import isometry_by_qdwh

_SIDES = ("right", "left")
_METHODS = ("svd", "qdwh")


def polar(a: Rectangle, side: str = "right", *, method: str = "svd") -> tuple[jax.Array, jax.Array]:
    """A = U P or A = P U: SciPy's `polar`, differentiable to any order in both modes.

    Identity: D U[E] = W ((K - Kᴴ)_ij / (σ_i + σ_j)) Vᴴ with A = W Σ Vᴴ, K = Wᴴ E V (square A).

    Args:
      a: A, (..., m, n), real or complex, tall, wide or square; integers are promoted.
      side: "right" for A = U P, "left" for A = P U.
      method: for U, "svd", or "qdwh", six QR factorisations and products, for A of full rank: U may
        be NaN for others. Both have the same derivatives, from an SVD.

    Returns:
      U, (..., m, n), with orthonormal columns, or rows if A is wide; the nearest such matrix to A.
      P, Hermitian, positive semidefinite: (AᴴA)^{1/2}, (..., n, n), or (AAᴴ)^{1/2}, (..., m, m).
      Derivatives exist at full rank, whichever singular values are equal. At a rank below min(m, n),
      to rounding, U is one of many and derivatives of both are NaN.

    Cost: one SVD, or about six QR factorisations of (m + n) x n; the gradient an SVD and a few products.
    Source: Higham, Functions of Matrices (2008), chapter 8; Nakatsukasa, Bai and Gygi, SIAM J. Matrix
    Anal. Appl. 31 (2010) 2700 (QDWH).
    """
    a = matrix(a, "polar")
    if side not in _SIDES:
        raise ValueError(f"polar: side must be one of {_SIDES}, got {side!r}")
    if method not in _METHODS:
        raise ValueError(f"polar: method must be one of {_METHODS}, got {method!r}")
    U = isometry_by_qdwh(a) if method == "qdwh" else isometry(a, rank=min(a.shape[-2:]))
    Uh = U.mT.conj()
    return U, hermitian_part(matmul(Uh, a) if side == "right" else matmul(a, Uh))

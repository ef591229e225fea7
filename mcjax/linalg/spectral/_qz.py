"""The generalised Schur form A = Q S_A Zᴴ, B = Q S_B Zᴴ of a pencil, by the Schur form of one matrix.

Turn the pencil until C = c B + s A can be inverted (`_eig_pencil`, D = c A - s B, A and B of size 1):

    C⁻¹ D = Z T Zᴴ,   C Z = Q R   so that   C = Q R Zᴴ,   D = C Z T Zᴴ = Q R T Zᴴ,
    A = c D + s C = Q R (c T + s I) Zᴴ,     B = c C - s D = Q R (c I - s T) Zᴴ,

products of triangular matrices, also where A or B is singular. Derivatives are those of the three steps.
"""

from ..._core._matmul import add_diagonal, matmul
from ..._core._shapes import Square
from ..dense._qr import qr
from ._eig_pencil import turned
from ._schur import schur


def qz(A: Square, B: Square, output: str = "real"):
    """The generalised Schur form of a pencil A - λ B: SciPy's `qz`.

    Identity: A = Q S_A Zᴴ, B = Q S_B Zᴴ, Q and Z unitary; λ_i = (S_A)ᵢᵢ/(S_B)ᵢᵢ, infinite ones too.

    Args:
      A, B: (..., n, n), real or complex, with broadcasting batches.
      output: "complex" for triangular S_A and S_B; "real", of real A and B, for real ones with blocks of
        two on the diagonals of both (of SciPy's the second is triangular). Complex ones have a complex
        form only.

    Returns:
      S_A, S_B, Q, Z, (..., n, n), with derivatives where `schur` has them: where the λ_i are distinct, and
      in a real form up to the bases of its blocks. Their order is that of one combination's Schur form,
      and another where another is best conditioned. NaN for a singular pencil, det(A - λ B) = 0 for all
      λ, and for what is not finite.

    Errors: eps times the condition number of the best of eight combinations c B + s A.
    Cost: eight inverses, and `schur`, whose limits it has: CPU only. Source: Moler and Stewart, An algorithm
    for generalized matrix eigenvalue problems (1973), of the form; Golub and Van Loan, Matrix
    Computations (2013), section 7.7.
    """
    pencil = turned(A, B, "qz")
    T, Z, *_ = schur(pencil.quotient, output)
    if not T.size:
        return T, T, T, T
    Q, R = qr(matmul(pencil.C.astype(T.dtype), Z))
    a, b, c, s = (x.astype(T.dtype) for x in pencil.scales)
    first = a * matmul(R, add_diagonal(c * T, s))
    second = b * matmul(R, add_diagonal(-s * T, c))
    return first, second, Q, Z

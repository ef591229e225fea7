"""The adjugate: the matrix of cofactors, transposed.

D det(A)[E] = tr(adj(A) E): the adjugate is the gradient of the determinant, and its derivatives are
the determinant's higher ones (`_det`). Nothing is divided, so all of them hold at every rank.
"""

from ..._core._check import square
from ..._core._potential import derivative
from ..._core._shapes import Square
from ._det import Determinant


def adjugate(A: Square) -> Square:
    """Adjugate: adj(A) A = A adj(A) = det(A) I, also where A is singular.

    Identity: adj(A)_ij = ∂ det(A) / ∂A_ji.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      adj(A), (..., n, n): det(A) A⁻¹ at a regular A, of rank one at rank n - 1, and zero below.

    Cost: an LU factorisation and an inverse, and an SVD if A is nearly singular; a derivative of order
    k an SVD and n^{k+1} products. Source: Stewart, On the adjugate matrix, Linear Algebra Appl. 283
    (1998) 151.
    """
    return derivative(Determinant(), square(A, "adjugate")).mT

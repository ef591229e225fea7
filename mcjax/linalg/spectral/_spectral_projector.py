"""The projector onto some eigenvectors: what of eigenvectors is smooth (`_selected_sum`)."""

from ..._core._check import hermitian_part, square
from ..._core._shapes import Square
from ._selected_sum import selected_sum


def spectral_projector(A: Square, select: slice | tuple) -> Square:
    """P = Σ v_i v_iᴴ over selected eigenvalues of a Hermitian matrix, exact however they repeat.

    Identity: D P(A)[E] = Σ (v_i v_iᴴ E v_j v_jᴴ + v_j v_jᴴ E v_i v_iᴴ)/(λ_i - λ_j), i selected, j not.

    Args:
      A: (..., n, n), symmetric or Hermitian; (A + Aᴴ)/2 is used.
      select: a slice of the ascending order, like slice(0, 2) for the two smallest and
        slice(-1, None) for the largest eigenvalue; or a pair (lo, hi) of numbers, infinite ones too,
        for lo < λ <= hi. There is no derivative in lo and hi.

    Returns:
      P, (..., n, n). NaN where it is not defined to rounding (10 n eps ‖A‖): the slice cuts through a
      tie, or an eigenvalue is at an end of the interval.

    Errors: eps ‖A‖ over the gap between the eigenvalues selected and the others.

    Cost: one eigendecomposition, and for a derivative another with a few products; the k-th derivative
    stores n^{k+1} weights. Source: Kato, Perturbation Theory for Linear Operators (1966), II.2;
    Overton and Womersley, Math. Prog. 62 (1993) 321.
    """
    A = hermitian_part(square(A, "spectral_projector"))
    if not A.size:
        return A
    return selected_sum(A, select, "spectral_projector", dual=0).mT

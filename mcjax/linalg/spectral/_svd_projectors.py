"""The projectors onto the leading singular vectors: what of singular vectors is smooth.

H = [0, A; Aᴴ, 0] has the eigenvalues ±σ_i with the eigenvectors (u_i, ±v_i)/√2, so the projector onto
those of its k largest is ½ [U_k U_kᴴ, U_k V_kᴴ; V_k U_kᴴ, V_k V_kᴴ].
"""

from typing import NamedTuple

from ..._core._check import counts, matrix
from ..._core._shapes import Rectangle, Square
from ..dense._largest_sum import dilation
from ._spectral_projector import spectral_projector


class SvdProjectors(NamedTuple):
    """U_k U_kᴴ, (..., m, m), and V_k V_kᴴ, (..., n, n)."""

    left: Square
    right: Square


def svd_projectors(A: Rectangle, k: int) -> SvdProjectors:
    """The projectors onto the left and right singular vectors of the k largest singular values.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      k: 1 <= k <= min(m, n).

    Returns:
      A named pair, with exact derivatives of every order while σ_k > σ_{k+1} (at k = min(m, n): while A
      has full rank), however singular values repeat otherwise. NaN at a tie there, to rounding.

    Errors: eps ‖A‖ over σ_k - σ_{k+1}. Cost: the spectral projector of a matrix of size m + n.
    Source: Horn and Johnson, Matrix Analysis (2013), section 7.3.
    """
    A = matrix(A, "svd_projectors")
    m, n = A.shape[-2:]
    if not counts(k, 1, min(m, n)):
        raise ValueError(
            f"svd_projectors: k must be one of 1..{min(m, n)} for {m} x {n}, got {k!r}"
        )
    P = 2 * spectral_projector(dilation(A), slice(-k, None))
    return SvdProjectors(P[..., :m, :m], P[..., m:, m:])

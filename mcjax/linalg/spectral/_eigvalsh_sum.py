"""Sums of eigenvalues, which are smooth where single eigenvalues are not (`_selected_sum`)."""

import jax.numpy as jnp
import numpy as np

from ..._core._check import hermitian_part, square
from ..._core._shapes import Scalar, Square
from ._selected_sum import selected_sum


def eigvalsh_sum(A: Square, select: int | slice | tuple) -> Scalar:
    """The sum of selected eigenvalues of a Hermitian matrix, exact however they repeat.

    Identity: D eigvalsh_sum(A)[E] = tr(P E), P the projector onto their eigenvectors.
    Means and weighted sums over clusters are made of these.

    Args:
      A: (..., n, n), symmetric or Hermitian; (A + Aᴴ)/2 is used.
      select: k for the k smallest, `eigvalsh(A)[:k].sum()`; or a slice or an interval (lo, hi], as for
        `spectral_projector`.

    Returns:
      (...), real. Where a slice cuts through a tie, to rounding, derivatives are NaN, but for the
      gradient of a sum of the largest, or smallest: it is the subgradient that no rotation of the tied
      space changes. NaN where an eigenvalue is at an end of the interval.

    Errors, cost and source: `spectral_projector`.
    """
    A = hermitian_part(square(A, "eigvalsh_sum"))
    if not A.size:
        return jnp.zeros_like(A.real, shape=A.shape[:-2])
    if isinstance(select, int | np.integer):
        if not 0 <= select <= A.shape[-1]:
            raise ValueError(
                f"eigvalsh_sum: k must be one of 0..{A.shape[-1]}, got {select}; "
                f"slice({-abs(select)}, None) selects the largest"
            )
        select = slice(0, int(select))
    return selected_sum(A, select, "eigvalsh_sum", dual=None, subgradient=True).real

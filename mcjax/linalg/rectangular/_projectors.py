"""Projectors on the range and the null space, in place of bases of them.

SciPy's `orth` and `null_space` return bases. A basis is no function of A (any rotation of it is one as
good, and where singular values repeat there is no smooth choice), and its number of columns depends
on the data. The projectors on the spaces are functions of A: with F = U_r V_rᴴ (`_isometry`),

    A A⁺ = F Fᴴ,        I - A⁺ A = I - Fᴴ F,

smooth wherever the rank r is kept, whichever singular values are equal. What a basis N was wanted for,
the projector does: N Nᴴ x is P x, ‖Nᴴ x‖ is ‖P x‖, a constraint A x = 0 is x = P z.
"""

import jax.numpy as jnp
import numpy as np

from ..._core._check import matrix
from ..._core._matmul import add_diagonal, matmul
from ..._core._shapes import Rectangle, Square
from ._isometry import isometry


def orth_projector(A: Rectangle, rank: int | None = None) -> Square:
    """The orthogonal projector A A⁺ on the range of A: what is smooth of SciPy's `orth`.

    Identity: D P[E] = (I - P) E A⁺ + its adjoint, where the rank is kept.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      rank: r, known beforehand; None for min(m, n). If A's rank is larger, the range is that of its
        nearest matrix of rank r, the span of the r leading left singular vectors.

    Returns:
      P, (..., m, m), Hermitian, P P = P. Derivatives of every order exist where σ_r > σ_{r+1}, σ_r > 0;
      elsewhere, to rounding, the space is one of many and they are NaN.

    Cost: one SVD; the gradient another, with a few products. Source: Golub and Pereyra, SIAM J.
    Numer. Anal. 10 (1973) 413.
    """
    F = _leading(A, rank, "orth_projector")
    return matmul(F, F.mT.conj())


def null_projector(A: Rectangle, rank: int | None = None) -> Square:
    """The orthogonal projector I - A⁺ A on the null space: what is smooth of SciPy's `null_space`.

    Identity: D P[E] = -A⁺ E P + its adjoint, where the rank is kept.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      rank: r, known beforehand; None for min(m, n). If A's rank is larger, the space is that of all
        but the r leading right singular vectors.

    Returns:
      P, (..., n, n), Hermitian, P P = P. Derivatives as for `orth_projector`.

    Cost and source: as for `orth_projector`.
    """
    F = _leading(A, rank, "null_projector")
    return add_diagonal(-matmul(F.mT.conj(), F), 1.0)


def _leading(A, rank, name):
    A = matrix(A, name)
    largest = min(A.shape[-2:])
    rank = largest if rank is None else rank
    if not isinstance(rank, int | np.integer) or not 0 <= rank <= largest:
        raise ValueError(f"{name}: rank must be an integer from 0 to {largest}, got {rank!r}")
    return isometry(A, rank=int(rank)) if rank else jnp.zeros_like(A)

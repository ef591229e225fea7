"""The invariant subspace of some eigenvalues, as the orthogonal projector onto it.

A subspace has many bases and one orthogonal projector: the projector is the function that is smooth. With
the spectral projector P of the eigenvalues chosen (`_riesz_projector`, `signm`), oblique if A is not
normal, it is

    Π = (P + Pᴴ - I)⁻¹ Pᴴ,

since (P + Pᴴ - I) Π = Pᴴ Π and Pᴴ Π = Pᴴ, of which the first is from P Π = Π and the second from Π P = P.
The matrix is well conditioned whatever P is: its square is I - (P - Pᴴ)², and P - Pᴴ is skew-Hermitian.
Products and solutions alone: derivatives of every order, on every device.
"""

import jax.numpy as jnp

from ..._core._check import hermitian_part, square
from ..._core._matmul import add_diagonal
from ..._core._shapes import Square
from ..functions._signm import signm
from ._riesz_projector import riesz_projector

_REGIONS = ("lhp", "rhp", "iuc", "ouc")


def invariant_subspace(A: Square, select: str | tuple) -> Square:
    """The orthogonal projector onto the invariant subspace of the eigenvalues selected.

    Π = Q Qᴴ with A Q = Q B, B with the eigenvalues selected: however these repeat, defective or not.
    For a basis, `schur(A, sort=...)` on a CPU.

    Identity: Π = P (P + Pᴴ - I)⁻¹ with the spectral projector P, D Π[E] = X + Xᴴ with
    X = (I - Π) D P[E] (P + Pᴴ - I)⁻¹ Π.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      select: SciPy's names, "lhp" and "rhp" for the left and the right half-plane, "iuc" and "ouc" for
        within and outside the unit circle; or (center, radius) of a disc, as for `riesz_projector`.

    Returns:
      Π, (..., n, n), symmetric or Hermitian, real if A and the center are, with derivatives of every order.
      NaN where an eigenvalue is on the boundary to rounding, and for a matrix that is not finite.

    Errors: those of P: eps over the distance of the boundary to the spectrum.
    Cost: `signm` or `riesz_projector` and a solution of n equations.
    Source: Golub and Van Loan, Matrix Computations (2013), section 7.6; Bai and Demmel, Using the matrix
    sign function to compute invariant subspaces (1998); Afriat, Orthogonal and oblique projectors (1957).
    """
    A = square(A, "invariant_subspace")
    if select in ("lhp", "rhp"):
        sign = signm(A)
        P = add_diagonal(sign if select == "rhp" else -sign, 1.0) / 2
    elif select in ("iuc", "ouc"):
        within = riesz_projector(A, 0.0, 1.0)
        P = within if select == "iuc" else add_diagonal(-within, 1.0)
    elif isinstance(select, tuple) and len(select) == 2:
        P = riesz_projector(A, *select)
    else:
        raise ValueError(
            f"invariant_subspace: select must be one of {_REGIONS} or a disc (center, radius), got "
            f"{select!r}"
        )
    if not P.size:
        return P
    return hermitian_part(jnp.linalg.solve(add_diagonal(P + P.mT.conj(), -1.0), P.mT.conj()))

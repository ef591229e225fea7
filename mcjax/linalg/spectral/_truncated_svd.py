"""The leading part of a singular value decomposition, and how far it is from the rest."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Num

from ..._core._check import counts, matrix
from ..._core._power_of_two import nearest
from ..._core._shapes import Rectangle
from ._svd import svd


class TruncatedSvd(NamedTuple):
    """U (..., m, k), S (..., k), Vh (..., k, n), and gap = (σ_k - σ_{k+1})/σ_1, (...)."""

    U: Num[Array, "*batch m k"]
    S: Float[Array, "*batch k"]
    Vh: Num[Array, "*batch k n"]
    gap: Float[Array, "*batch"]


def truncated_svd(A: Rectangle, k: int, *, degenerate: str = "nan") -> TruncatedSvd:
    """The k largest singular values and their vectors, and the gap to the others.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      k: 1 <= k <= min(m, n).
      degenerate: as for `svd`.

    Returns:
      (U, S, Vh, gap). gap = (σ_k - σ_{k+1})/σ_1, with σ_{k+1} = 0 at k = min(m, n), is the condition of
      the truncation: U Vᴴ, the projectors and `best_rank` lose its digits. Where a tie is cut the gap
      is 0 and derivatives of what was cut are NaN. Derivatives are those of `svd`.

    Errors: eps ‖A‖ in S, eps / gap in the subspaces. Cost: `svd`. For few of many: `svds`.
    Source: Eckart and Young, Psychometrika 1 (1936) 211; Horn and Johnson (2013), section 7.4.2.
    """
    A = matrix(A, "truncated_svd")
    m, n = A.shape[-2:]
    if not counts(k, 1, min(m, n)):
        raise ValueError(f"truncated_svd: k must be one of 1..{min(m, n)} for {m} x {n}, got {k!r}")
    U, s, Vh = svd(A, full_matrices=False, degenerate=degenerate)
    edge = s[..., k - 1] - (s[..., k] if k < min(m, n) else 0)
    unit = nearest(lax.stop_gradient(s[..., 0]))  # derivatives of a quotient have squares
    largest = s[..., 0] / unit
    gap = edge / unit / jnp.where(largest > 0, largest, 1)
    return TruncatedSvd(U[..., :k], s[..., :k], Vh[..., :k, :], gap)

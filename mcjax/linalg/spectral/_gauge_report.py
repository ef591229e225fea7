"""What a loss of eigenvalues and eigenvectors asks of them at ties: the audit of `eigh`, in numbers."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..._core._check import hermitian_part, square
from ..._core._matmul import matmul, norm
from ..._core._shapes import Square
from ._clusters import broken, labels, spread_violation, tied, turn_violation
from ._decomposition import decomposition


class GaugeReport(NamedTuple):
    """For every eigenvalue, in ascending order (..., n)."""

    cluster: Int[Array, "*batch n"]
    gap: Float[Array, "*batch n"]
    condition: Float[Array, "*batch n"]
    turn: Float[Array, "*batch n"]
    spread: Float[Array, "*batch n"]
    exists: Bool[Array, "*batch n"]


def gauge_report(A: Square, V_bar: Square, w_bar: Float[Array, "*batch n"]) -> GaugeReport:
    """Why the gradient of a loss(w, V) through `eigh` is NaN, and how well conditioned it is.

    At a tie c the gradient exists if (a) the loss does not change as the basis of c is turned,
    sk(Vᴴ V̄)_cc = 0, and (b) treats its eigenvalues alike, w̄ constant on c.

    Args:
      A: (..., n, n); (A + Aᴴ)/2 is used.
      V_bar, w_bar: (..., n, n) and (..., n), the gradients of the loss in V and w as `jax.grad` gives
        them: `w_bar, V_bar = jax.grad(loss, (0, 1))(*eigh(A))`.

    Returns:
      cluster: the number of the tie that an eigenvalue belongs to; equal numbers are tied.
      gap: the distance to the nearest eigenvalue of another cluster, infinite if there is none.
      condition: ‖A‖₂ / gap, what an eigenvector makes of relative errors of A.
      turn: violation of (a), relative to ‖V̄‖.    spread: violation of (b), relative to max |w̄|.
      exists: whether both are rounding, so that `eigh` gives a gradient.

    Cost: one eigendecomposition. Source: Magnus (1985); Kasim (2020), arXiv 2011.04366.
    """
    A = hermitian_part(square(A, "gauge_report"))
    V_bar, w_bar = jnp.asarray(V_bar, A.dtype), jnp.asarray(w_bar, A.real.dtype)
    if V_bar.shape != A.shape or w_bar.shape != A.shape[:-1]:
        raise ValueError(
            f"gauge_report: for A of shape {A.shape} V_bar must have the shape {A.shape} and w_bar "
            f"{A.shape[:-1]}, got {V_bar.shape} and {w_bar.shape}"
        )
    w, V = decomposition(A)
    same = tied(w)
    turn = turn_violation(matmul(V.mT, V_bar), norm(V_bar), same)
    spread = spread_violation(w_bar, same)
    apart = jnp.where(same, jnp.inf, jnp.abs(w[..., :, None] - w[..., None, :]))
    gap = apart.min(-1, initial=jnp.inf)
    return GaugeReport(
        cluster=labels(w),
        gap=gap,
        condition=jnp.abs(w).max(-1, keepdims=True, initial=0.0) / gap,
        turn=turn,
        spread=spread,
        exists=~broken(turn, spread, spread_violation(w, same), same),
    )

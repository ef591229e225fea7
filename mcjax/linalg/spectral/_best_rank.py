"""The nearest matrix of rank k: the k largest singular values kept, the others made 0.

It is the odd function (`..rectangular._odd_function`) f(x) = x χ(x), with χ = 1 at the first and the
last k eigenvalues -σ_1 .. -σ_k, σ_k .. σ_1 of H = [0, A; Aᴴ, 0], and 0 between. By the rule of Leibniz,
whose factor x has the divided differences x₀ and 1,

    f[x₀..x_j] = x₀ χ[x₀..x_j] + χ[x₁..x_j],

and those of χ subtract nothing that is close: they are 0 among nodes on one side of both cuts, and
otherwise the recursion divides by a distance of at least σ_k - σ_{k+1}. No other gap counts.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from ..._core._check import counts, matrix
from ..._core._shapes import Rectangle
from ..functions._jump_differences import jump_differences
from ..rectangular._odd_function import homogeneous_form, odd_function

_TIE = 10  # times (singular values of H) eps ‖A‖: gaps below this are rounding


def best_rank(A: Rectangle, k: int) -> Rectangle:
    """U_k Σ_k V_kᴴ, the matrix of rank k that is nearest to A in every unitarily invariant norm.

    Identity: D F(A)[E] = U_k U_kᴴ E + E V_k V_kᴴ - U_k U_kᴴ E V_k V_kᴴ, where A has rank k.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      k: 0 <= k <= min(m, n).

    Returns:
      (..., m, n), with exact derivatives of every order while σ_k > σ_{k+1}, however singular values
      repeat or vanish otherwise. NaN at a tie there, to rounding (20 min(m, n) eps ‖A‖); if both are 0,
      the value is A and only the derivatives are NaN. At k = min(m, n), A itself.

    Errors: eps ‖A‖ times σ_k/(σ_k - σ_{k+1}).

    Cost: one SVD; a first derivative another, with a few products; the k-th sums (m + n)^{k+1}
    weights without storing them, m and n as in `svd_function` if A is tall or wide.

    Source: Eckart and Young, Psychometrika 1 (1936) 211; Horn and Johnson, Matrix Analysis (2013),
    section 7.4.2; the derivative: Noferini, SIAM J. Matrix Anal. Appl. 38 (2017) 434.
    """
    A = matrix(A, "best_rank")
    m, n = A.shape[-2:]
    if not counts(k, 0, min(m, n)):
        raise ValueError(f"best_rank: k must be one of 0..{min(m, n)} for {m} x {n}, got {k!r}")
    if k == min(m, n):
        return A
    return odd_function(_Truncation(k), A) if k else jnp.zeros_like(A)


@dataclass(frozen=True)
class _Truncation:
    """½ Σ σ² of the k largest: its gradient is A without the others. 0 < k < min(m, n)."""

    k: int
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        return homogeneous_form(self.values, self.differences, point[0], directions, 1)

    def values(self, s):
        kept = jnp.where(jnp.arange(len(s)) < self.k, s, 0.0)
        return jnp.where(self._tie(s) & (s[self.k - 1] > _rounding(s)), jnp.nan, kept)

    def differences(self, s, x, order):
        i = jnp.arange(len(x))
        side = (i >= len(x) - self.k).astype(x.dtype) - (i < self.k).astype(x.dtype)
        side = jnp.where(self._tie(s), jnp.nan, side)

        def differences(*indices):
            nodes = jnp.sort(jnp.stack(jnp.broadcast_arrays(*indices)), 0)
            first, rest = (jump_differences(x, jnp.abs(side), side, i) for i in (nodes, nodes[1:]))
            return x[nodes[0]] * first + rest

        return differences

    def _tie(self, s):
        return s[self.k - 1] - s[self.k] <= _rounding(s)


def _rounding(s):
    return _TIE * 2 * len(s) * jnp.finfo(s.dtype).eps * s[0]

"""Sums of some eigenvalues of a Hermitian matrix, and the projector onto their eigenvectors.

Φ(A) = Σ λ_i over a selection of neighbours in the ascending order. Its gradient is the projector

    P = Σ v_i v_iᴴ = χ(A),    χ = 1 on the selection and 0 elsewhere,

and the derivatives of P are sums over divided differences of χ (Daleckii and Krein 1965),

    D P[E] = V (χ[λ_i, λ_j] ∘ Vᴴ E V) Vᴴ,    χ[λ_i, λ_j] = ±1/(λ_i - λ_j) across a cut, 0 elsewhere:

only gaps between what is selected and what is not divide, however eigenvalues repeat on either side.
Where a cut runs through a tie there is no P. The mean of χ over the tie gives the subgradient of Φ that
no rotation of the tied space changes.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..._core._potential import derivative
from ..dense._largest_sum import largest_unit, spectral_form
from ..functions._jump_differences import jump_differences

_TIE = 10  # times n eps ‖A‖: gaps below this are rounding


@dataclass(frozen=True)
class SelectedSum:
    """Φ(A), or with point[1] = (lo, hi) that of the eigenvalues lo < λ <= hi.

    `bounds` are the indices (first, stop) of the selection, None for an interval. `subgradient` says
    whether a tie at a cut has the mean for a gradient, or NaN.
    """

    bounds: tuple[int, int] | None
    subgradient: bool = False
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        return spectral_form(_At(self, *point[1:]), point[0], directions, dual)


@dataclass(frozen=True)
class _At:
    """A selection among eigenvalues x, as `spectral_form` asks for it."""

    selection: SelectedSum
    interval: Any = None
    rows = None

    def value(self, x):
        total = jnp.where(self._selected(x), x, 0).sum()
        return jnp.where(self._undecided(x), jnp.nan, total)

    def unit(self, x):
        return largest_unit(x)

    def differences(self, x, order):
        """χ[x_i0, ..., x_ik] for all indices."""
        chosen, cluster = self._selected(x), jnp.cumsum(jnp.diff(x, prepend=x[:1]) > _rounding(x))
        same = cluster[:, None] == cluster[None, :]
        mean = (same & chosen[None, :]).sum(1) / same.sum(1)
        mean = jnp.where(jnp.isnan(x), jnp.nan, mean.astype(x.dtype))
        none = ((mean > 0) & (mean < 1)).any() | self._undecided(x)
        if order == 0:
            return jnp.where(none & (not self._has_subgradient(len(x))), jnp.nan, mean)
        indices = jnp.meshgrid(*[jnp.arange(len(x))] * (order + 1), indexing="ij")
        side = jnp.cumsum(jnp.diff(chosen, prepend=chosen[:1]))  # counts the cuts below
        nodes = jnp.sort(jnp.stack(indices), 0)
        exact = jump_differences(x / self.unit(x), chosen.astype(x.dtype), side, nodes)
        return jnp.where(none, jnp.nan, exact)

    def _has_subgradient(self, n):
        """A sum of largest or smallest is convex or concave; one in the middle is neither."""
        bounds = self.selection.bounds
        return (
            self.selection.subgradient and bounds is not None and (bounds[0] == 0 or bounds[1] == n)
        )

    def _selected(self, x):
        if self.selection.bounds is None:
            return (self.interval[0] < x) & (x <= self.interval[1])
        first, stop = self.selection.bounds
        return (first <= jnp.arange(len(x))) & (jnp.arange(len(x)) < stop)

    def _undecided(self, x):
        """Whether an eigenvalue is at an end of the interval, to rounding, or an end is NaN."""
        if self.interval is None:
            return False
        return ~(jnp.abs(x[:, None] - self.interval[None, :]) > _rounding(x)).all()


def _rounding(x):
    return _TIE * len(x) * jnp.finfo(x.dtype).eps * jnp.abs(x).max()


def selected_sum(A, select, name, dual, subgradient=False):
    """Φ(A), or its gradient (transposed: P), for a slice, or a pair (lo, hi)."""
    if isinstance(select, slice):
        first, stop, step = select.indices(A.shape[-1])
        if step != 1:
            raise ValueError(f"{name}: a slice of neighbours has no step, got {select}")
        potential = SelectedSum((first, stop), subgradient)
        return derivative(potential, A, dual=dual)
    try:
        lo, hi = select
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: select must be a slice of the ascending eigenvalues, or a pair (lo, hi) of "
            f"numbers for lo < λ <= hi, got {select!r}"
        ) from None
    interval = lax.stop_gradient(jnp.stack([jnp.asarray(b, A.real.dtype) for b in (lo, hi)]))
    return derivative(SelectedSum(None), A, interval, dual=dual)

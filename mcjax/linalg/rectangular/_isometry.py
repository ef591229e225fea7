"""The partial isometry U_r V_rᴴ of the r largest singular values: a step function of them.

It is the odd function (`_odd_function`) with the values -1, 0 and 1 at eigenvalues of H, the first and
the last r of them and those between. Divided differences of a step function subtract nothing that is
close: they are 0 among nodes of one value, and otherwise the recursion divides by the distance of a
node to one of another value. So derivatives need σ_r > σ_{r+1} and σ_r > 0, and no other gap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from ..._core._shapes import Rectangle
from ._odd_function import homogeneous_form, odd_function


def isometry(A: Rectangle, *, rank: int | None = None, rcond: float = 0.0) -> Rectangle:
    """U_r V_rᴴ for r = rank, or (None) for the singular values above rcond times the largest.

    Where σ_r is σ_{r+1} or 0 to rounding, it is one of many and its derivatives are NaN.
    """
    return odd_function(StepPotential(rank, rcond), A)


@dataclass(frozen=True)
class StepPotential:
    """tr |H| of the leading eigenvalues of H: its gradient is their sign."""

    rank: int | None
    rcond: float
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        def values(s):
            return jnp.where(jnp.arange(len(s)) < self.count(s), 1.0, 0.0)

        def differences(s, x, order):
            return _step_differences(s, x, self.count(s))

        (A,) = point
        return homogeneous_form(values, differences, A, directions, 0)

    def count(self, s):
        return (s > self.rcond * s[0]).sum() if self.rank is None else self.rank


def _step_differences(s, x, r) -> Callable:
    """Divided differences of the step function, NaN where its step is between equal nodes."""
    ends = jnp.concatenate([s, jnp.zeros_like(s[:1])])
    undefined = (r > 0) & (ends[r - 1] - ends[r] <= len(x) * jnp.finfo(s.dtype).eps * s[0])
    i = jnp.arange(len(x))
    step = (i >= len(x) - r).astype(x.dtype) - (i < r).astype(x.dtype)
    step = jnp.where(undefined, jnp.nan, step)

    def differences(*indices):
        nodes = jnp.sort(jnp.stack(jnp.broadcast_arrays(*indices)), 0)
        value = [step[node] for node in nodes]
        for k in range(1, len(nodes)):
            pairs = zip(nodes[:-k], nodes[k:], value[:-1], value[1:], strict=True)
            value = [_quotient(step[b] - step[a], x[b] - x[a], w - v) for a, b, v, w in pairs]
        return value[0]

    return differences


def _quotient(jump, gap, difference):
    return jnp.where(jump == 0, 0.0, difference / jnp.where(jump == 0, 1.0, gap))

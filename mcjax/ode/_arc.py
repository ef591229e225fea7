"""One arc of a hybrid solution: from one event to the next, or to the end.

Which event comes next is found outside of the derivative (`_crossing`). The event time is then the root of
h(t, φ(t)), φ the flow from the start of the arc, by Newton's method, and differentiated as a root.

A guard that falls through zero with ḣ² ≤ 2 |ḧ| δ is within δ of not doing so. With δ what the tolerance
of the solution, and rounding, make of h, that is a grazing event.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import lax

from .._core._constant import constant
from ._crossing import first_crossing
from ._flow import Flow, tolerances

_POLISH = 4  # steps of Newton's method, from where the interpolant of the solver has its root


class Outcome(IntEnum):
    """What an arc ends with."""

    no_event = 0
    event = 1
    grazing = 2
    not_located = 3
    failed = 4


class Arcs(eqx.Module):
    """A flow, guards (t, y, args) ↦ h and resets (t, y, args) ↦ y⁺ of vectors y."""

    flow: Flow
    guards: list[Callable]
    resets: list[Callable]
    args: Any

    def guard(self, which, t, y):
        """The guard of a number."""
        return lax.switch(which, [lambda t, y, h=h: h(t, y, self.args) for h in self.guards], t, y)

    def reset(self, which, t, y):
        """The reset of a number."""
        return lax.switch(which, [lambda t, y, g=g: g(t, y, self.args) for g in self.resets], t, y)

    def next_event(self, t, t1, y, passed):
        """The first event after t, or at t1: time and state before it, guard, whether at t, `Outcome`.

        Guards that are zero at t and fall have their events at t, unless they have `passed`.
        """
        first, which = _locate(*constant((self, t, t1, y, passed)))
        happened = jnp.isfinite(first.time)
        start = jnp.where(happened, first.time, t1)

        def residual(time):
            def event():
                h = self.guard(which, time, self.flow(t, time, y)[0])
                return jnp.where(happened, h, time - t1)

            return lax.cond(eqxi.unvmap_any(happened), event, lambda: time - t1)

        end = lax.custom_root(residual, start, _newton, _divide)
        # A time that Newton's method lost has no state. And in the loops of jax 0.10 only a branch keeps its
        # derivative rule in reverse mode, without which forward mode over it would go into the solver. So
        # branches are taken for all rows of a batch: one that each takes for itself is none.
        known = jnp.isfinite(end)
        lost = lambda: (jnp.full_like(y, jnp.nan), jnp.array(False))  # noqa: E731
        arrive = lambda: self.flow(t, jnp.where(known, end, t), y)  # noqa: E731
        y_end, okay = lax.cond(eqxi.unvmap_any(known), arrive, lost)
        # Chosen, not multiplied: a later arc that lost its event leaves the slopes of this one as they are.
        y_end, okay = jnp.where(known, y_end, jnp.nan), okay & known
        outcome = self._outcome(which, (t, y), end, y_end, happened)
        outcome = jnp.where(first.grazes, Outcome.grazing, outcome)
        failed = ~first.okay | (~okay & ~first.grazes)
        return end, y_end, which, first.time == t, jnp.where(failed, Outcome.failed, outcome)

    def after(self, before, which, t, y):
        """The guards that have passed after an event: those `before`, and the last, if it falls on.

        And whether one is left at zero, at rest, and falling from there: no crossing would tell.
        """
        self, t, y = constant((self, t, y))

        def leaves(which):
            h, slope, curvature = _along_flow(self, which, t, y)
            tolerance = _tolerance(self, (t, y), partial(self.guard, which), t, y)
            rests = (jnp.abs(h) <= tolerance) & (curvature < 0)
            return slope, rests & (slope**2 <= 2 * jnp.abs(curvature) * tolerance)

        slopes, rest = jax.vmap(leaves)(jnp.arange(len(self.guards)))
        return before.at[which].set(slopes[which] < 0), rest.any()

    def _outcome(self, which, start, t, y, happened):
        self, start, t, y = constant((self, start, t, y))
        h, slope, curvature = _along_flow(self, which, t, y)
        tolerance = _tolerance(self, start, partial(self.guard, which), t, y)
        grazing = (slope >= 0) | (slope**2 <= 2 * jnp.abs(curvature) * tolerance)
        event = jnp.where(grazing, Outcome.grazing, Outcome.event)
        event = jnp.where(jnp.abs(h) <= 10 * tolerance, event, Outcome.not_located)
        return jnp.where(happened, event, Outcome.no_event)


def _newton(residual, time):
    def step(_, time):
        value, slope = jax.jvp(residual, (time,), (jnp.ones_like(time),))
        return time - value / slope

    return lax.fori_loop(0, _POLISH, step, time)


def _divide(linear, y):
    return y / linear(jnp.ones_like(y))


def _along_flow(arcs, which, t, y):
    """h, ḣ, ḧ along the solution."""

    def rate(h):
        def derivative(t, y):
            return jax.jvp(h, (t, y), (jnp.ones_like(t), arcs.flow.velocity(t, y)))[1]

        return derivative

    def h(t, y):
        return arcs.guard(which, t, y)

    return h(t, y), rate(h)(t, y), rate(rate(h))(t, y)


def _tolerance(arcs, start, h, t, y):
    """What the tolerance of the solution, and rounding, make of a function of it, on the arc from `start`.

    The rounding of t, of y, and of h, as large as h is where the arc starts: a guard may be of t alone.
    """
    controller, eps = arcs.flow.controller, float(jnp.finfo(y.dtype).eps)
    rtol, atol = tolerances(controller, eps**0.5)
    by_t, by_y = jax.grad(h, (0, 1))(t, y)
    solution = jnp.abs(by_y * (atol + rtol * jnp.abs(y))).sum()
    rounding = jnp.abs(by_t) * jnp.maximum(jnp.abs(t), jnp.abs(start[0]))
    rounding += jnp.abs(by_y * y).sum() + jnp.abs(h(*start))
    return solution + eps * rounding


def _locate(arcs, t, t1, y, passed):
    """The `Crossing` that is first, and the number of its guard.

    For every guard by itself: of two that fall within one step, the first is wanted.
    """

    def crossing_of(which):
        guard, tolerance = partial(arcs.guard, which), partial(_tolerance, arcs, (t, y))
        return first_crossing(arcs.flow, guard, tolerance, t, t1, y, passed[which])

    crossings = jax.vmap(crossing_of)(jnp.arange(len(arcs.guards)))
    which = jnp.argmin(crossings.time)
    first = jax.tree.map(lambda x: x[which], crossings)
    return first._replace(okay=crossings.okay.all()), which

"""Where a guard h first falls through zero along a solution, found by diffrax without derivatives.

diffrax looks at the sign of h after every step. Two crossings within a step have the same sign at both
ends, and between them is a minimum of h. So the solution also stops where ḣ rises through zero, at t_m:

  h(t_m) > 0      nothing has happened: go on from there.
  h(t_m) = 0      to the tolerance: h grazes zero.
  h(t_m) < 0      solve again up to t_m; there is a crossing in the last step, if h was positive before it.

A state that a reset leaves on the guard has a sign of h that is rounding. There h is shifted by twice the
tolerance, to the side that the state is going to, so that the event that has just been is not seen again,
and the next one is not missed, even within the first step. And so is ḣ at a minimum. A guard that another
one's reset leaves at zero and falling has not been: it has its event at once, where the solution starts.
"""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax


class Crossing(NamedTuple):
    """When h falls through zero, infinite if it does not, whether it grazes instead, and all went well."""

    time: jax.Array
    grazes: jax.Array
    okay: jax.Array


class _Search(NamedTuple):
    t: jax.Array  # where to go on from
    y: jax.Array
    horizon: jax.Array  # t1, or a minimum with h < 0 that is looked at again
    found: Crossing
    done: jax.Array
    stops: jax.Array


class _BisectionOfSum(optx.Bisection):
    """Bisection for several events: diffrax passes the one that fell, and zeros for the others."""

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        one = jax.tree.leaves(f_struct)[0]
        return super().init(_summed(fn), y, args, options, one, aux_struct, tags)

    def step(self, fn, y, args, options, state, tags):
        return super().step(_summed(fn), y, args, options, state, tags)


def _summed(fn):
    def summed(y, args):
        values, aux = fn(y, args)
        return jnp.stack(jax.tree.leaves(values)).sum(), aux

    return summed


def first_crossing(flow, guard, tolerance, t, t1, y, passed) -> Crossing:
    """The first crossing of h = guard(t, y) after t, or at t if h falls there and is not `passed`.

    tolerance(h, t, y) is what the tolerance of the solution, and rounding, make of h.
    """

    def rate(t, y):
        return jax.jvp(guard, (t, y), (jnp.ones_like(t), flow.velocity(t, y)))[1]

    def go_on(search):
        return ~search.done & (search.stops < flow.max_steps)

    def look(search):
        looks_again = search.horizon < t1
        h, slope = guard(search.t, search.y), rate(search.t, search.y)
        small_h, small_slope = (tolerance(g, search.t, search.y) for g in (guard, rate))
        shift_h = jnp.where(jnp.abs(h) <= small_h, 2 * small_h * jnp.sign(slope), 0)
        shift_slope = jnp.where(jnp.abs(slope) <= small_slope, 2 * small_slope, 0)

        def falls(t, y, *_, **__):
            return guard(t, y) + shift_h

        def turns(t, y, *_, **__):
            return jnp.where(looks_again, -1, -rate(t, y) - shift_slope)

        end, y_end, (fell, turned), solved = _solve_until(flow, (falls, turns), search)
        h_end = guard(end, y_end)
        grazes = turned & (jnp.abs(h_end) <= 10 * tolerance(guard, end, y_end))
        again = turned & (h_end < 0) & ~grazes
        stays = again | fell
        found = Crossing(jnp.where(fell | grazes, end, jnp.inf), grazes, search.found.okay & solved)
        reached = ~fell & ~turned & ~looks_again
        return _Search(
            jnp.where(stays, search.t, end),
            jnp.where(stays, search.y, y_end),
            jnp.where(again, end, t1),
            found,
            fell | grazes | reached | ~solved,
            search.stops + 1,
        )

    at_once = jnp.abs(guard(t, y)) <= tolerance(guard, t, y)
    at_once &= (rate(t, y) < -tolerance(rate, t, y)) & ~passed
    start = Crossing(jnp.where(at_once, t, jnp.inf), jnp.array(False), jnp.array(True))
    search = _Search(t, y, jnp.asarray(t1, t.dtype), start, at_once, jnp.array(0))
    search = lax.while_loop(go_on, look, search)
    return search.found._replace(okay=search.found.okay & search.done)


def _solve_until(flow, events, search):
    """Time and state where the first of the events falls through zero, or at the horizon; which; success."""
    tight = 8 * float(jnp.finfo(search.y.dtype).eps)

    def field(t, y, args):
        return args.velocity(t, y)

    def small(event):
        # Bisection asks the function to be small, too, which has no scale.
        size = tight / (1 + jnp.abs(event(search.t, search.y)))
        return lambda t, y, *rest, **kwargs: size * event(t, y, *rest, **kwargs)

    finder = _BisectionOfSum(tight, tight, flip=True)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        flow.solver,
        search.t,
        search.horizon,
        None,
        search.y,
        flow,
        stepsize_controller=flow.controller,
        max_steps=flow.max_steps,
        adjoint=diffrax.ForwardMode(),
        event=diffrax.Event(tuple(map(small, events)), finder, direction=False),
        throw=False,
    )
    ended: Any = solution.event_mask
    ts, ys = jnp.asarray(solution.ts), jnp.asarray(solution.ys)
    fell, turned = (jnp.asarray(e) for e in ended)
    okay = fell | turned | (solution.result == diffrax.RESULTS.successful)
    return ts[-1], ys[-1], (fell, turned), okay

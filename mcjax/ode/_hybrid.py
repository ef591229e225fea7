"""Flows with events: y' = f between them, and y⁺ = g(t, y⁻) when a guard h(t, y) falls through zero.

One arc. With φ(t) the flow from the last event, the event time is the root of h(t, φ(t)), and

    dt_e = -(h_y dφ + dh) / ḣ,      ḣ = h_t + h_y f⁻,      dy⁻ = dφ + f⁻ dt_e,

dφ the change of φ(t_e) at fixed t_e, and dh that of h by parameters. So y⁺ = g(t_e, y⁻(t_e)), continued from
t_e, changes at a fixed time after the event by

    dy⁺ - f⁺ dt_e  =  S dφ,        S = g_y + (f⁺ - g_y f⁻ - g_t) h_yᵀ / ḣ,

the saltation matrix. Nobody has to write it: it is the implicit derivative of the root, and of a flow with
respect to the time at which it starts. Both are linear and exact at every order, and the chain rule does
the rest. At a grazing event ḣ = 0 and there is no derivative.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ._arc import Arcs, Outcome
from ._flow import SOLVER, bind, flow_of, only_if


class HYBRID_RESULTS(eqx.Enumeration):
    """How a hybrid solution ended."""

    successful = ""
    too_many_events = (
        "t1 was not reached: there were more than max_events events. Increase max_events, or look for "
        "infinitely many events in a finite time (Zeno)."
    )
    grazing = (
        "A guard touched zero without crossing it by more than the tolerance, or a reset left one at zero, "
        "at rest, and falling: the solution has no derivative there, and may not even be continuous. "
        "Tighten the tolerance, move the parameters, or let the field keep what rests where it is."
    )
    event_not_located = "The root finder did not locate an event. Tighten the tolerances."
    backwards = "t1 was before t0: solve y' = -f in the time -t."
    solver_failed = "The differential equation solver failed between events. Increase max_steps."


class HybridSolution(NamedTuple):
    """y(t1), and the times, guards and states of the events, NaN and -1 beyond `num_events`."""

    y1: Any
    times: Float[Array, " max_events"]
    guards: Int[Array, " max_events"]
    before: Any
    after: Any
    num_events: Int[Array, ""]
    result: HYBRID_RESULTS


def hybrid_solve(
    f: Callable,
    guard: Callable | tuple[Callable, ...],
    reset: Callable | tuple[Callable, ...],
    t0,
    t1,
    y0,
    args=None,
    *,
    max_events: int,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> HybridSolution:
    """The solution of y' = f(t, y, args) that is reset when a guard falls through zero, with derivatives.

    Identity: after an event dy⁺ = S dy⁻, S = g_y + (f⁺ - g_y f⁻ - g_t) h_yᵀ / (h_t + h_y f⁻), the saltation
    matrix, with h the guard and g the reset.

    Args:
      f: (t, y, args) ↦ y'.
      guard: (t, y, args) ↦ h, a number. There is an event when h falls through zero; use -h for the
        other direction, and both for both. Several guards: a tuple of functions. One that is zero at t0
        has had its event; one that a reset of another leaves at zero, falling, has it at once.
      reset: (t, y, args) ↦ y⁺, the state after the event. As many as there are guards.
      t0, t1: times, t0 < t1.
      y0: initial state, a pytree of real arrays.
      max_events: the number of events that are looked for.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`, for every arc; by default Tsit5,
        and a PIDController with rtol = atol = √eps.
      adjoint: how arcs are differentiated. By default by error-controlled sensitivities, in all modes and
        at every order; for many states or parameters by an adjoint of diffrax.

    Returns:
      y1: the state at t1, after an event at t1 if there is one. For the state at many times, `jax.vmap`
        over t1.
      times, guards, before, after: of the events: t_e, which guard, y⁻ and y⁺.
      num_events, and result, a `HYBRID_RESULTS`. y1 is NaN unless it is successful: what comes after
        max_events events, or after one that grazes, is not made up.

    Derivatives: in y0, args, t0, t1 and all that f, guard and reset close over, while the sequence of
      events is the same.

    Errors: the tolerance, times the product of ‖S‖. Two crossings within a step are found by the minimum of
      the guard between them; two minima within a step may be missed: pass a controller with `dtmax` where a
      guard is much quicker than the solution.
    Cost: of every one of max_events + 1 arcs: the flow, three or four times, and as much for the derivative
      of each. Source: Hiskens and Pai, IEEE Trans. Circuits Syst. I 47 (2000) 204; Aizerman and Gantmakher
      (1958).
    """
    guards, resets = _tuples(guard, reset)
    flow, y0, unravel = flow_of(f, t0, y0, args, solver, stepsize_controller, max_steps, adjoint)
    t0, t1 = (jnp.asarray(t, y0.dtype) for t in (t0, t1))
    arcs = _arcs(flow, guards, resets, unravel, t0, y0, args)

    def arc(carry, _):
        t, y, passed, result = carry
        end, y_end, which, at_once, outcome = arcs.next_event(t, t1, y, passed)
        y_next = lax.cond(
            outcome == Outcome.no_event, lambda: y_end, lambda: arcs.reset(which, end, y_end)
        )
        after, rests = arcs.after(passed & at_once, which, end, y_next)
        passed = jnp.where(outcome == Outcome.event, after, True)
        event = (outcome == Outcome.event) & (result == HYBRID_RESULTS.successful)
        outcome = jnp.where(event & rests, Outcome.grazing, outcome)
        result = _first_failure(result, outcome)
        record = (end, which, y_end, y_next)
        nothing = (jnp.nan, -1, jnp.nan, jnp.nan)
        record = tuple(jnp.where(event, x, n) for x, n in zip(record, nothing, strict=True))
        t = jnp.where(result == HYBRID_RESULTS.successful, end, t1)
        return (t, y_next, passed, result), record

    result = HYBRID_RESULTS.where(t1 < t0, HYBRID_RESULTS.backwards, HYBRID_RESULTS.successful)
    start = (t0, y0, jnp.ones(len(guards), bool), result)
    (_, y, _, result), records = lax.scan(arc, start, length=max_events + 1)
    too_many = (result == HYBRID_RESULTS.successful) & (records[1][-1] >= 0)
    result = HYBRID_RESULTS.where(too_many, HYBRID_RESULTS.too_many_events, result)
    y1 = only_if(result == HYBRID_RESULTS.successful, y, t0, t1)
    times, which, before, after = (x[:max_events] for x in records)
    before, after = (jax.vmap(unravel)(x) for x in (before, after))
    return HybridSolution(unravel(y1), times, which, before, after, (which >= 0).sum(), result)


def _first_failure(result, outcome):
    failures = {
        Outcome.grazing: HYBRID_RESULTS.grazing,
        Outcome.not_located: HYBRID_RESULTS.event_not_located,
        Outcome.failed: HYBRID_RESULTS.solver_failed,
    }
    for kind, failure in failures.items():
        new = (result == HYBRID_RESULTS.successful) & (outcome == kind)
        result = HYBRID_RESULTS.where(new, failure, result)
    return result


def _arcs(flow, guards, resets, unravel, t0, y0, args):
    guards = [_guard_of_vector(h, unravel) for h in guards]
    resets = [_reset_of_vector(g, unravel) for g in resets]
    for h in guards:
        if eqx.filter_eval_shape(h, t0, y0, args).shape != ():
            raise ValueError("hybrid_solve: a guard must return a number, h(t, y, args)")
    for g in resets:
        if eqx.filter_eval_shape(g, t0, y0, args).shape != y0.shape:
            raise ValueError("hybrid_solve: a reset must return what has the shape of y")
    example = (t0, y0, args)
    return Arcs(flow, [bind(h, example) for h in guards], [bind(g, example) for g in resets], args)


def _tuples(guard, reset):
    guards = guard if isinstance(guard, tuple) else (guard,)
    resets = reset if isinstance(reset, tuple) else (reset,)
    if len(guards) != len(resets) or not guards:
        raise ValueError(
            f"hybrid_solve: every guard has its reset, got {len(guards)} guards and {len(resets)} resets"
        )
    return guards, resets


def _guard_of_vector(h, unravel):
    return lambda t, y, args: jnp.asarray(h(t, unravel(y), args), y.dtype)


def _reset_of_vector(g, unravel):
    def reset(t, y, args):
        after = g(t, unravel(y), args)
        flat = [jnp.ravel(x).astype(y.dtype) for x in jax.tree.leaves(after)]
        return jnp.concatenate(flat)

    return reset

"""The exact adjoint of the steps that a diffrax solve accepted."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ._accepted import Steps, record, with_scan_kind
from ._convert import convert
from ._field import fenced
from ._recurrence import Course, Recurrence, tangents
from ._save import Solved, assemble, plain_saveat, refuse


class ReplayAdjoint(diffrax.AbstractAdjoint):
    """The derivative of the numerical solution, from the accepted steps alone.

    Identity: the solution is yᵢ₊₁ = Φᵢ(yᵢ, θ), one `solver.step` after another with given step sizes.
      Its derivative solves the linear recurrence dyᵢ₊₁ = D_y Φᵢ dyᵢ + D_θ Φᵢ dθ, forwards for a jvp,
      backwards for a vjp. Rejected steps have no part in it.

    Use: `diffrax.diffeqsolve(..., adjoint=ReplayAdjoint())`.

    Args:
      max_accepted: the number of accepted steps that there is memory for, by default max_steps. A solve
        that needs more fails as one that reached max_steps. For a large state give about as many as
        there will be: the rest is memory set to zero.

    Derivatives: of y0, args, everything the terms hold or close over, t0, t1, dt0 and the save times, in
      both modes and at every order, under jit, vmap and scan, and under shard_map with check_vma=False
      (diffrax's own loops do not type-check there). Step sizes count as constants up to their scale:
      boundaries shift with t0, t1 and dt0 as in diffrax.DirectAdjoint, but from the first time of a
      ClipStepSizeController on they are fixed, and a step to it, or to t1, that is rejected counts as any
      other: with SaveAt(steps=...) derivatives in t0 and t1 are then those of other boundaries.
      Where t0 = t1 there is no step, and no derivative in them, as in diffrax. What a controller holds is
      constant: derivatives in dtmin, dtmax, step_ts, jump_ts and the times within StepTo(ts) are 0, where
      those of DirectAdjoint need not be.
    Raises: ValueError for SaveAt(dense=True), UnsafeBrownianPath, events located by a root finder, and
      if neither max_steps nor max_accepted bounds the memory.
    Errors: that of the derivative of the numerical solution, which no tolerance of the solver controls.
      Where the step sizes suit y but not its derivative, `GaussAdjoint` is right and this is not.
    Cost: the solve, and for a gradient one vjp of each accepted step (about three steps) and one array of
      max_accepted (|y| + |solver state|), the accepted states. SaveAt(steps=...) and derivatives of second
      order hold a few such arrays more; stages are found anew, and kept for 16 steps at a time.
    Source: Sapienza et al., Differentiable programming for differential equations (2024),
      arXiv 2406.09699, section 4 (discrete adjoints).
    """

    max_accepted: int | None = None

    def loop(
        self,
        *,
        terms,
        args,
        solver,
        saveat,
        init_state,
        stepsize_controller,
        t0,
        t1,
        max_steps,
        throw,
        passed_solver_state,
        passed_controller_state,
        **rest,
    ):
        del throw, passed_solver_state, passed_controller_state
        refuse("ReplayAdjoint", saveat, terms, rest["event"])
        capacity = _capacity(self.max_accepted, max_steps)
        inner, empty = plain_saveat(saveat, init_state)
        static = []

        def run():
            out = record(
                self._loop,
                capacity,
                terms=terms,
                args=args,
                solver=solver,
                saveat=inner,
                init_state=_with(init_state, save_state=empty),
                stepsize_controller=stepsize_controller,
                t0=t0,
                t1=t1,
                max_steps=max_steps,
                watch=_watch_limits(stepsize_controller),
                seen=jnp.full_like(t0, jnp.inf),
                **rest,
            )
            static.append(eqx.filter(out, eqx.is_array, inverse=True))
            return eqx.filter(out, eqx.is_array)

        run = convert(run)
        moments = jnp.stack([t0, init_state.tnext, t1])
        moving = _moving(stepsize_controller, lax.stop_gradient(t0))
        recurrence = _recurrence(
            terms, args, solver, init_state, moments, [s.ts for s in inner.subs]
        )
        states, end, outputs, out = _trajectory(run, recurrence, lax.stop_gradient(moments), moving)
        final_state, stats, steps = eqx.combine(out, static[0])
        y, inexact = end
        rest = eqx.filter(steps.solver_state, _is_inexact, inverse=True)
        solver_state = eqx.combine(inexact, jax.tree.map(lambda x: x[steps.count], rest))
        weights = _weights(steps.tprev, lax.stop_gradient(moments), moving, steps.seen)
        boundaries = _shifted(steps.tprev, weights, moments)
        solved = Solved(
            steps.count,
            (boundaries[steps.count], y),
            boundaries,
            states[0],
            outputs,
            [saved[steps.count] for saved in steps.saved],
        )
        save_state = assemble(saveat, init_state, args, t0, t1, solved)
        final_state = _with(final_state, save_state=save_state, y=y, solver_state=solver_state)
        return final_state, stats


def _capacity(max_accepted, max_steps):
    known = [n for n in (max_accepted, max_steps) if n is not None]
    if not known:
        raise ValueError(
            "ReplayAdjoint: no bound on the steps to keep; give diffeqsolve max_steps, or "
            "ReplayAdjoint(max_accepted=...)"
        )
    return min(known)


def _with(state, **fields):
    """The state with other fields."""
    names = list(fields)
    return eqx.tree_at(
        lambda s: [getattr(s, name) for name in names],
        state,
        [fields[name] for name in names],
        is_leaf=lambda x: x is None,
    )


def _is_inexact(x):
    return eqx.is_inexact_array(x)


# -- the trajectory, and its derivative


@eqx.filter_custom_jvp
def _trajectory(run, recurrence, moments, moving):
    """The states (rows), the last, those at the save times, and all that the recorded solve returned."""
    out = run()
    final_state, _, steps = out
    states = steps.y, eqx.filter(steps.solver_state, _is_inexact)
    end = jax.tree.map(lambda x: x[steps.count], states)
    return states, end, [s.ys for s in final_state.save_state], out


@_trajectory.def_jvp
def _trajectory_jvp(primals, tangents_in):
    _, recurrence, moments, moving = primals
    states, end, outputs, out = _trajectory(*primals)
    steps: Steps = out[2]
    rest = eqx.filter(steps.solver_state, _is_inexact, inverse=True)
    weights = [_weights(t, moments, moving, steps.seen) for t in (steps.tprev, steps.tnext)]
    rows = steps.tprev, steps.tnext, *weights, rest, steps.made_jump
    course = Course(steps.count, states, outputs, rows, steps.saved)
    moved = tangents(recurrence, course, tangents_in[1])
    none = jax.tree.map(lambda _: None, out)
    return (states, end, outputs, out), (*moved, none)


# -- the step, as a function of its state and of everything inexact that it closes over


class _Step(eqx.Module):
    """`solver.step` in several forms, which share their parameters."""

    forms: dict
    places: dict = eqx.field(static=True)

    def __call__(self, kind, parameters, z, row):
        kind = kind if kind in self.forms else "both"
        form, places = self.forms[kind], self.places[kind]
        consts = [
            const if place is None else parameters[place]
            for const, place in zip(form.consts, places, strict=True)
        ]
        return form.call(consts, z, row)


def _recurrence(terms, args, solver, init_state, moments, times):
    solver_state = jax.tree.map(jnp.asarray, init_state.solver_state)
    start, rest = eqx.partition(solver_state, _is_inexact)
    start = init_state.y, start
    weights = jnp.zeros(3, moments.dtype)
    row = moments[0], moments[1], weights, weights, rest, jnp.asarray(init_state.made_jump)
    terms = fenced(terms)

    def form(kind):
        stepper = with_scan_kind(solver, kind)

        def step(z, row):
            (y, inexact), (tprev, tnext, wprev, wnext, rest, made_jump) = z, row
            tprev, tnext = _shifted(tprev, wprev, moments), _shifted(tnext, wnext, moments)
            state = eqx.combine(inexact, rest)
            y, _, dense, state, _ = stepper.step(terms, tprev, tnext, y, args, state, made_jump)
            z = y, eqx.filter(jax.tree.map(jnp.asarray, state), _is_inexact)
            return z, ((tprev, tnext, dense) if times else None)

        return convert(step, start, row)

    def read(dense, s):
        tprev, tnext, dense = dense
        return solver.interpolation_cls(t0=tprev, t1=tnext, **dense).evaluate(s)

    forms = {"both": form("bounded"), "jvp": form("lax")}
    # equinox's checkpointed loops are faster to pull back, and do not trace inside shard_map.
    if not jax.sharding.get_abstract_mesh().manual_axes:
        forms["vjp"] = form("checkpointed")
    forms, places, parameters = _share(forms)
    return Recurrence(_Step(forms, places), read, parameters, times, start)


def _share(forms):
    """Give functions that close over the same tracers one list of parameters."""
    parameters, index, places = [], {}, {}
    for kind, form in forms.items():
        for const in form.consts:
            if _is_inexact(const) and id(const) not in index:
                index[id(const)] = len(parameters)
                parameters.append(const)
        places[kind] = tuple(index.get(id(const)) for const in form.consts)
        kept = [const if id(const) not in index else None for const in form.consts]
        forms[kind] = eqx.tree_at(lambda f: f.consts, form, kept)
    return forms, places, parameters


# -- how the boundaries of the steps depend on t0, on the end of the first step tried, and on t1


def _moving(controller, t0):
    """Boundaries are multiples of the first step, fractions of t1 - t0, or fixed; and from when all are.

    That is the first time of a ClipStepSizeController. A jump has boundaries one rounding before and after.
    """
    still, info = jnp.asarray(jnp.inf, t0.dtype), jnp.finfo(t0.dtype)
    while isinstance(controller, diffrax.ClipStepSizeController):
        for stops in (controller.step_ts, controller.jump_ts):
            if stops is not None:
                stops = lax.stop_gradient(stops.astype(t0.dtype))
                before = stops - float(info.eps) * jnp.abs(stops) - float(info.tiny)
                before = jnp.where(stops > t0, before, jnp.inf)
                still = jnp.minimum(still, before.min(initial=jnp.inf))
        controller = controller.controller
    if isinstance(controller, diffrax.PIDController):
        return "multiples", still
    return ("fractions" if isinstance(controller, diffrax.ConstantStepSize) else "none"), still


def _watch_limits(controller):
    """Finds the start of the first step, rejected or not, that was cut to dtmin or dtmax.

    The first step of all is left out: its end, tnext₀, is known with its derivative.
    """
    while isinstance(controller, diffrax.ClipStepSizeController):
        controller = controller.controller
    if not isinstance(controller, diffrax.PIDController):
        return None
    limits = [x for x in (controller.dtmin, controller.dtmax) if x is not None]

    def watch(state, cut):
        left, right = state.tprev, state.tnext
        rounding = 2 * float(jnp.finfo(cut.dtype).eps) * jnp.maximum(jnp.abs(left), jnp.abs(right))
        for limit in limits:
            limited = jnp.abs(right - left - jnp.asarray(limit, cut.dtype)) <= rounding
            cut = jnp.where(limited & (state.num_steps > 0), jnp.minimum(cut, left), cut)
        return cut

    return watch if limits else None


def _weights(t, moments, moving, cut):
    """∂t/∂(t0, tnext₀, t1) of boundaries t, (..., 3).

    A controller that multiplies step sizes by factors, which count as constants, makes t - t0 a
    multiple of tnext₀ - t0, unless it was cut to t1. From `cut` on step sizes are multiples of dtmin or
    dtmax, and boundaries move with that time. ConstantStepSize ends its first step at
    tnext₀ = t0 + dt0 and the k-th at t0 + (t1 - t0) k/N, N = ⌈(t1 - t0)/dt0⌉ (at t0 + k dt0 where t1 is
    infinite). Of other controllers only the ends move.
    """
    (t0, first, t1), (moving, still) = moments, moving
    multiple = jnp.minimum(t, cut) - t0
    multiple = jnp.where(first > t0, multiple / jnp.where(first > t0, first - t0, 1), 0)
    zero = jnp.zeros_like(t)
    columns = [jnp.where((t >= still) & (t > t0), 0, c) for c in (1 - multiple, multiple, zero)]
    if moving == "fractions":
        fraction = jnp.where(t1 > t0, (t - t0) / jnp.where(t1 > t0, t1 - t0, 1), 0)
        later = jnp.isfinite(t1) & (t > first)
        fractions = 1 - fraction, zero, fraction
        columns = [jnp.where(later, *c) for c in zip(fractions, columns, strict=True)]
    elif moving == "none":
        columns = [(t == t0).astype(t.dtype), zero, zero]
    end = zero, zero, jnp.ones_like(t)
    return jnp.stack([jnp.where(t == t1, *c) for c in zip(end, columns, strict=True)], -1)


def _shifted(t, weights, moments):
    """t, with its derivative. An infinite t1 has no difference, and moves nothing."""
    moved = jnp.where(jnp.isfinite(moments), moments - lax.stop_gradient(moments), 0)
    return t + weights @ moved

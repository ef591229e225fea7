"""Equations with a constant delay: y'(t) = f(t, y(t), y(t - τ)), y = ψ before t₀.

Cut time into pieces of length τ and put y_k(s) = y(t₀ + k τ + s), 0 ≤ s ≤ τ. Then (method of steps)

    y_k'(s) = f(t₀ + k τ + s, y_k, y_{k-1}),      y_{-1}(s) = ψ(t₀ - τ + s),      y_k(0) = y_{k-1}(τ):

without delay, for all pieces at once. The starts are found one by one: the k-th pass solves the pieces 0 .. k
over one delay, and its end y_k(τ) is the start of y_{k+1}. Nothing is interpolated, and the kinks that
the start sends through the solution at multiples of τ are ends of pieces. τ is an end of a flow, and
derivatives in it, as in the rest, are those of a flow.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from .._core._constant import constant
from ._flow import SOLVER, flow_of, only_if, tolerant, vector
from ._norm import of_vector, with_norm


class DelaySolution(NamedTuple):
    """y(t1), y at t0 + k delay, k = 1 .. max_delays (t1 if that is earlier), and whether both are right."""

    y1: Any
    ys: Any
    successful: Bool[Array, ""]


def delay_solve(
    f: Callable,
    history: Callable,
    delay,
    t0,
    t1,
    args=None,
    *,
    max_delays: int,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> DelaySolution:
    """The solution of y'(t) = f(t, y(t), y(t - delay), args) with derivatives in the delay, too.

    Args:
      f: (t, y, y_delayed, args) ↦ y'.
      history: (t, args) ↦ y, for t <= t0, a pytree of real arrays. y(t0) is history(t0, args).
      delay: τ > 0, a number. t0, t1: times, t0 < t1.
      max_delays: at least (t1 - t0) / delay: into so many pieces the time is cut.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`, for each piece; by default Tsit5,
        and a PIDController with rtol = atol = √eps.
      adjoint: how flows are differentiated. By default by error-controlled sensitivities, in all modes
        and at every order but for reverse over reverse.

    Returns:
      y1: y(t1). For y at many times, `jax.vmap` over t1.
      ys: y at the ends of the pieces, with a leading axis of max_delays.
      successful: false if the solver failed, max_delays was too small, the delay was not positive, or
        t1 was before t0: y1 and ys are NaN then.

    Derivatives: in delay, t0, t1, args and what f and history close over. y''(t1) may jump where t1 - t0
      is the delay, and later ones at its multiples: derivatives of that order are those of the side before.

    Errors: the tolerance. Cost: max_delays passes of an equation of n max_delays states, and sensitivities of
      them. Source: Bellen and Zennaro, Numerical Methods for Delay Differential Equations (2003), 3.1.
    """
    if max_delays < 1:
        raise ValueError(f"delay_solve: max_delays must be at least 1, got {max_delays}")
    start, unravel = vector(history(t0, args))
    delay, t0, t1 = (jnp.asarray(t, start.dtype) for t in (delay, t0, t1))
    if delay.shape != ():
        raise ValueError(f"delay_solve: the delay is one number, got shape {delay.shape}")
    pieces = jnp.arange(max_delays)
    rounding = 4 * float(jnp.finfo(t0.dtype).eps)
    enough = (t1 - t0 <= max_delays * (1 + rounding) * delay) & (delay > 0) & (t1 >= t0)
    # What is left of the time at the start of each piece. The last that has some ends at t1, and those
    # before are whole: a choice, not a clip, of which a tie would give half of a derivative to each side.
    left = jnp.where(enough, t1 - t0 - pieces.astype(t0.dtype) * delay, 0)
    last = jnp.sum(left[1:] > 0)
    unit = constant(delay)
    pace = delay / unit  # 1, with a derivative

    def of_pieces(norm):
        return lambda ys: jax.vmap(of_vector(unravel)(norm))(ys).max()

    controller = tolerant(stepsize_controller, start.dtype)
    solver, controller = (with_norm(x, of_pieces) for x in (solver, controller))

    def rates(k, s, ys, args):
        """y_0' .. y_k', and zero for the pieces that have no start yet, in a time that is s / pace.

        In their place f sees the first piece: it may be singular where there is no solution, and zero
        times a derivative that is infinite is not zero.
        """
        s = s * pace
        before = _flat(history(t0 - delay + s, args), start)
        delayed = jnp.concatenate([before[None], ys[:-1]])

        def rate(piece):
            seen = jnp.where(piece <= k, piece, 0)
            t = t0 + seen.astype(s.dtype) * delay + s
            value = f(t, unravel(ys[seen]), unravel(delayed[seen]), args)
            return jnp.where(piece <= k, _flat(value, ys[0]), 0) * pace

        return jax.vmap(rate)(pieces)

    starts = jnp.zeros((max_delays + 1, len(start)), start.dtype).at[0].set(start)
    options = (solver, controller, max_steps, adjoint)

    def pass_to(end, k, starts):
        flow, y, back = flow_of(partial(rates, k), t0, starts[:-1], args, *options)
        y, found = flow(jnp.zeros_like(t0), end, y)
        return lax.dynamic_index_in_dim(back(y), k, keepdims=False), found

    # A loop drops the rule of a flow whose end moves, at second order. So whole pieces have a constant
    # length, and the last one, which ends at t1, is outside.
    def whole(carry, k):
        starts, okay = carry
        end, found = pass_to(jnp.where(k < last, unit, 0), k, starts)
        starts = lax.dynamic_update_index_in_dim(starts, end, k + 1, 0)
        return (starts, okay & found), end

    (starts, okay), ends = lax.scan(whole, (starts, jnp.array(True)), pieces[:-1])
    y1, found = pass_to(left[last] / pace, last, starts)
    okay &= found & enough
    ends = jnp.concatenate([ends, y1[None]])
    ys = jnp.where((pieces < last)[:, None], ends, y1)
    y1, ys = (only_if(okay, y, t0, t1) for y in (y1, ys))
    return DelaySolution(unravel(y1), jax.vmap(unravel)(ys), okay)


def _flat(tree, like):
    leaves = [jnp.ravel(x).astype(like.dtype) for x in jax.tree.leaves(tree)]
    flat = jnp.concatenate(leaves)
    if flat.shape != like.shape:
        raise ValueError(
            f"delay_solve: f must return what has the shape of y: y has {like.size} numbers, f returned "
            f"{flat.size}"
        )
    return flat

"""A recurrence z₀, z₁ = Φ₀(z₀, θ), ..., zₙ and what is read off it, as one sealed linear system.

Differentiate the equations that define it. With unknowns X = (Z, E, O, S, P), tangents of the states zᵢ,
of the last of them, of what is saved, o_k = Ω_k(zᵢ₍ₖ₎, s_k, θ), of the save times s and of the parameters θ,

    Z₀ = b₀,   Zᵢ₊₁ - D_z Φᵢ Zᵢ - D_θ Φᵢ P = bᵢ₊₁,   E - Zₙ = e,
    O_k - DΩ_k (Zᵢ₍ₖ₎, S_k, P) = c_k,   S = s',   P = θ'

is linear and block triangular. Forward substitution solves it, with one jvp of each step; back
substitution solves its transpose, with one vjp of each step:

    λₙ = Z̄ₙ + Ē,   (λᵢ, θ̄) += (Dᵢ)ᵀ (λᵢ₊₁, Ō_k),   D the derivative of (Φᵢ, Ω_k) in (zᵢ, θ).

That θ is an unknown is what lets one vjp serve both: the sums over the steps happen within the solve.
That Z₀ and E are unknowns of their own is what keeps rows out of derivatives of first order: without a
use for Z₁, ..., Zₙ or λ₁, ..., λₙ, the compiler drops the arrays that would hold them.
`_core._linear.solve` seals it, so that JAX sees a linear map with a known transpose: what it transposes in
derivatives of higher order is the map X ↦ left-hand side, in which the steps are independent of each
other. A derivative forwards of either substitution, as in a Hessian-vector product, is one more such loop.
They go over the n steps that were taken, not over the rows there are.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import lax

from .._core._linear import solve
from ._accepted import write

_BLOCK = 16  # steps, and blocks of steps, done or skipped together in X ↦ left-hand side


class Recurrence(eqx.Module):
    """The functions, and all that they depend on.

    step(kind, θ, z, row) is (Φ(z), d), and read(d, s) is Ω, which depends on (z, θ) through d alone.
    `kind` is what the step will be used for: "jvp", "vjp", or "both".
    """

    step: Callable
    read: Callable = eqx.field(static=True)
    parameters: list
    times: list
    start: Any


class Course(eqx.Module):
    """The states Z (rows), what every step was given beside its state, and what was saved.

    Of `saved` row i says how many times were saved before step i.
    """

    count: jax.Array
    states: Any
    outputs: list
    rows: Any
    saved: list


def tangents(recurrence: Recurrence, course: Course, moved: Recurrence):
    """The tangents (Z, E, O) for tangents `moved` of the parameters, times and start (None: fixed)."""
    first = jax.tree.map(
        lambda x, dx: jnp.zeros_like(x) if dx is None else dx, recurrence.start, moved.start
    )
    rows = jax.tree.map(lambda x: jnp.zeros_like(x[1:]), course.states)
    end = jax.tree.map(jnp.zeros_like, first)
    times = [t for t in moved.times if t is not None]
    parameters = [p for p in moved.parameters if p is not None]
    b = first, rows, end, jax.tree.map(jnp.zeros_like, course.outputs), times, parameters
    b, structure = jax.tree.flatten(b)
    moving = [p is not None for p in moved.parameters]
    moving_times = [t is not None for t in moved.times]
    inexact, others = eqx.partition((recurrence, course), eqx.is_inexact_array)
    fixed, static = eqx.partition(others, eqx.is_array)
    (a, of_a), (fixed, of_fixed) = map(jax.tree.flatten, (inexact, fixed))

    def of(method):
        def function(fixed, a, x):
            known = eqx.combine(of_a.unflatten(a), of_fixed.unflatten(fixed), static)
            at = _Linearised(known, moving, moving_times)
            return jax.tree.leaves(method(at, structure.unflatten(x)))

        return function

    algorithms = of(_Linearised.forward), of(_Linearised.backward)
    x = solve(of(_Linearised.left_hand_side), algorithms, fixed, a, b)
    first, rows, end, outputs, *_ = structure.unflatten(x)
    return _states(first, rows), end, outputs


def _states(first, rows):
    """Z₀, ..., Zₙ."""
    return jax.tree.map(lambda x, rows: jnp.concatenate([x[None], rows]), first, rows)


class _Linearised:
    """The system at a course, in the parameters and times that move."""

    def __init__(self, known, moving, moving_times):
        self.recurrence, self.course = known
        self.moving, self.moving_times = moving, moving_times
        self.parameters = [p for p, m in zip(self.recurrence.parameters, moving, strict=True) if m]

    # -- the functions in terms of what moves

    def step(self, kind, z, parameters, row):
        given = iter(parameters)
        theta = [
            next(given) if moves else p
            for p, moves in zip(self.recurrence.parameters, self.moving, strict=True)
        ]
        return self.recurrence.step(kind, theta, z, row)

    def row(self, i):
        """What step i was given; step 0 where there is no step i, so that Φ is defined."""
        i = jnp.where(i < self.course.count, i, 0)
        return jax.tree.map(lambda x: x[i], (self.course.states, self.course.rows))

    def times_of(self, moving):
        """A tangent for every list of times, None where they are fixed."""
        given = iter(moving)
        return [next(given) if m else None for m in self.moving_times]

    def read_jvp(self, dense, ddense, q, k, dtimes):
        s = self.recurrence.times[q][k]
        ds = jnp.zeros_like(s) if dtimes[q] is None else dtimes[q][k]
        return jax.jvp(self.recurrence.read, (dense, s), (ddense, ds))[1]

    # -- X from b

    def forward(self, b):
        first, rows, end, outputs, times, parameters = b
        dtimes = self.times_of(times)

        def body(carry):
            i, dz, rows_, outputs_ = carry
            z, row = self.row(i)
            (_, dense), (dz, ddense) = jax.jvp(
                lambda z, p: self.step("jvp", z, p, row), (z, self.parameters), (dz, parameters)
            )
            dz = jax.tree.map(lambda dz, b: dz + b[i], dz, rows)
            outputs_ = [
                self._between(
                    q,
                    i,
                    lambda k, buffer, q=q: write(
                        buffer,
                        k,
                        jax.tree.map(
                            lambda do, c: do + c[k],
                            self.read_jvp(dense, ddense, q, k, dtimes),
                            outputs[q],
                        ),
                    ),
                    buffer,
                    lambda buffer: buffer,
                )
                for q, buffer in enumerate(outputs_)
            ]
            return i + 1, dz, write(rows_, i, dz), outputs_

        _, last, rows, outputs = eqxi.while_loop(
            lambda carry: carry[0] < self.course.count,
            body,
            (jnp.zeros_like(self.course.count), first, rows, outputs),
            buffers=lambda carry: [carry[2], carry[3]],
            kind="lax",
        )
        return first, rows, jax.tree.map(jnp.add, end, last), outputs, times, parameters

    # -- the transpose

    def backward(self, w):
        first, rows, end, outputs, times, parameters = w
        count = self.course.count

        def body(carry):
            i, bar, rows_, times_, sums = carry
            i = i - 1
            here = i < count
            bar = jax.tree.map(lambda bar, w: jnp.where(here, bar + w[i], bar), bar, rows)
            rows_ = write(rows_, i, bar, here)
            z, row = self.row(i)
            (_, dense), pull = jax.vjp(lambda z, p: self.step("vjp", z, p, row), z, self.parameters)
            ddense = jax.tree.map(jnp.zeros_like, dense)
            slots = iter(range(len(times_)))
            for q, moves in enumerate(self.moving_times):
                ddense, times_ = self._pull_outputs(
                    i, q, next(slots) if moves else None, dense, ddense, outputs[q], times_, times
                )
            before, more = pull((bar, ddense))
            bar = jax.tree.map(lambda x, bar: jnp.where(here, x, bar), before, bar)
            sums = jax.tree.map(lambda s, x: jnp.where(here, s + x, s), sums, more)
            return i, bar, rows_, times_, sums

        _, bar, rows, times, parameters = eqxi.while_loop(
            lambda carry: carry[0] > 0,
            body,
            (eqxi.unvmap_max(count), end, rows, times, parameters),
            buffers=lambda carry: [carry[2], carry[3]],
            kind="lax",
        )
        return jax.tree.map(jnp.add, first, bar), rows, end, outputs, times, parameters

    def _pull_outputs(self, i, q, slot, dense, ddense, outputs, times_, times):
        """Add to d's cotangent, and to those of the times, what was saved from step i."""

        def pull(k, carry):
            ddense, buffers = carry
            s = self.recurrence.times[q][k]
            bar = jax.tree.map(lambda o: o[k], outputs)
            more, ds = jax.vjp(self.recurrence.read, dense, s)[1](bar)
            if slot is not None:
                buffers = list(buffers)
                buffers[slot] = write(buffers[slot], k, ds + times[slot][k])
            return jax.tree.map(jnp.add, ddense, more), buffers

        return self._between(q, i, pull, (ddense, times_), lambda carry: carry[1])

    def _between(self, q, i, f, carry, buffers):
        """Apply (k, carry) ↦ f to all times k of list q that step i passed."""
        saved = self.course.saved[q]
        stop = jnp.where(i < self.course.count, saved[i + 1], 0)
        return eqxi.while_loop(
            lambda x: x[0] < stop,
            lambda x: (x[0] + 1, f(x[0], x[1])),
            (saved[i], carry),
            buffers=lambda x: buffers(x[1]),
            kind="lax",
        )[1]

    # -- b from X, which derivatives of higher order differentiate, in either mode

    def left_hand_side(self, x):
        first, rows, end, outputs, times, parameters = x
        dtimes = self.times_of(times)

        def along(row, dz):
            z, row = row
            (_, dense), (dz, ddense) = jax.jvp(
                lambda z, p: self.step("both", z, p, row), (z, self.parameters), (dz, parameters)
            )
            return dz, dense, ddense

        states = _states(first, rows)
        given = self.course.states, self.course.rows
        given, dz = jax.tree.map(lambda x: x[:-1], (given, states))
        moved, dense, ddense = _each(along, self.course.count, given, dz)
        outputs = [
            jax.tree.map(jnp.subtract, o, self._outputs_from(q, dense, ddense, dtimes))
            for q, o in enumerate(outputs)
        ]
        rows = jax.tree.map(jnp.subtract, rows, moved)
        end = jax.tree.map(lambda e, z: e - z[self.course.count], end, states)
        return first, rows, end, outputs, times, parameters

    def _outputs_from(self, q, dense, ddense, dtimes):
        """Ω's derivative at all times of list q, from d and its derivative for all steps."""
        saved, count = self.course.saved[q], self.course.count
        k = jnp.arange(len(self.recurrence.times[q]))
        reached = k < saved[count]
        # Step i passed the times saved[i] <= k < saved[i + 1].
        ends = jnp.where(jnp.arange(len(saved) - 1) < count, saved[1:], len(k))
        i = jnp.where(reached, jnp.searchsorted(ends, k, side="right"), 0)
        dense, ddense = jax.tree.map(lambda x: x[i], (dense, ddense))
        moved = jax.vmap(lambda d, dd, k: self.read_jvp(d, dd, q, k, dtimes))(dense, ddense, k)
        return jax.vmap(_unless_zero)(reached, moved)


def _unless_zero(keep, tree):
    return jax.tree.map(lambda x: jnp.where(keep, x, jnp.zeros_like(x)), tree)


def _each(f, count, rows, moving):
    """f(row, moving) for the first `count` rows, zero for the rest; linear in `moving`.

    Blocks without a row to do are skipped, blocks of blocks too, and derivatives evaluate a block anew
    instead of keeping what is within: time and memory are for the steps taken, not for the rows. Where
    there is no step, f is evaluated at step 0, as in the substitutions. The steps of a block run in
    turn: side by side, diffrax would evaluate the first stage of all of them anew if it has to for one,
    and y and the solver's state would share the derivative differently from what the substitutions found.
    """
    size = len(jax.tree.leaves(rows)[0])
    shape = -(-size // _BLOCK**2), _BLOCK, _BLOCK
    first = jax.tree.map(lambda x: x[0], rows)

    def fold(x):
        x = jnp.pad(x, [(0, math.prod(shape) - size)] + [(0, 0)] * (x.ndim - 1))
        return x.reshape(*shape, *x.shape[1:])

    def one(_, x):
        i, row, moving = x
        here = i < count
        row = jax.tree.map(lambda x, x0: jnp.where(here, x, x0), row, first)
        return None, _unless_zero(here, f(row, moving))

    @partial(jax.checkpoint, prevent_cse=False)
    def run(xs):
        return lax.scan(one, None, xs)[1]

    def blocks(run):
        def skip(xs):
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(run, xs))

        def body(_, xs):
            return None, lax.cond(eqxi.unvmap_any(xs[0].min() < count), run, skip, xs)

        return lambda xs: lax.scan(body, None, xs)[1]

    i = jnp.arange(math.prod(shape)).reshape(shape)
    out = blocks(blocks(run))((i, *jax.tree.map(fold, (rows, moving))))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:])[:size], out)

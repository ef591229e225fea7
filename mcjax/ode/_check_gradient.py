"""Is the gradient of a loss of an ODE solution right? Five comparisons that share no fault.

adjoints     two adjoints against each other: the derivative of the numerical solution (discrete) and the
             numerical solution of the derivative (continuous). They agree where the step sizes, which
             the solution alone has chosen, serve its derivative, too.
Taylor       g·v of each against L(p + h v) - L(p - h v), extrapolated in h, of more digits; the remainder
             L(p + h v) - L(p) - h g·v is of order h² for the right g, of order h for a wrong one.
tighter      the second gradient, whose error is controlled, against itself at a tenth of the tolerance:
             what its steps and its quadrature leave.
functional   the error of the loss itself, by residuals weighted with the adjoint (`_functional_error`).

At the optimum of a fit the loss ℓ(y(p)) and its gradient Jᵀ ℓ' are small, J = dy/dp, and errors δy of the
solution are not: they make Jᵀ ℓ'' δy of the gradient. Relative errors refer to that where it is more, found
by the second adjoint, and for the Taylor parts by differences, lest a wrong adjoint excuse itself.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from ._flow import SOLVER, only_if, tolerant
from ._functional_error import functional_error
from ._gauss import GaussAdjoint
from ._gradient_report import GradientPart, GradientReport
from ._replay import ReplayAdjoint

ADJOINTS = (ReplayAdjoint(), GaussAdjoint())

_STEPS = 2.0 ** -np.arange(3, 15)  # relative to the parameters
_MORE_STEPS = 64  # for the solutions of more digits, of which no step is kept
_LOOSE = 0.1  # an agreement that lets more pass is none
_SLACK = 100  # times rtol: what a gradient of a good solution may be wrong by


def check_ode_gradient(
    f: Callable,
    loss: Callable,
    ts,
    y0,
    args=None,
    *,
    adjoints: tuple[diffrax.AbstractAdjoint, diffrax.AbstractAdjoint] = ADJOINTS,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.PIDController | None = None,
    max_steps: int = 4096,
    seed: int = 0,
) -> GradientReport:
    """Check the gradient in y0 and args of loss(y at ts), y' = f(t, y, args), y(ts[0]) = y0.

    Args:
      f: (t, y, args) ↦ y'.
      loss: ys ↦ a number, ys the states at ts with a leading axis.
      ts: (m,), increasing or decreasing; the solution starts at ts[0].
      y0, args: where to check. Gradients are taken in their floating-point arrays and numbers.
      adjoints: of diffrax or of this room: the one in question, and one whose error is controlled; by
        default ReplayAdjoint and GaussAdjoint.
      solver, stepsize_controller, max_steps: of the solution in question; by default
        Tsit5, and a PIDController with rtol = atol = √eps.
      seed: of the directions of the differences, two if there are two numbers. One more, off 0, moves
        what is zero, too.

    Returns:
      A `GradientReport`. A part is wrong if the relative difference exceeds `allowed`: a hundred times rtol,
      at most 0.1, and what rounding and the tolerance leave of differences. The error of the loss is wrong
      beyond 0.1. All are allowed what such an error of the states makes of them.

    It runs programs, and is not to be called under `jax.jit`.
    Cost: five gradients and some dozens of solutions of three digits more. Source: Griewank and Walther,
      Evaluating Derivatives (2008); Sapienza et al. (2024), arXiv 2406.09699, on error control.
    """
    ts = jnp.asarray(ts)
    ts = ts if jnp.issubdtype(ts.dtype, jnp.floating) else ts.astype(float)
    if not ((jnp.diff(ts) >= 0).all() or (jnp.diff(ts) <= 0).all()):
        raise ValueError("check_ode_gradient: ts must increase or decrease")
    y0, args = _with_arrays((y0, args))
    problem = _Solve(f, loss, ts, solver, max_steps, seed)
    moving, rest = eqx.partition((y0, args), eqx.is_inexact_array)
    if not jax.tree.leaves(moving):
        raise ValueError("check_ode_gradient: y0 and args hold no floating-point arrays")
    if any(map(jnp.iscomplexobj, jax.tree.leaves(moving))):
        raise TypeError(
            "check_ode_gradient: differences are taken of real numbers: pass real and imaginary parts"
        )
    point, unravel = ravel_pytree(moving)
    controller = tolerant(stepsize_controller, point.dtype)
    allowed = min(_SLACK * float(controller.rtol), _LOOSE)
    if not allowed > 0:
        raise ValueError(
            "check_ode_gradient: what it allows is relative: give a controller rtol > 0"
        )

    def value(point, controller, adjoint, shift=0.0):
        y0, args = eqx.combine(unravel(point), rest)
        return problem.loss_of(y0, args, controller, adjoint, shift)

    parts, gradients, names = [], [], [type(a).__name__ for a in adjoints]
    for adjoint, name in zip(adjoints, names, strict=True):
        gradient, failure = _gradient(value, point, controller, adjoint)
        gradients.append(gradient)
        parts += [failure(name)] if failure else []
    first, second = gradients
    shifted, _ = _gradient(partial(value, shift=allowed), point, controller, adjoints[1])
    bent = _length(_change(second, shifted)) / allowed
    parts.append(_apart("adjoints", first, second, allowed, bent, f"{names[0]} against {names[1]}"))
    tight = _tightened(controller, 0.1, point.dtype)
    closer, _ = _gradient(value, point, tight, adjoints[1])
    parts.append(_apart("tighter", second, closer, allowed, bent, f"{names[1]}, rtol and rtol/10"))
    sizes = ravel_pytree(jax.tree.map(_largest, moving))[0]
    tight, adjoint = _tightened(controller, 1e-3, point.dtype), diffrax.ForwardMode()
    precise = eqx.filter_jit(lambda point, shift=0.0: value(point, tight, adjoint, shift))
    for kind, v in _directions(np.asarray(point), np.asarray(sizes), seed):
        labels = [f"Taylor{kind}, {name}" for name in names]
        parts += _taylor(precise, point, v, float(tight.rtol), gradients, labels, allowed)
    error, found = problem.error(y0, args, controller)
    moved = (float(value(point, controller, diffrax.ForwardMode(), s)) for s in (0.0, allowed))
    parts.append(_functional(error, found, float(_change(*moved))))
    gradients = tuple(None if g is None else unravel(g) for g in gradients)
    return GradientReport(tuple(parts), found, gradients)


class _Solve(eqx.Module):
    """The solution in question and its loss."""

    f: Callable
    loss: Callable
    ts: jax.Array
    solver: diffrax.AbstractSolver
    max_steps: int
    seed: int

    def solve(self, y0, args, controller, adjoint, saveat):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(self.f),
            self.solver,
            self.ts[0],
            self.ts[-1],
            None,
            y0,
            args,
            stepsize_controller=controller,
            max_steps=self.max_steps * (_MORE_STEPS if _keeps_nothing(adjoint, saveat) else 1),
            adjoint=adjoint,
            saveat=saveat,
            throw=False,
        )

    def loss_of(self, y0, args, controller, adjoint, shift):
        """The loss, of states that are wrong by ±shift (|y| + atol/rtol), constants with random signs."""
        saveat = diffrax.SaveAt(ts=self.ts)
        solution = self.solve(y0, args, controller, adjoint, saveat)
        okay = solution.result == diffrax.RESULTS.successful
        signs = np.random.default_rng(self.seed)

        def wrong(y):
            sign = jnp.asarray(signs.choice([-1, 1], y.shape), y.dtype)
            size = lax.stop_gradient(jnp.abs(y)) + controller.atol / controller.rtol
            return y + sign * (shift * size).astype(y.dtype)

        return only_if(okay, self.loss(jax.tree.map(wrong, solution.ys)))

    def error(self, y0, args, controller):
        """|estimated error| and value of the loss, in ascending time."""
        saveat, adjoint = diffrax.SaveAt(dense=True), diffrax.ForwardMode()
        here = self if self.ts[0] <= self.ts[-1] else self.mirrored()

        @eqx.filter_jit
        def run(y0, args):
            solution = here.solve(y0, args, controller, adjoint, saveat)
            return functional_error(here.f, solution, self.loss, here.ts, args, solver=self.solver)

        found = run(y0, args)
        return abs(float(found.estimate)), float(found.value)

    def mirrored(self):
        """The same states, with -t for t."""

        def f(t, y, args):
            return jax.tree.map(jnp.negative, self.f(-t, y, args))

        return replace(self, f=f, ts=-self.ts)


def _with_arrays(tree):
    """The tree with an array for every number in which there is a gradient, of the type of the first."""
    types = [x.dtype for x in jax.tree.leaves(tree) if hasattr(x, "dtype")]
    number = next((t for t in types if jnp.issubdtype(t, jnp.inexact)), None)

    def array(x):
        return jnp.asarray(x, number if isinstance(x, float) else None)

    return jax.tree.map(lambda x: array(x) if eqx.is_inexact_array_like(x) else x, tree)


def _keeps_nothing(adjoint, saveat):
    return isinstance(adjoint, diffrax.ForwardMode) and not saveat.dense


def _gradient(value, point, controller, adjoint):
    """The gradient, or None and the part that says why there is none."""
    try:
        run = eqx.filter_jit(lambda point: jax.grad(value)(point, controller, adjoint))
        return np.asarray(run(point), float), None
    except Exception as error:  # an adjoint that raises is a finding
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
        return None, lambda name: GradientPart(name, "wrong", np.inf, 0.0, f"raised {said}")


def _tightened(controller, factor, dtype):
    """Both tolerances times a factor, by which rtol stays above rounding: atol has units."""
    rtol = max(controller.rtol * factor, 500 * float(jnp.finfo(dtype).eps))
    tight = (rtol, controller.atol * (rtol / controller.rtol))
    return eqx.tree_at(lambda c: (c.rtol, c.atol), controller, tight)


def _change(a, b):
    """|b - a|, zero where that is not known."""
    change = np.abs(np.subtract(b, a)) if a is not None and b is not None else np.zeros(())
    return np.where(np.isfinite(change), change, 0)


def _apart(name, a, b, allowed, bent, detail):
    if a is None or b is None:
        return GradientPart(name, "undecided", np.inf, allowed, "a gradient is missing")
    size = max(_length(b), bent, 1e-300)
    return _part(name, _length(a - b) / size, allowed, detail)


def _length(x):
    """The 2-norm, whose squares neither overflow nor vanish."""
    largest = np.abs(x).max(initial=0.0)
    return largest * np.linalg.norm(x / largest) if 0 < largest < np.inf else largest


def _functional(error, loss, change):
    if not np.isfinite(error):
        detail = "the adjoint for the error of the loss was not found"
        return GradientPart("functional", "undecided", error, _LOOSE, detail)
    found = error / max(abs(loss), change / _LOOSE, 1e-300)
    return _part("functional", found, _LOOSE, f"the loss {loss:.4g} misses {error:.1e}")


def _part(name, found, allowed, detail):
    return GradientPart(name, "right" if found <= allowed else "wrong", found, allowed, detail)


def _largest(x):
    """Of an array, everywhere in it; 1 if all is zero."""
    largest = jnp.abs(x).max(initial=0)
    return jnp.full_like(x, jnp.where(largest > 0, largest, 1))


def _directions(point, sizes, seed):
    """As large as the parameters, and the same that moves what is zero, too, as its array is large.

    The first is for concentrations, which do not become negative: the last may find no solution.
    Of what is wrong in two components a single direction may see the difference.
    """
    v, w = np.random.default_rng(seed).uniform(-1, 1, (2, *point.shape))
    size, zero = np.abs(point), point == 0
    if not zero.all():
        yield "", size * v
    if point.size - zero.sum() > 1:
        yield " again", size * w
    if zero.any():
        yield " off 0", np.where(zero, sizes, size) * v


def _taylor(value, point, v, rtol, gradients, names, allowed):
    """g·v against extrapolated central differences, and the order of the remainder."""

    def sides(h, shift=0.0):
        moved = (point + jnp.asarray(s * h * v, point.dtype) for s in (1, -1))
        return [float(value(p, shift)) for p in moved]

    middle, moved = float(value(point)), {h: sides(h) for h in _STEPS}
    noise = 10 * rtol * max(abs(middle), 1e-300)
    slope, bar = _extrapolated(moved, noise)
    h = _STEPS[len(_STEPS) // 2]
    bent = _change(-np.diff(moved[h]), -np.diff(sides(h, allowed)))[0] / (2 * h * allowed)
    size = max(abs(slope), float(bent), 1e-300)
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is not None:
            yield _slope_part(name, gradient @ v, slope, bar, size, allowed, middle, moved, noise)


def _extrapolated(moved, noise):
    """The derivative from central differences of the pair of steps with the smallest error bar."""
    central = [(right - left) / (2 * h) for h, (right, left) in moved.items()]
    values = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(central)]
    bars = [
        abs(value - before) + noise / h
        for (before, value), h in zip(pairwise(values), _STEPS[2:], strict=True)
    ]
    best = int(np.argmin(np.where(np.isfinite(bars), bars, np.inf)))
    return values[best + 1], bars[best]


def _slope_part(name, found, slope, bar, size, allowed, middle, moved, noise):
    if not np.isfinite(bar):
        detail = "no two solutions on both sides have differences"
        return GradientPart(name, "undecided", np.inf, allowed, detail)
    difference, limit = abs(found - slope) / size, allowed + 3 * bar / size
    remainders = {h: abs(right - middle - h * found) for h, (right, _) in moved.items()}
    seen = [h for h in _STEPS if remainders[h] > 10 * noise]
    order = "" if len(seen) < 3 else f", remainder of order {_order(remainders, seen[-3:]):.1f}"
    detail = f"{found:.10g}, differences {slope:.10g} ± {bar:.0e}{order}"
    if limit > _LOOSE + allowed and difference <= limit:
        return GradientPart(name, "undecided", difference, limit, detail)
    return _part(name, difference, limit, detail)


def _order(remainders, steps):
    return np.polyfit(np.log(steps), np.log([remainders[h] for h in steps]), 1)[0]

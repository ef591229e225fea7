"""What the solve for λ is given: its solver, its tolerances, its stops, its first step."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from .._core._power_of_two import nearest
from ._adjoint_solve import solve_adjoint
from ._flow import only_if


def backward(
    problem, moments, jumps, t0, t1, integrate, solved, *,
    adjoint, solver, stepsize_controller, max_steps, **_,
):  # fmt: skip
    """(λ(t0), dL/dθ, its error number) for jumps (k, n) at save times (k,): NaN where a solve failed."""
    given = adjoint.stepsize_controller is not None  # whose tolerances are those of λ itself
    unit = jnp.ones((), jumps.real.dtype) if given else unit_of(problem, jumps)
    problem, jumps = with_unit(problem, unit), jumps / unit.astype(jumps.dtype)
    order = jnp.argsort(-moments)
    sigma, jumps = -moments[order], jumps[order]
    # λ is zero after the last save time, unless a cost feeds it.
    begin = t1 if problem.source is not None else jnp.minimum(-sigma[0], t1)
    stops = [] if len(sigma) == 1 and problem.source is None else [sigma]
    controller = adjoint.stepsize_controller
    if controller is None:
        controller = tighter(stepsize_controller, adjoint.tolerance, problem.unravel)
    solver = adjoint.solver or _root_finder_too(solver, adjoint.tolerance, problem.unravel)
    _check_adaptive(solver, controller)
    found = solve_adjoint(
        problem,
        problem.terms,
        solver,
        reversed_stops(controller, stepsize_controller, stops),
        sigma,
        jumps,
        t0,
        begin,
        first_step(problem.trajectory),
        adjoint.max_steps or 16 * max_steps,
        integrate,
    )
    found = jax.tree.map(lambda x: x * unit.astype(x.dtype), found)
    return jax.tree.map(partial(only_if, solved), found)


def unit_of(problem, jumps):
    """What λ is solved for in multiples of, so that it is as large as y, or as one.

    λ has the units of the loss over those of y, and atol is one of y: in other units λ, which may be all
    below it, would be anything. A power of two, by which nothing is rounded.
    """
    path = problem.trajectory
    here = jnp.arange(len(path.left)) < path.count
    size = jnp.abs(jnp.where(here[:, None], path.coefficients[:, 0], 0)).max(initial=1)
    largest = jnp.abs(jumps).max(initial=0)
    if problem.source is not None:

        def add(i, sums):
            slope = jax.grad(problem.cost, 1)(path.left[i], path.on_step(i, zero), problem.theta)
            return sums + (path.right[i] - path.left[i]) * jnp.abs(slope).max().astype(sums.dtype)

        zero = jnp.zeros((), path.left.dtype)
        gained = lax.fori_loop(0, path.count, add, zero) * jnp.abs(problem.source)
        largest = jnp.maximum(largest, gained.astype(largest.dtype))
    return nearest(largest) / nearest(size)


def with_unit(problem, unit):
    """The problem whose costate is λ / unit."""
    if problem.source is None:
        return problem
    source = problem.source / unit.astype(problem.source.dtype)
    return eqx.tree_at(lambda p: p.source, problem, source)


def reversed_stops(controller, forward, stops):
    """`controller` that stops at given σ, and where the field of the solution jumps."""
    stops = [*stops, *(-jumps for jumps in _jumps(forward))]
    if not stops:
        return controller
    if not isinstance(controller, diffrax.AbstractAdaptiveStepSizeController):
        raise ValueError(
            f"GaussAdjoint: λ jumps at save times, and {type(controller).__name__} does not step to them. "
            "Save at one time alone and without a cost, or pass "
            "GaussAdjoint(stepsize_controller=diffrax.PIDController(rtol=..., atol=...))."
        )
    return diffrax.ClipStepSizeController(controller, jump_ts=jnp.concatenate(stops))


def _check_adaptive(solver, controller):
    adaptive = isinstance(controller, diffrax.AbstractAdaptiveStepSizeController)
    if adaptive and not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(
            f"GaussAdjoint: {type(solver).__name__} does not estimate errors, which the step sizes of λ are "
            "chosen by. Pass a solver of λ that does, GaussAdjoint(solver=diffrax.Tsit5(), ...)."
        )


def _jumps(controller):
    """The jump_ts of a controller and of those within it."""
    while isinstance(controller, diffrax.ClipStepSizeController):
        if controller.jump_ts is not None:
            yield controller.jump_ts
        controller = controller.controller


def _unclipped(controller):
    while isinstance(controller, diffrax.ClipStepSizeController):
        controller = controller.controller
    return controller


def says_accuracy(controller):
    """Whether tolerances control the steps."""
    return isinstance(_unclipped(controller), diffrax.PIDController)


def tighter(controller, tolerance, unravel):
    """The controller of the solution with its tolerances times `tolerance`, for flat states."""
    controller = _unclipped(controller)
    if not says_accuracy(controller):
        raise ValueError(
            f"GaussAdjoint: {type(controller).__name__} does not say how accurate the gradient is to "
            "be. Pass GaussAdjoint(stepsize_controller=diffrax.PIDController(rtol=..., atol=...))."
        )
    return _scale(controller, tolerance, unravel)


def _root_finder_too(solver, tolerance, unravel):
    """An implicit solver with the tolerances of its root finder tightened alike."""
    if not isinstance(solver, diffrax.AbstractImplicitSolver):
        return solver
    finder = solver.root_finder
    if not all(hasattr(finder, name) for name in ("rtol", "atol", "norm")):
        return solver
    return eqx.tree_at(lambda s: s.root_finder, solver, _scale(finder, tolerance, unravel))


def _scale(x, tolerance, unravel):
    norm = x.norm
    new = (tolerance * x.rtol, tolerance * x.atol, lambda y: norm(unravel(y)))
    return eqx.tree_at(lambda x: (x.rtol, x.atol, x.norm), x, new)


def first_step(path):
    """The size of the last accepted step, or of the one before where that was cut at the end."""
    sizes = path.right - path.left
    last = jnp.maximum(path.count - 1, 0)
    dt0 = jnp.maximum(sizes[last], jnp.where(last > 0, sizes[last - 1], 0))
    return jnp.where(jnp.isfinite(dt0) & (dt0 > 0), dt0, 1)

"""Which of optimistix's solvers to try where none is named."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax import lax


class LineSearchNewton(optx.AbstractGaussNewton):
    """Newton's method, or Gauss's, with steps halved until ½‖F‖² falls enough (Armijo)."""

    rtol: float
    atol: float
    norm: Callable
    descent: optx.NewtonDescent
    search: optx.BacktrackingArmijo
    verbose: Callable


def line_search_newton(tol: float) -> LineSearchNewton:
    """Newton's method with a line search."""
    return LineSearchNewton(
        rtol=tol,
        atol=tol,
        norm=optx.max_norm,
        descent=optx.NewtonDescent(linear_solver=lx.AutoLinearSolver(well_posed=None)),
        search=optx.BacktrackingArmijo(),
        verbose=lambda **_: None,
    )


def root_finders(tol: float, y) -> list:
    """From the fastest to the most daring."""
    damped = [optx.Dogleg(tol, tol), optx.LevenbergMarquardt(tol, tol)] if _default(y) else []
    return [line_search_newton(tol), *damped, optx.Newton(tol, tol)]


def least_squares_solver(tol: float, y):
    """Levenberg-Marquardt, or Gauss-Newton with a line search."""
    return optx.LevenbergMarquardt(tol, tol) if _default(y) else line_search_newton(tol)


def _default(y) -> bool:
    """Optimistix's damped methods do not trace where y is of another type, as float32 beside 64 bits."""
    return {jnp.finfo(leaf.dtype).dtype for leaf in jax.tree.leaves(y)} == {jnp.result_type(float)}


def default_tolerance(y) -> float:
    """√ε of the coarsest leaf: Newton's method squares it in one step."""
    return max(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(y)) ** 0.5


def first_that_works(solvers, run, y0):
    """The first success, each solver from y0; the last result if there is none."""
    found = _without_state(run(solvers[0], y0))
    for solver in solvers[1:]:
        found = lax.cond(
            found.result == optx.RESULTS.successful,
            lambda found, _: found,
            lambda _, y0, solver=solver: _without_state(run(solver, y0)),
            found,
            y0,
        )
    return found


def _without_state(found):
    stats = {"num_steps": found.stats["num_steps"]}
    return optx.Solution(found.value, found.result, found.aux, stats, None)

"""A root by homotopy: from a problem that y0 solves to the one that is given.

    H(y, t) = F(y) - (1 - t) F(y0)

is zero at (y0, 0). Its curve of zeros is followed by arclength, so t may turn back where F_y is singular,
which is where Newton's method with a line search ends. A curve leaves y0 in two directions: both are
followed. Where t passes 1 it is a root of F, and Newton's method from there makes it exact.

Source: Allgower and Georg, Introduction to Numerical Continuation Methods (2003), chapter 11.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._core._constant import constant
from ._apart import traced_once
from ._compiled import check_count, compiled
from ._continuation import follow, groups
from ._equation import Equation, check_square, equation, unit_of_small, varying_as
from ._root import root
from ._solution import Solution
from ._solvers import default_tolerance, line_search_newton
from ._vector import arrays, unknown


@compiled
def homotopy(
    fn: Callable,
    y0: PyTree,
    args: Any = None,
    *,
    step: float = 0.1,
    steps: int = 64,
    throw: bool = True,
    polish: int = 1,
    on_singular: str = "nan",
) -> Solution:
    """A y with fn(y, args) = 0 at the end of the curve fn(y) = (1 - t) fn(y0) from y0, certified.

    Identity: dy = -F_y⁻¹ F_θ dθ.

    Args:
      fn: (y, args) ↦ as many numbers as y has. F_y is regular at y0.
      step, steps: of `continuation`, in t: the first step and the number of points each way. A curve that
        turns needs more than 1/step; points past t = 1 are not used.
      throw, polish, on_singular: as for `root`.

    Returns:
      a `Solution`, successful only if its certificate says that y is a root. A curve need not reach
      t = 1: it may go to infinity, or come back to another y at t = 0. Then Newton's method starts
      where it came nearest.

    Errors: as of `root`. Cost: steps times about 8 Jacobians with a solve; then Newton's method.
    """
    y0, args = unknown(y0, "homotopy"), arrays(args)
    fn = traced_once(fn, y0, args)
    problem = equation(fn, y0, args, "homotopy")
    check_square(problem, "homotopy")
    check_count(steps, 1, "homotopy: steps is a number of points")
    unit = unit_of_small(problem, problem.unknowns.pack(y0))
    start = problem.unknowns.unpack(_end(problem, y0, step, steps))
    solver = line_search_newton(default_tolerance(y0))

    def scaled(y, given):
        args, unit = given
        return jax.tree.map(lambda v: v / unit.astype(v.dtype), fn(y, args))

    given = (args, unit)
    return root(scaled, solver, start, given, throw=throw, polish=polish, on_singular=on_singular)


def _end(problem: Equation, y0, step, steps):
    """The y where t passes 1, between two points of the curve; else that with t nearest to 1."""
    parameters = constant(problem.parameters)
    x0 = varying_as(constant(problem.unknowns.pack(y0)), parameters)
    start = problem.F(x0, parameters)

    def H(z, parameters):
        return problem.F(z[:-1], parameters) - (1 - z[-1]) * start

    def one_way(step):
        z0 = jnp.concatenate([x0, jnp.zeros(1, x0.dtype)])
        path = follow(problem._replace(F=H), z0, groups(y0), step, steps, None)
        return _where_t_is_one(path.x * path.unit[None, :], path.converged, x0)

    both = jnp.asarray(step) * jnp.array([1.0, -1.0])
    y, distance = jax.vmap(one_way)(both)
    return y[jnp.argmin(distance)]


def _where_t_is_one(z, converged, x0):
    """y by interpolation where t first passes 1, and 0; or y of the t nearest to 1, and how near."""
    t = jnp.where(converged, z[:, -1], -jnp.inf)
    passes = (t[1:] >= 1) & (t[:-1] < 1)
    k = jnp.where(passes.any(), jnp.argmax(passes), jnp.argmin(jnp.abs(t - 1)))
    after = jnp.where(passes.any(), k + 1, k)
    distance = jnp.where(passes.any(), 0, jnp.abs(t[k] - 1))
    part = jnp.where(passes.any(), (1 - t[k]) / (t[after] - t[k]), 0)
    here = jnp.where(converged[k], z[k, :-1], x0)
    return here + part * jnp.where(passes.any(), z[after, :-1] - here, 0), distance

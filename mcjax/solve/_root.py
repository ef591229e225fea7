"""Roots of systems of equations: F(y, θ) = 0."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import lineax as lx
import optimistix as optx
from jaxtyping import PyTree

from .._core._constant import constant
from ._apart import apart
from ._compiled import compiled
from ._equation import Equation, check_square, equation, unit_of_small
from ._progress import Line
from ._solution import Solution, certified, view
from ._solvers import default_tolerance, first_that_works, root_finders
from ._vector import unknown


@compiled
def root(
    fn: Callable,
    solver: Any,
    y0: PyTree,
    args: Any = None,
    options: dict | None = None,
    *,
    has_aux: bool = False,
    max_steps: int | None = 256,
    throw: bool = True,
    tags: frozenset = frozenset(),
    polish: int = 1,
    linear_solver: lx.AbstractLinearSolver | None = None,
    on_singular: str = "nan",
    progress: bool = False,
) -> Solution:
    """A y with fn(y, args) = 0: optimistix's `root_find`, certified, with derivatives of every order.

    Identity: dy = -F_y⁻¹ F_θ dθ.

    Args:
      fn: (y, args) ↦ as many numbers as y has; with has_aux (value, aux). Complex or real.
      solver: of optimistix, a root finder, least-squares solver or minimiser. None: Newton's method with
        a line search, then, where that ends at no root, a dogleg, Levenberg-Marquardt, and Newton's
        method without a line search, which leaves local minima of ‖F‖.
      y0, args, options, has_aux, max_steps, throw, tags: as in `optimistix.root_find`.
      polish: Newton steps after the solver, taken if they make the residual smaller.
      linear_solver, on_singular: as in `attach_implicit`.
      progress: show steps, values and lengths of steps on stderr; off under vmap.

    Returns:
      a `Solution`, successful only if its certificate says that y is a root, which it measures in
      |y| + 0.1: what is far smaller wants another unit. With throw, what is no root raises at run time.
      aux is differentiable. A double root has infinite derivatives; it is found to half of the digits,
      where they are finite and large and the certificate's gradient_error is near 1.

    Errors: ε κ(F_y) in y and its derivatives where the certificate's gradient_error says so.
    Cost: the solver's, and polish + 2 Jacobians with their SVDs.
    Source: Nocedal and Wright, Numerical Optimization (2006), chapter 11.
    """
    y0 = unknown(y0, "root")
    roots_of = partial(equation, fn, name="root", has_aux=has_aux)
    problem = roots_of(y0, args)
    check_square(problem, "root")
    fixed: dict[str, Any] = dict(options=options, max_steps=max_steps, throw=False, tags=tags)
    tol = default_tolerance(y0)

    line = Line("root", progress)
    line.begin()

    def search(problem, solver, y0):
        seen = view(problem if solver is not None else scaled(problem, y0), y0)

        def run(solver, y0):
            solver = line.told_by(solver)
            return optx.root_find(seen.fn, solver, y0, constant(problem.parameters), **fixed)

        if solver is None:
            return first_that_works(root_finders(tol, seen.start), run, seen.start)
        return run(solver, seen.start)

    found = apart(search, problem, roots_of, solver, y0, args, "root")
    return certified(
        found,
        view(problem, y0).vector(found.value),
        problem,
        minimum=False,
        polish=polish,
        linear_solver=linear_solver,
        on_singular=on_singular,
        tags=tags,
        throw=throw,
        name="root",
        line=line,
    )


def scaled(problem: Equation, y0) -> Equation:
    """The problem in a unit in which the tolerances of solvers say something."""
    unit = unit_of_small(problem, problem.unknowns.pack(y0))

    def call(y, parameters):
        value, aux = problem.call(y, parameters)
        return jax.tree.map(lambda v: v / unit.astype(v.dtype), value), aux

    return problem._replace(F=lambda x, parameters: problem.F(x, parameters) / unit, call=call)

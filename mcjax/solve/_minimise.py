"""Minima: ∇f(y, θ) = 0, with a Hessian that has no negative eigenvalue."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import PyTree

from .._core._constant import constant
from ._apart import apart
from ._certificate import certify
from ._compiled import compiled
from ._equation import equation, gradient
from ._linear import linear_solve
from ._progress import Line
from ._search import descend
from ._solution import Solution, attached, check_polish, view
from ._solvers import default_tolerance
from ._vector import unknown


@compiled
def minimise(
    fn: Callable,
    solver: Any,
    y0: PyTree,
    args: Any = None,
    options: dict | None = None,
    *,
    has_aux: bool = False,
    max_steps: int | None = 1024,
    throw: bool = True,
    tags: frozenset = frozenset(),
    polish: int = 1,
    linear_solver: lx.AbstractLinearSolver | None = None,
    on_singular: str = "nan",
    progress: bool = False,
) -> Solution:
    """A minimum of fn(y, args): optimistix's `minimise`, certified, with derivatives of every order.

    Identity: dy = -H⁻¹ ∂_θ∇f dθ, H the Hessian.

    Args:
      fn: (y, args) ↦ a real number; with has_aux (number, aux).
      solver: a minimiser of optimistix. A root finder, as `optx.Newton`, looks for a root of the
        gradient. None: BFGS, and from where it ends Newton's method in a trust region, until the
        certificate says stationary.
      y0, args, options, has_aux, max_steps, throw, tags: as in `optimistix.minimise`.
      polish: Newton steps after the solver, taken if they make the gradient smaller.
      linear_solver, on_singular: as in `attach_implicit`.
      progress: show steps, values and lengths of steps on stderr; off under vmap.

    Returns:
      a `Solution`, successful only if its certificate says stationary: no saddle, no maximum, as the
      Hessian tells. Where ∇f and H are both zero to rounding it does not tell: a start at the top of -x⁴, or
      on the inflection of x³, stays there and is called stationary, as the minimum of x⁴ is, and so is
      where a search for the infimum of e^-x ends, far out. smallest_singular_value is 0 there: start
      elsewhere. aux is differentiable.

    Errors: ε κ(H) in y and its derivatives where the certificate's gradient_error says so.
    Cost: the solver's, and polish + 2 Hessians with their SVDs; without a solver, a step of Newton's
    method at least.
    Source: Nocedal and Wright, Numerical Optimization (2006), chapters 4 and 6.
    """
    y0 = unknown(y0, "minimise")
    check_polish(polish, "minimise")
    solve = linear_solve(linear_solver, on_singular, tags, "minimise")
    objective_of = partial(equation, fn, name="minimise", has_aux=has_aux)
    objective = objective_of(y0, args)
    if objective.rows != 1:
        raise ValueError(
            f"minimise: fn must return one real number, got {objective.rows}; for a sum of squares "
            "use least_squares, for equations root"
        )
    problem = gradient(objective)
    tol = default_tolerance(y0)
    fixed: dict[str, Any] = dict(options=options, max_steps=max_steps, throw=False)

    line = Line("minimise", progress)
    line.begin()

    def search(objective, solver, y0):
        seen = view(objective, y0)

        def number(y, parameters):
            return jnp.asarray(seen.fn(y, parameters)).reshape(())

        roots = isinstance(solver, optx.AbstractRootFinder)
        run, target = (optx.root_find, jax.grad(number)) if roots else (optx.minimise, number)
        solver = line.told_by(solver)
        return run(target, solver, seen.start, constant(objective.parameters), **fixed)

    named = optx.BFGS(tol, tol) if solver is None else solver
    found = apart(search, objective, objective_of, named, y0, args, "minimise")
    x = view(objective, y0).vector(found.value)
    if solver is None:
        y = objective.unknowns.unpack(x)
        found, x, certificate = descend(found, y, y0, objective, max_steps, polish, line)
    else:
        x, certificate = certify(problem, x, polish, minimum=True)
    return attached(found, x, certificate, problem, solve, throw, line)

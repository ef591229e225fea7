"""Nonlinear least squares: rᵧᵀ r = 0 for the residuals r(y, θ)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import lineax as lx
import optimistix as optx
from jaxtyping import PyTree

from .._core._constant import constant
from ._apart import apart
from ._certificate import certify
from ._compiled import compiled
from ._equation import equation, half_square, normal_equation
from ._linear import linear_solve
from ._progress import Line
from ._search import descend
from ._solution import Solution, attached, check_polish, view
from ._solvers import default_tolerance, least_squares_solver
from ._vector import unknown


@compiled
def least_squares(
    fn: Callable,
    solver: Any,
    y0: PyTree,
    args: Any = None,
    options: dict | None = None,
    *,
    has_aux: bool = False,
    max_steps: int | None = 512,
    throw: bool = True,
    tags: frozenset = frozenset(),
    polish: int = 1,
    linear_solver: lx.AbstractLinearSolver | None = None,
    on_singular: str = "nan",
    progress: bool = False,
) -> Solution:
    """A y that minimises ½ Σ |fn(y, args)|²: optimistix's `least_squares`, certified, differentiable.

    Identity: dy = -H⁻¹ ∂_θ(rᵧᵀ r) dθ, H = rᵧᵀ rᵧ + Σ rᵢ ∇²rᵢ: not the Gauss-Newton part alone.

    Args:
      fn: (y, args) ↦ residuals, a pytree, real or complex; with has_aux (residuals, aux).
      solver: a least-squares solver or minimiser of optimistix. None: Levenberg-Marquardt (for
        float32 beside 64 bits, which optimistix's does not take, Gauss-Newton with a line search), and
        from where it ends Newton's method in a trust region, until the certificate says stationary.
      y0, args, options, has_aux, max_steps, throw, tags: as in `optimistix.least_squares`.
      polish: Newton steps with H after the solver, taken if they make the gradient smaller.
      linear_solver, on_singular: as in `attach_implicit`.
      progress: show steps, values and lengths of steps on stderr; off under vmap.

    Returns:
      a `Solution`, successful only if its certificate says stationary, as in `minimise`: where the
      gradient and H are both zero to rounding it cannot tell. aux is differentiable.

    Errors: ε κ(H) in y and its derivatives where the certificate's gradient_error says so.
    Cost: the solver's, and polish + 2 Hessians with their SVDs; without a solver, a step of Newton's
    method at least.
    Source: Nocedal and Wright, Numerical Optimization (2006), chapters 4 and 10.
    """
    y0 = unknown(y0, "least_squares")
    check_polish(polish, "least_squares")
    solve = linear_solve(linear_solver, on_singular, tags, "least_squares")
    residuals_of = partial(equation, fn, name="least_squares", has_aux=has_aux)
    residuals = residuals_of(y0, args)
    tol = default_tolerance(y0)
    fixed: dict[str, Any] = dict(options=options, max_steps=max_steps, throw=False)

    line = Line("least_squares", progress)
    line.begin()

    def search(residuals, solver, y0):
        solver = line.told_by(solver)
        seen = view(residuals, y0)
        return optx.least_squares(
            seen.fn, solver, seen.start, constant(residuals.parameters), **fixed
        )

    seen = view(residuals, y0)
    named = least_squares_solver(tol, seen.start) if solver is None else solver
    found = apart(search, residuals, residuals_of, named, y0, args, "least_squares")
    x, problem = seen.vector(found.value), normal_equation(residuals)
    if solver is None:
        y, objective = residuals.unknowns.unpack(x), half_square(residuals)
        found, x, certificate = descend(found, y, y0, objective, max_steps, polish, line)
    else:
        x, certificate = certify(problem, x, polish, minimum=True)
    return attached(found, x, certificate, problem, solve, throw, line)

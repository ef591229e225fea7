"""Several roots from one start: a root that is known is divided out.

    G(y) = F(y) Π (1 + ℓ²/‖y - r_i‖²)

has the other roots of F, and no r_i that is simple, where F grows linearly. The unit of length ℓ is that
of the problem, the way from the start to the first root; searches run in z = (y - y0)/ℓ, as a solver's
tolerance has a unit too. Each root found is polished on F itself, so nothing of the division is left in
it or its derivatives. Where that leads to a root that is known, nothing new was found.

Source: Farrell, Birkisson and Funke, SIAM J. Sci. Comput. 37 (2015) A2026.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax
from jaxtyping import Array, PyTree

from .._core._constant import constant
from ._apart import apart
from ._certificate import STATUS
from ._compiled import check_count, compiled
from ._equation import Equation, check_square, equation
from ._root import root, scaled
from ._solution import Solution
from ._solvers import default_tolerance, first_that_works, root_finders
from ._vector import unknown


@compiled
def roots(
    fn: Callable,
    solver: Any,
    y0: PyTree,
    args: Any = None,
    *,
    count: int,
    max_steps: int | None = 256,
) -> Solution:
    """Up to `count` different roots of fn(y, args), as one `Solution` with a leading axis.

    solver: of optimistix, as for `root`; None: those of `root`. y0: where every search starts, and
    no root itself. A lane that found no new root is NaN and not stationary. Roots come in the order in
    which they were found. As for `root`, unknowns far below 0.1 want another unit.
    """
    check_count(count, 1, "roots: count is a number of roots")
    y0 = unknown(y0, "roots")
    problem = equation(fn, y0, args, "roots")
    check_square(problem, "roots")
    tol = default_tolerance(y0)
    solvers = root_finders(tol, y0) if solver is None else [solver]
    first = root(fn, solver, y0, args, max_steps=max_steps, throw=False)
    known = (first.value, first.certificate.stationary)

    def search(problem, solvers, start):
        return _found(problem, solvers, constant(start), count, max_steps, tol)

    def of_start(start, args):
        return equation(fn, start[0], args, "roots")

    found, unit = apart(search, problem, of_start, solvers, (y0, known), args, "roots")

    def polished(x):
        newton = optx.Newton(tol, tol)
        return root(fn, newton, problem.unknowns.unpack(x), args, max_steps=10, throw=False)

    solution = jax.vmap(polished)(found)
    pack = problem.unknowns.pack
    z = jax.vmap(lambda y: (pack(y) - pack(y0)) / unit)(constant(solution.value))
    earlier = jnp.tril(jax.vmap(lambda one: _near(one, z, tol))(z), -1)
    known = (earlier & solution.certificate.stationary[None, :]).any(1)
    return jax.vmap(_nan_if)(known, solution)


def _nan_if(known, solution: Solution) -> Solution:
    """The solution, or NaN that is no root."""
    factor = jnp.where(known, jnp.nan, 1)
    numbers, rest = eqx.partition(solution, eqx.is_inexact_array)
    solution = eqx.combine(jax.tree.map(lambda x: x * factor.astype(x.dtype), numbers), rest)
    result = optx.RESULTS.where(known, optx.RESULTS.nonfinite, solution.result)
    status = STATUS.where(known, STATUS.nonfinite, solution.certificate.status)
    return eqx.tree_at(lambda s: (s.result, s.certificate.status), solution, (result, status))


def _near(z, known, tol) -> Array:
    """Which known vectors z is as good as equal to, in units of the way from the start to the first."""
    return ((z[None, :] - known) ** 2).sum(1) <= tol * (1 + (z**2).sum())


def _found(problem: Equation, solvers, start, count, max_steps, tol) -> tuple[Array, Array]:
    """Vectors near roots, one below the other, the known one first; NaN where a search found nothing new.

    And the unit of length.
    """
    y0, (first, is_root) = start
    problem = scaled(problem, y0)
    parameters = constant(problem.parameters)
    x0 = problem.unknowns.pack(y0)
    way = problem.unknowns.pack(first) - x0
    unit = jnp.sqrt((way**2).sum())
    unit = jnp.where((unit > 0) & jnp.isfinite(unit), unit, 1)

    def deflated(z, known):
        there = jnp.isfinite(known).all(1)
        apart = z[None, :] - jnp.where(there[:, None], known, 0)
        square = jnp.where(there, (apart**2).sum(1), 1)
        F = problem.F(x0 + unit * z, parameters)
        return F * (1 + jnp.where(there, 1 / square, 0)).prod()

    def search(known, i):
        def run(solver, z0):
            return optx.root_find(deflated, solver, z0, known, max_steps=max_steps, throw=False)

        got = first_that_works(solvers, run, jnp.zeros_like(x0))
        new = (got.result == optx.RESULTS.successful) & ~_near(got.value, known, tol).any()
        return known.at[i].set(jnp.where(new, got.value, jnp.nan)), None

    unknown = jnp.full((count, x0.size), jnp.nan, x0.dtype)
    known = unknown.at[0].set(jnp.where(is_root, way / unit, jnp.nan))
    known, _ = lax.scan(search, known, jnp.arange(1, count))
    return x0[None, :] + unit * known, unit

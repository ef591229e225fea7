"""optimistix's Solution, with a certificate."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, PyTree

from .._core._constant import constant
from ._apart import raise_if
from ._attach import attach
from ._certificate import STATUS, Certificate, certify
from ._compiled import check_count
from ._equation import Equation
from ._linear import Solve, linear_solve
from ._progress import Line


class Solution(optx.Solution):
    """optimistix's Solution: value, result, aux, stats, state, and a certificate.

    `result` is successful only where the certificate says stationary. Derivatives of `value` and `aux` are
    those of the equation that defines them.
    """

    certificate: Certificate


_S = TypeVar("_S", bound=Solution)


def certified(
    found: optx.Solution,
    x: Array,
    problem: Equation,
    *,
    minimum: bool,
    polish: int,
    linear_solver,
    on_singular: str,
    tags: frozenset,
    throw: bool,
    name: str,
    line: Line | None = None,
) -> Solution:
    """The solution that an optimistix solver found, certified, polished and attached to `problem`."""
    check_polish(polish, name)
    solve = linear_solve(linear_solver, on_singular, tags, name)
    x, certificate = certify(problem, x, polish, minimum)
    return attached(found, x, certificate, problem, solve, throw, line)


def check_polish(polish, name: str) -> None:
    """Raise unless it is a number of steps."""
    check_count(polish, 0, f"{name}: polish is a number of Newton steps")


def attached(
    found: optx.Solution,
    x: Array,
    certificate: Certificate,
    problem: Equation,
    solve: Solve,
    throw: bool,
    line: Line | None,
) -> Solution:
    """The certified x with the derivatives of `problem`, in the place of what was found."""
    x = attach(x, problem, solve)
    solution = Solution(
        value=problem.unknowns.unpack(x),
        result=result_of(constant(found.result), certificate),
        aux=problem.aux(x, problem.parameters),
        stats=constant(found.stats),
        state=constant(eqx.filter(found.state, eqx.is_array)),
        certificate=certificate,
    )
    if line is not None:
        line.end(found.stats["num_steps"], certificate)
    return raise_if_failed(solution) if throw else solution


def result_of(result: optx.RESULTS, certificate: Certificate) -> optx.RESULTS:
    """Successful if stationary; else what the solver reports, or that it diverged."""
    RESULTS = optx.RESULTS
    failed = RESULTS.where(result == RESULTS.successful, RESULTS.nonlinear_divergence, result)
    failed = RESULTS.where(certificate.status == STATUS.nonfinite, RESULTS.nonfinite, failed)
    return RESULTS.where(certificate.stationary, RESULTS.successful, failed)


def raise_if_failed(solution: _S) -> _S:
    """The solution, which raises at run time unless it is stationary."""
    certificate = solution.certificate
    return raise_if(solution, certificate.status, jnp.logical_not(certificate.stationary))


class View(NamedTuple):
    """A problem as a solver of optimistix sees it: (y, parameters) ↦ value, a start, y ↦ vector."""

    fn: Callable
    start: PyTree
    vector: Callable


def view(problem: Equation, y0: PyTree) -> View:
    """The user's pytrees; vectors of reals where unknowns or values are complex or of several types, which
    lineax does not take."""
    return _as_it_is(problem, y0) if problem.plain else _as_vectors(problem, y0)


def view_of_leaves(problem: Equation, y0: PyTree) -> View:
    """The user's pytrees, or vectors of reals where any of them is complex: for optax, which looks at each
    leaf by itself."""
    complex_ = any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(y0))
    return _as_vectors(problem, y0) if complex_ else _as_it_is(problem, y0)


def _as_vectors(problem, y0):
    return View(problem.F, problem.unknowns.pack(constant(y0)), lambda x: x)


def _as_it_is(problem, y0):
    return View(
        lambda y, parameters: problem.call(y, parameters)[0], constant(y0), problem.unknowns.pack
    )

"""Newton's method in the open: its iterates, its order of convergence, and the name of what goes wrong."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from .._core._constant import constant
from ._certificate import FLOOR, tolerance
from ._compiled import check_count
from ._equation import check_square, equation, varying_as
from ._linear import jacobian, linear_map
from ._vector import inexact

_GROWING = 4  # steps in a row, each longer than the one before
_FLAT = 1e-3  # an iterate over its step, and a slope over the next


class OUTCOME(eqx.Enumeration):
    """What became of Newton's method."""

    converged = "Converged: residual and step are small."
    nan_start = "The function is not finite at the start."
    left_domain = "An iterate left the domain: the function is not finite there."
    cycle = "The iterates return to where they were: a cycle. A line search breaks it."
    flat_slope = (
        "A step is far longer than the iterate, from where the function is far flatter than beside it: the "
        "Jacobian is nearly singular. "
        "A line search or a trust region helps."
    )
    diverged = (
        "Every step is longer than the one before: the iterates run away from the root, or after one at "
        "infinity. A line search or a better start helps."
    )
    singular_jacobian = "The Jacobian is singular at an iterate, so there is no Newton step."
    slow = "Not converged yet; a multiple root converges linearly, and more steps help."


class NewtonHistory(eqx.Module):
    """iterates (steps + 1, n), residuals ‖F‖ and lengths of steps at each, order of convergence, outcome.

    order: log ratio of the last three steps above rounding; 2 at a simple root, 1 at a multiple one, NaN
      if there are no three in a row, or they are of one length.
    """

    iterates: Float[Array, "k n"]
    residuals: Float[Array, " k"]
    steps: Float[Array, " k"]
    order: Float[Array, ""]
    outcome: OUTCOME


def newton_history(fn: Callable, y0: PyTree, args: Any = None, *, steps: int = 30) -> NewtonHistory:
    """Newton's method without safeguards on fn(y, args) = 0, step by step: for teaching and debugging.

    y⁺ = y - F_y⁻¹ F. The number of steps is fixed; iterates are real vectors, complex ones as
    (Re, Im). Not differentiable: `root` is. Source: Ortega and Rheinboldt, Iterative Solution (1970).
    """
    check_count(steps, 0, "newton_history: steps is a number of steps")
    y0 = inexact(y0, "newton_history")
    problem = equation(fn, y0, args, "newton_history")
    check_square(problem, "newton_history")
    parameters = constant(problem.parameters)

    def step(x, _):
        F = problem.F(x, parameters)
        J = jacobian(linear_map(problem.F, x, parameters), x)
        s = jnp.where(F.any(), jnp.linalg.solve(J, F), 0)  # at a root, however singular
        return x - s, (x, _norm(F), _norm(s))

    x0 = varying_as(constant(problem.unknowns.pack(y0)), parameters)
    _, (x, residuals, lengths) = lax.scan(step, x0, None, length=steps + 1)
    return NewtonHistory(x, residuals, lengths, _order(x, lengths), _outcome(x, residuals, lengths))


def _norm(v):
    return jnp.sqrt((v * v).sum())


def _order(x, lengths):
    """log(s₃/s₂) / log(s₂/s₁) for the last three that are above rounding."""
    big = jnp.isfinite(lengths) & (lengths > jnp.finfo(x.dtype).eps ** 0.9 * _sizes(x))
    last = jnp.where(big, jnp.arange(len(lengths)), 0).max()
    three = last - np.array([2, 1, 0])
    a, b, c = jnp.log(lengths[three])
    differ = jnp.abs(b - a) > jnp.finfo(x.dtype).eps ** 0.5  # or their ratio is of rounding
    return jnp.where((last >= 2) & big[three].all() & differ, (c - b) / (b - a), jnp.nan)


def _size(x):
    return jnp.sqrt((x * x).sum(1))


def _sizes(x):
    """Of the iterates, and a part of the largest so far where they are small: no unit decides."""
    size = _size(x)
    return size + FLOOR * lax.cummax(jnp.where(jnp.isfinite(size), size, 0))


def _is_flat(x, residuals, lengths):
    """Whether an iterate's step is far longer than itself, and its slope far less than before or after."""
    slope = residuals / lengths
    steeper = (slope[1:] < _FLAT * slope[:-1], slope[:-1] < _FLAT * slope[1:])
    none = jnp.zeros(1, bool)
    beside = jnp.concatenate([none, steeper[0]]) | jnp.concatenate([steeper[1], none])
    return ((_size(x) < _FLAT * lengths) & beside).any()


def _runs_away(lengths):
    """Whether the last steps before the end, or before they overflow, grow all the time."""
    last = jnp.where(jnp.isfinite(lengths), jnp.arange(len(lengths)), 0).max()
    late = jnp.arange(1, len(lengths)) > last - _GROWING
    late &= jnp.arange(1, len(lengths)) <= last
    return (last >= _GROWING) & ((lengths[1:] > 1.1 * lengths[:-1]) | ~late).all()


def _outcome(x, residuals, lengths):
    tol = tolerance(x.dtype)
    sizes = _sizes(x)
    # A step is small beside x, or else, where x is small itself, the residual has become so.
    largest = jnp.where(jnp.isfinite(residuals), residuals, 0).max()
    small = (lengths[-1] <= tol * _size(x)[-1]) | (residuals[-1] <= tol * largest)
    short = lengths[-1] <= tol * sizes[-1]
    small &= short
    distance = _size(x[:-1] - x[-1:])  # of earlier iterates from the last
    returned = distance[:-1] <= tol * sizes[-1]
    choose = OUTCOME.where
    found = choose(returned.any(), OUTCOME.cycle, OUTCOME.slow)
    found = choose(jnp.isfinite(residuals).all(), found, OUTCOME.left_domain)
    broken = (jnp.isfinite(residuals) & ~jnp.isfinite(lengths)).any()
    found = choose(broken, OUTCOME.singular_jacobian, found)
    flat = _is_flat(x, residuals, lengths) & ~short
    found = choose(flat & ~broken, OUTCOME.flat_slope, found)
    found = choose(_runs_away(lengths), OUTCOME.diverged, found)
    found = choose(small, OUTCOME.converged, found)
    found = choose(residuals[-1] == 0, OUTCOME.converged, found)
    return choose(jnp.isfinite(residuals[0]), found, OUTCOME.nan_start)

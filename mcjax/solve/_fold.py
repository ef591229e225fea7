"""A fold of a branch: where y(p) of F(y, p) = 0 turns back.

F_y v = 0 and ‖v‖ = 1 beside F = 0 are regular at a fold. Newton's method starts with the v of the least
‖F_y v‖ at the guess.

Source: Moore and Spence, SIAM J. Numer. Anal. 17 (1980) 567.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._core._constant import constant
from ._compiled import compiled
from ._continuation import branch_start
from ._equation import Equation, equation, unit_of_small, varying_as
from ._linear import jacobian, linear_map
from ._root import root
from ._solution import Solution
from ._solvers import default_tolerance, line_search_newton


class FoldPoint(NamedTuple):
    """Where a branch turns back: y, p, and v with F_y v = 0, ‖v‖ = 1."""

    y: PyTree
    p: Array
    v: PyTree


@compiled
def fold(
    fn: Callable,
    y: PyTree,
    p: Any,
    args: Any = None,
    *,
    max_steps: int | None = 64,
    throw: bool = True,
) -> Solution:
    """The fold of fn(y, p, args) = 0 near a guess (y, p), as of a `Branch` where it has `folds`.

    Identity: F(y, p) = 0, F_y v = 0, ‖v‖ = 1 define (y, p, v), and its derivatives: dp is
    -wᵀF_θ dθ / wᵀF_p, with w the left null vector of F_y.

    Args:
      fn, args: as for `continuation`. max_steps, throw: as for `root`.

    Returns:
      a `Solution` whose value is a `FoldPoint`, certified and differentiable at every order.

    Where a branch crosses another or p has no extremum to second order (a cusp), these equations are
    singular and derivatives infinite. At a point that is near one, as all that a solver finds are, they
    are finite and large, and the certificate's gradient_error is near 1.

    Errors: ε κ of the equations. Cost: some Jacobians of (2n + 1)² numbers, and an SVD.
    Source: Moore and Spence, SIAM J. Numer. Anal. 17 (1980) 567.
    """
    y, p = branch_start(y, p, "fold")
    at = equation(lambda y, args: fn(y, p, args), constant(y), args, "fold")
    x = varying_as(at.unknowns.pack(y), at.parameters)
    v = at.unknowns.unpack(_null_vector(at, x))
    # Tolerances are absolute, and ‖v‖ = 1 has a unit that F has not.
    unit = unit_of_small(at, x)

    def extended(z: FoldPoint, given):
        args, unit = given
        value, slope = jax.jvp(lambda y: fn(y, z.p, args), (z.y,), (z.v,))
        square = sum((jnp.abs(x) ** 2).sum() for x in jax.tree.leaves(z.v))
        in_unit = jax.tree.map(lambda v: v / unit.astype(v.dtype), (value, slope))
        return *in_unit, square - 1

    solver = line_search_newton(default_tolerance((y, p)))
    given = (args, unit)
    return root(extended, solver, FoldPoint(y, p, v), given, max_steps=max_steps, throw=throw)


def _null_vector(at: Equation, x):
    """v with the least ‖F_y v‖."""
    x, parameters = constant((x, at.parameters))
    J = jacobian(linear_map(at.F, x, parameters), x)
    J = jnp.where(jnp.isfinite(J).all(), J, jnp.zeros_like(J))
    return constant(jnp.linalg.svd(J)[2][-1])

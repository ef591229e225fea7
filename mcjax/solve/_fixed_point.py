"""Fixed points: y = T(y, θ)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import lineax as lx
import optimistix as optx
from jaxtyping import PyTree

from .._core._constant import constant
from ._anderson import Anderson
from ._apart import apart
from ._compiled import compiled
from ._equation import Equation, equation, varying_as
from ._solution import Solution, certified, view
from ._solvers import default_tolerance
from ._vector import unknown


@compiled
def fixed_point(
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
) -> Solution:
    """A y with fn(y, args) = y: optimistix's `fixed_point`, certified, with derivatives of every order.

    Identity: dy = (I - T_y)⁻¹ T_θ dθ.

    Args:
      fn: T, (y, args) ↦ pytree like y; with has_aux (pytree, aux).
      solver: of optimistix, for fixed points, roots, least squares or minima. None: `Anderson`.
      y0, args, options, has_aux, max_steps, throw, tags: as in `optimistix.fixed_point`.
      polish: Newton steps on T(y) - y after the solver, taken if they make it smaller.
      linear_solver, on_singular: as in `attach_implicit`.

    Returns:
      a `Solution`, successful only if its certificate says that T(y) = y, which it measures in |y| + 0.1:
      what is far smaller wants another unit. aux is differentiable.

    Errors: ε κ(I - T_y) in y and its derivatives where the certificate's gradient_error says so.
    Cost: the solver's, and polish + 2 Jacobians with their SVDs.
    Source: Bai, Kolter and Koltun, Deep equilibrium models, NeurIPS 2019, section 3.
    """
    y0 = unknown(y0, "fixed_point")
    maps_of = partial(equation, fn, name="fixed_point", has_aux=has_aux)
    maps = maps_of(y0, args)
    _check_same(maps, varying_as(constant(y0), maps.parameters))
    tol = default_tolerance(y0)
    fixed: dict[str, Any] = dict(options=options, max_steps=max_steps, throw=False, tags=tags)

    def search(maps, solver, y0):
        seen = view(maps, y0)
        return optx.fixed_point(seen.fn, solver, seen.start, constant(maps.parameters), **fixed)

    named = Anderson(tol, tol) if solver is None else solver
    found = apart(search, maps, maps_of, named, y0, args, "fixed_point")
    return certified(
        found,
        view(maps, y0).vector(found.value),
        maps._replace(F=lambda x, parameters: maps.F(x, parameters) - x),
        minimum=False,
        polish=polish,
        linear_solver=linear_solver,
        on_singular=on_singular,
        tags=tags,
        throw=throw,
        name="fixed_point",
    )


def _check_same(maps: Equation, y0):
    def shapes(tree):
        return jax.tree.map(lambda x: (x.shape, str(x.dtype)), tree)

    value = jax.eval_shape(lambda y: maps.call(y, maps.parameters)[0], y0)
    if shapes(value) != shapes(y0):
        raise ValueError(
            f"fixed_point: fn must return what y0 is, {shapes(y0)}, got {shapes(value)}"
        )

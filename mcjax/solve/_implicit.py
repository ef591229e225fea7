"""Any solution, from anywhere, as a differentiable function of what its equation depends on."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import lineax as lx
from jaxtyping import PyTree

from .._core._constant import constant
from ._attach import attach
from ._equation import check_square, equation
from ._kkt import KKT
from ._kkt_attach import attach_kkt
from ._linear import linear_solve
from ._newton import newton_steps
from ._solution import check_polish
from ._vector import inexact


def attach_implicit(
    x: PyTree,
    residual: Callable | KKT,
    args: Any = None,
    *,
    polish: int = 0,
    solver: lx.AbstractLinearSolver | None = None,
    on_singular: str = "nan",
    tags: frozenset = frozenset(),
    has_aux: bool = False,
):
    """The solution x of residual(x, args) = 0, differentiable in args and all that residual closes over.

    Identity: dx = -F_x⁻¹ F_θ dθ at F(x, θ) = 0; higher orders by differentiating that again.

    Args:
      x: the solution, whatever found it: SciPy, a callback, a loop. A pytree of arrays; complex
        equations need not be holomorphic. Derivatives of how it was found are dropped.
      residual: (x, args) ↦ pytree with as many numbers as x, 0 at the solution, as
        `fixed_point_residual` makes it; or a `KKT`, the conditions of a constrained minimum.
      args: parameters, any pytree.
      polish: steps of Newton's method first. The error of a derivative is that of x times the
        curvature of F; a step squares it.
      solver: of lineax, for unknowns too many for a matrix (`lx.GMRES`, `lx.CG` with tags). None: the
        Jacobian, its inverse and refinement.
      on_singular: where F_x is singular, to rounding: "nan" derivatives; "raise" at run time;
        "min_norm", F_x⁺ for F_x⁻¹ (F_x of constant rank, of any shape); "tikhonov", damped by
        μ = ε^(3/8) max |F_x|, with an error (μ/σ)² relative.
      tags: of lineax, facts about F_x: symmetric, positive semidefinite.
      has_aux: residual returns (value, aux), and this returns (x, aux), aux differentiable too.

    Returns:
      x, or (x, aux). jvp, vjp and every order of both; under vmap a singular lane is NaN alone.

    Errors: ε κ(F_x) of the derivative, and ‖F_x⁻¹ F_xx‖ times the error of x.
    Cost: nothing unless differentiated; then n directional derivatives of F and an inverse.
    Source: Blondel et al., Efficient and modular implicit differentiation, NeurIPS 2022.
    """
    check_polish(polish, "attach_implicit")
    x = inexact(x, "attach_implicit")
    if isinstance(residual, KKT):
        if has_aux or solver is not None:
            raise ValueError("attach_implicit: a KKT has no aux, and its Jacobian is factored")
        return attach_kkt(x, residual, args, polish, on_singular)[0]
    problem = equation(residual, constant(x), args, "attach_implicit", has_aux=has_aux)
    if on_singular != "min_norm":
        check_square(problem, "attach_implicit")
    solve = linear_solve(solver, on_singular, tags, "attach_implicit")
    vector = constant(problem.unknowns.pack(x))
    if polish:
        vector = newton_steps(problem, vector, polish, solve)
    attached = attach(vector, problem, solve)
    value = problem.unknowns.unpack(attached)
    return (value, problem.aux(attached, problem.parameters)) if has_aux else value


def implicit(
    residual: Callable,
    *,
    has_aux: bool = False,
    polish: int = 0,
    solver: lx.AbstractLinearSolver | None = None,
    on_singular: str = "nan",
) -> Callable:
    """A decorator: solve(x0, *args), which returns an x with residual(x, *args) = 0, differentiable in args.

    Args:
      residual: (x, *args) ↦ pytree like x. For x = T(x, *args), residual is
        `fixed_point_residual(T)`.
      has_aux: solve returns (x, info). `info` has no derivative: compute from x what needs one.
      polish, solver, on_singular: of `attach_implicit`.

    The solver sees constants, so it may loop, call back or leave JAX. Derivatives in x0 are zero: the
    root does not depend on it.
    """

    def decorate(solve):
        @wraps(solve)
        def solution(x0, *args):
            found = solve(constant(x0), *constant(args))
            x, info = found if has_aux else (found, None)
            x = attach_implicit(
                x,
                lambda x, args: residual(x, *args),
                args,
                polish=polish,
                solver=solver,
                on_singular=on_singular,
            )
            return (x, constant(info)) if has_aux else x

        return solution

    return decorate


def fixed_point_residual(T: Callable) -> Callable:
    """(x, ...) ↦ T(x, ...) - x, zero at a fixed point of T."""

    def residual(x, *args):
        return jax.tree.map(lambda a, b: a - b, T(x, *args), x)

    return residual

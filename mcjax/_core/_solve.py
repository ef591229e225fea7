"""Linear equations, sealed: one operator with a known transpose, whatever algorithm solved it.

x(p) defined by  M(p) x = b.  Differentiate the equation:  M dx = db - (dM) x,  and in reverse
Mᵀ b̄ = x̄,  p̄ from -b̄ᵀ (dM) x.  Both need the solver again and never its inside.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from ._axes import align
from ._evaluate import evaluate


def sealed_solve(
    apply: Callable,
    factor: Callable,
    solves: tuple[Callable, Callable],
    parameters: tuple,
    b,
    *,
    refinements: int = 2,
) -> Any:
    """The x with apply(parameters, x) = b, differentiable in `parameters` and b at every order.

    Args:
      apply: (parameters, x) ↦ M x, linear in x, differentiable in `parameters`.
      factor: parameters ↦ factors, computed once for the solve and all its derivatives, and never
        differentiated.
      solves: (factors, b) ↦ an approximation to M⁻¹ b, and another to M⁻ᵀ b (no conjugate).
      refinements: steps of refinement that follow; with two a solver of a few correct digits is enough.
    """
    *aligned, b = align(*parameters, b)
    parameters = tuple(aligned)
    frozen = lax.stop_gradient(parameters)
    factors = evaluate(factor, *frozen)

    def matvec(x):
        return apply(parameters, x)

    def frozen_matvec(x):
        return apply(frozen, x)

    def transposed_matvec(x):
        return jax.linear_transpose(frozen_matvec, b)(x)[0]

    def refined(solve, matvec):
        def run(_, b):
            (x,) = evaluate(solve, *factors, b)
            for _ in range(refinements):
                (dx,) = evaluate(solve, *factors, b - matvec(x))
                x = x + dx
            return x

        return run

    forward, backward = solves
    return lax.custom_linear_solve(
        matvec, b, refined(forward, frozen_matvec), refined(backward, transposed_matvec)
    )

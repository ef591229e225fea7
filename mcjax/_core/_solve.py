"""Linear equations, sealed: one operator with a known transpose, whatever algorithm solved it.

x(p) defined by  M(p) x = b.  Differentiate the equation:  M dx = db - (dM) x,  and in reverse
Mᵀ b̄ = x̄,  p̄ from -b̄ᵀ (dM) x.  Both need the solver again and never its inside.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from ._axes import align


def sealed_solve(apply: Callable, factor: Callable, solve: Callable, parameters: tuple, b) -> Any:
    """The x with apply(parameters, x) = b, differentiable in `parameters` and b at every order.

    Args:
      apply: (parameters, x) ↦ M x, linear in x, differentiable in `parameters`.
      factor: parameters ↦ factors, computed once for the solve and all its derivatives, and never
        differentiated.
      solve: (factors, b, transposed) ↦ an approximation to M⁻¹ b, or to M⁻ᵀ b (no conjugate). Two
        steps of refinement follow, so that a solver of a few correct digits is enough.
    """
    *aligned, b = align(*parameters, b)
    parameters = tuple(aligned)
    frozen = lax.stop_gradient(parameters)
    factors = factor(frozen)

    def matvec(x):
        return apply(parameters, x)

    def refined(transposed):
        operator = lambda x: apply(frozen, x)  # noqa: E731
        pull = jax.linear_transpose(operator, b)

        def run(_, b):
            x = solve(factors, b, transposed)
            for _ in range(2):
                image = pull(x)[0] if transposed else operator(x)
                x = x + solve(factors, b - image, transposed)
            return x

        return run

    return lax.custom_linear_solve(matvec, b, refined(False), refined(True))

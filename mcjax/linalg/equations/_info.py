"""How well a matrix equation is solved, said by its terms, which sum to zero."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ..._core._matmul import norm


class EquationInfo(NamedTuple):
    """How the solution of a matrix equation went.

    Attributes:
      solved: False where X is NaN: there is no solution, no unique one, or none was found; and where the
        residual is above √eps.
      residual: ‖sum of the equation's terms‖ over the sum of their norms (Frobenius); a few eps where
        X solves an equation next to the given one. For Riccati equations, of the one with E = I, S = 0.
    """

    solved: Bool[Array, "*batch"]
    residual: Float[Array, "*batch"]


def equation_info(X, *terms) -> EquationInfo:
    """From X and the terms of its equation, (..., n, m). It has no derivative."""
    terms = lax.stop_gradient(terms)
    size = sum(map(norm, terms))
    residual = norm(sum(terms)) / jnp.where(size == 0, 1, size)
    residual = residual[..., 0, 0]
    solved = jnp.isfinite(X).all((-2, -1)) & (residual <= jnp.finfo(residual.dtype).eps ** 0.5)
    return EquationInfo(solved, residual)

"""A linear solve that says NaN where it fails."""

import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, PyTree


def solved(
    operator: lx.AbstractLinearOperator, b: PyTree, solver: lx.AbstractLinearSolver
) -> Array:
    """The vector x with A x = b. What an iteration has when its steps are used up counts."""
    found = lx.linear_solve(operator, b, solver, throw=False)
    out_of_steps = found.result == lx.RESULTS.max_steps_reached
    good = (found.result == lx.RESULTS.successful) | out_of_steps
    return jnp.where(good, found.value, jnp.nan)

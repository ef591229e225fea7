"""Newton's method from a start that is nearly right."""

import jax.numpy as jnp
from jax import lax

from .._core._constant import constant


def newton_steps(equation, x, steps, solve):
    """x after some Newton steps, each taken only if it makes the residual smaller."""
    parameters = constant(equation.parameters)

    def step(_, state):
        x, residual = state
        moved = x - solve(equation.F, x, parameters, residual)
        new = equation.F(moved, parameters)
        better = _norm(new) < _norm(residual)  # False for NaN
        return jnp.where(better, moved, x), jnp.where(better, new, residual)

    return constant(lax.fori_loop(0, steps, step, (x, equation.F(x, parameters)))[0])


def _norm(v):
    return jnp.sqrt((v * v).sum())

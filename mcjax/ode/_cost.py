"""The cost J = ∫ g(t, y, args) dt of a solution, without a state of its own.

On each accepted step the solution is a polynomial, and g along it is integrated by Gauss and Kronrod
rules that share their nodes. Kronrod's value is kept, and the sum of |Kronrod - Gauss| over the steps is an
error number, larger than the error of either where g(t, y(t)) is smooth on the scale of a step.

Augmenting y with J' = g would give it a place in the error norm, a row of every Newton matrix, and an adjoint
of its own that is the constant J̄.
"""

import jax
import jax.numpy as jnp
from jax import lax

from ._quadrature import GAUSS_WEIGHTS, KRONROD_NODES, KRONROD_WEIGHTS


def integrate_cost(problem):
    """(J, its error number) of a `Problem` along its trajectory."""
    path = problem.trajectory
    sample = jax.eval_shape(lambda: problem.cost(path.left[0], path(path.left[0]), problem.theta))
    if sample.shape != ():
        raise ValueError(f"cost(t, y, args) must be a number, got shape {sample.shape}")

    def add(i, sums):
        left, h = path.left[i], path.right[i] - path.left[i]

        def value(node):
            return problem.cost(left + node * h, path.on_step(i, node), problem.theta)

        g = lax.map(value, jnp.asarray(KRONROD_NODES, h.dtype)) * h.astype(sample.dtype)
        kronrod = jnp.sum(jnp.asarray(KRONROD_WEIGHTS, g.dtype) * g)
        gauss = jnp.sum(jnp.asarray(GAUSS_WEIGHTS, g.dtype) * g[1::2])
        total, error = sums
        return total + kronrod, error + jnp.abs(kronrod - gauss)

    zero = jnp.zeros((), sample.dtype)
    return lax.fori_loop(0, path.count, add, (zero, zero))

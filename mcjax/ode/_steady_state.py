"""Equilibria: f(y, θ) = 0, their stability, and their derivatives.

    f_y dy = -f_θ dθ,        a linear equation with the Jacobian J = f_y, solved forwards or transposed.

The root is differentiated by this equation, whatever iteration found it. Small disturbances grow like
e^{λ t}, λ the eigenvalues of J, which move with the equilibrium.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from ..linalg import eigvals
from ._flow import bind, vector
from ._root import find_root


class SteadyState(NamedTuple):
    """y with f(y) = 0, ∂f/∂y, its eigenvalues, whether it attracts, max |f|, and whether it was found."""

    y: Any
    jacobian: Float[Array, "n n"]
    eigenvalues: Complex[Array, " n"]
    stable: Bool[Array, ""]
    residual: Float[Array, ""]
    converged: Bool[Array, ""]


def steady_state(
    f: Callable,
    y_guess,
    args=None,
    *,
    t=0.0,
    root_finder: Any = None,
    max_steps: int = 256,
) -> SteadyState:
    """An equilibrium of y' = f(t, y, args) near a guess, its stability, and their derivatives.

    Identity: dy = -J⁻¹ (∂f/∂args) dargs, J = ∂f/∂y.

    Args:
      f: (t, y, args) ↦ y', as for diffrax, evaluated at the one time t.
      y_guess: near the equilibrium, a pytree of real arrays.
      root_finder: of optimistix, for roots or least squares; by default Newton's method, which ends where
        its step is rounding, in any units of f and y. Those of optimistix ask for |f| < atol.
        `optimistix.LevenbergMarquardt` converges from farther away. Inside `jax.shard_map` only the default.

    Returns:
      y: the equilibrium. jacobian (n, n) in the order of `ravel_pytree(y)`, and its eigenvalues (n,).
      stable: all eigenvalues have negative real parts.
      residual: max |f(y)|. converged: whether the root finder was satisfied. NaN throughout if not.

    Derivatives: in t, args and what f closes over, in all modes and at every order; infinite or NaN at a
      fold, where J is singular. Those of the eigenvalues are NaN at defective ones.

    Errors: eps κ(J). Cost: for every step f, its Jacobian by n directional derivatives, and a solution of n
      equations. To start from a transient, integrate with `diffrax.steady_state_event` first.
    """
    guess, unravel = vector(y_guess)
    t = jnp.asarray(t, guess.dtype)
    function = bind(f, (t, unravel(guess), args))

    def rate(y):
        leaves = jax.tree.leaves(function(t, unravel(y), args))
        return jnp.concatenate([jnp.ravel(x).astype(y.dtype) for x in leaves])

    shape = jax.eval_shape(rate, guess).shape
    if shape != guess.shape:
        raise ValueError(
            f"steady_state: f must return what has the shape of y: y has {guess.size} numbers, f returned "
            f"{shape}"
        )
    rtol = 100 * float(jnp.finfo(guess.dtype).eps)
    y, okay = find_root(rate, guess, root_finder, jnp.abs, rtol, max_steps)
    jacobian = jax.jacfwd(rate)(y)
    growth = eigvals(jacobian)
    stable = growth.real.max(initial=-jnp.inf) < 0
    return SteadyState(unravel(y), jacobian, growth, stable, jnp.abs(rate(y)).max(), okay)

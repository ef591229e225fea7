"""Equilibria: f(y, θ) = 0, their stability, and their derivatives.

    f_y dy = -f_θ dθ,        a linear equation with the Jacobian J = f_y, solved forwards or transposed.

The root is differentiated by this equation, whatever iteration found it. Small disturbances grow like
e^{λ t}, λ the eigenvalues of J, which move with the equilibrium.

Where J is singular up to rounding, equilibria form a line, or this is a fold: there is no derivative. Rows
and columns have units of their own, so the measure is the least condition number of all D J D', D and D'
diagonal, the spectral radius of |J⁻¹| |J| (Bauer, Numer. Math. 5 (1963) 73): rates of any stiffness pass.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Complex, Float

from ..linalg import eigvals
from ._flow import bind, only_if, vector
from ._newton import reach
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
      residual: max |f(y)|. It shows a jump of f across zero: one with J⁻¹ f below √(100 eps) of the size of y
        looks to Newton's method like the rounding of terms that cancel, and is converged.
      converged: whether the root finder was satisfied, and J, its rows and columns scaled at best, has a
        condition number below 1/(100 eps). NaN throughout if not. Where f conserves something, such as a
        sum of y, equilibria form a line: replace one equation by the conservation law, total - y.sum().

    Derivatives: in t, args and what f closes over, in all modes and at every order; they grow without
      bound at a fold. Those of the eigenvalues are NaN at defective ones.

    Errors: eps κ(J). Cost: for every step f, its Jacobian by n directional derivatives, and a solution of n
      equations. To start from a transient, integrate with `diffrax.steady_state_event` first.
    """
    guess, unravel = vector(y_guess)
    if guess.size == 0:
        raise ValueError("steady_state: y_guess has no numbers")
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
    okay = okay & (_condition(lax.stop_gradient(jacobian)) * rtol < 1)
    y, jacobian = (only_if(okay, x) for x in (y, jacobian))
    growth = eigvals(jacobian)
    stable = growth.real.max() < 0
    return SteadyState(unravel(y), jacobian, growth, stable, jnp.abs(rate(y)).max(), okay)


def _condition(jacobian):
    """The least condition number that scaled rows and columns have; NaN or 1/eps of what is singular."""
    return jnp.abs(eigvals(reach(jacobian))).max()

"""Periodic orbits of autonomous equations: a point, the period, the multipliers, and their derivatives.

    F(y, T) = (φ_T(y) - y,  ⟨f(ŷ), y - ŷ⟩) = 0,        φ the flow, ŷ the guess.

The last equation takes the point of the orbit that lies on the plane through ŷ across the field there:
without it every point of the orbit is a root. Its Jacobian, with the monodromy matrix M = ∂φ_T/∂y,

    [ M - I    f(y) ]
    [ f(ŷ)ᵀ    0    ]

is regular if 1 is a simple eigenvalue of M and the field crosses the plane. Optimistix finds the root, it is
differentiated as one, and the multipliers are the eigenvalues of M, one of which is 1 with eigenvector f(y).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Complex, Float

from .._core._constant import constant
from ..linalg import eigvals
from ._flow import SOLVER, flow_of, only_if, root_tolerance
from ._root import find_root


class PeriodicOrbit(NamedTuple):
    """A point, the period, ∂φ_T/∂y there, its eigenvalues, ‖φ_T(y) - y‖, and whether it was found."""

    y: Any
    period: Float[Array, ""]
    monodromy: Float[Array, "n n"]
    multipliers: Complex[Array, " n"]
    residual: Float[Array, ""]
    converged: Bool[Array, ""]


def periodic_orbit(
    f: Callable,
    y_guess,
    period_guess,
    args=None,
    *,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    root_finder: Any = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> PeriodicOrbit:
    """A periodic solution of y' = f(y, args) near a guess, its Floquet multipliers, and their derivatives.

    Identity: with wᵀ M = wᵀ, wᵀ f = 1: dT = -wᵀ dφ_T, dφ_T the change of the flow over a fixed time.

    Args:
      f: (t, y, args) ↦ y', as for diffrax. It is evaluated at t in [0, T] and must not depend on it.
      y_guess, period_guess: near a point of the orbit, and its period. Simulate first, for a stable one.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`; by default Tsit5, and a
        PIDController with rtol = atol = √eps.
      root_finder: of optimistix; by default Newton's method, to the tolerance of the controller.
      adjoint: how the flow is differentiated. By default by error-controlled sensitivities, in all modes
        and at every order.

    Returns:
      y: the point of the orbit on the plane ⟨f(y_guess), y - y_guess⟩ = 0.
      period, monodromy (n, n) in the order of `ravel_pytree(y)`, and multipliers (n,), its eigenvalues. One
        is 1; the orbit is stable if the others are inside the unit circle.
      residual, converged: ‖φ_T(y) - y‖ in units of the tolerance. NaN throughout unless converged. A root
        with T near zero or at an equilibrium does not count as converged.

    Derivatives: in args and what f closes over. The guesses have none. Those of y are along the plane.

    Errors: the tolerance, times the condition of the Jacobian.
    Cost: for every step of Newton's method the flow with n sensitivities. Source: Seydel, Practical
      Bifurcation and Stability Analysis (2010), sections 7.1 to 7.3.
    """
    flow, guess, unravel = flow_of(
        f, 0.0, y_guess, args, solver, stepsize_controller, max_steps, adjoint
    )
    period_guess = jnp.asarray(period_guess, guess.dtype)
    if period_guess.shape != ():
        raise ValueError(
            f"periodic_orbit: period_guess is a number, got shape {period_guess.shape}"
        )
    start = jnp.zeros((), guess.dtype)
    guess, period_guess = constant((guess, period_guess))
    across = constant(flow).velocity(start, guess)
    across = across / jnp.linalg.norm(across)

    def equations(unknown):
        y, period = unknown[:-1], unknown[-1]
        plane = (across * (y - guess)).sum()
        return jnp.append(flow(start, period, y)[0] - y, plane)

    tolerance = root_tolerance(flow.controller, guess.dtype)
    root_finder = optx.Newton(*tolerance) if root_finder is None else root_finder
    root, okay = find_root(equations, jnp.append(guess, period_guess), root_finder)
    y, period = root[:-1], root[-1]
    monodromy = jax.jacfwd(lambda y: flow(start, period, y)[0])(y)
    gap = _scaled(equations(root)[:-1], y, tolerance)
    moves = _scaled(flow.velocity(start, y) * period, y, tolerance)
    okay = okay & (gap < 100) & (moves > 100) & (period > 0)
    y, period, monodromy = (only_if(okay, x) for x in (y, period, monodromy))
    return PeriodicOrbit(unravel(y), period, monodromy, eigvals(monodromy), gap, okay)


def _scaled(x, y, tolerance):
    rtol, atol = tolerance
    return jnp.abs(x / (atol + rtol * jnp.abs(y))).max()

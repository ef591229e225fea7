"""Periodic orbits of autonomous equations: a point, the period, the multipliers, and their derivatives.

    F(y, T) = (φ_T(y) - y,  ⟨f(ŷ), y - ŷ⟩) = 0,        φ the flow, ŷ the guess.

The last equation takes the point of the orbit that lies on the plane through ŷ across the field there:
without it every point of the orbit is a root. Its Jacobian, with the monodromy matrix M = ∂φ_T/∂y,

    [ M - I    f(y) ]
    [ f(ŷ)ᵀ    0    ]

is regular if 1 is a simple eigenvalue of M and the field crosses the plane. The orbit is differentiated as a
root, and the multipliers are the eigenvalues of M, one of which is 1 with eigenvector f(y).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
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
      f: (t, y, args) ↦ y', as for diffrax. It is evaluated at t in [0, T] and must not depend on it:
        an orbit of one that does, by more than the tolerance, is not converged.
      y_guess, period_guess: near a point of the orbit, and its period. Simulate first, for a stable one.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`; by default Tsit5, and a
        PIDController with rtol = atol = √eps.
      root_finder: of optimistix; by default Newton's method, to rtol of the controller, in any units of y.
      adjoint: how the flow is differentiated. By default by error-controlled sensitivities, in all modes
        and at every order.

    Returns:
      y: the point of the orbit on the plane ⟨f(y_guess), y - y_guess⟩ = 0.
      period, monodromy (n, n) in the order of `ravel_pytree(y)`, and multipliers (n,), its eigenvalues. One
        is 1; the orbit is stable if the others are inside the unit circle.
      residual, converged: ‖φ_T(y) - y‖ in units of the tolerance, atol and rtol times the size of each
        component along the orbit. NaN throughout unless converged. A root with T near zero, at an
        equilibrium, or of the size of atol does not count as converged.

    Derivatives: in args and what f closes over. The guesses have none. Those of y are along the plane.

    Errors: the tolerance, times the condition of the Jacobian.
    Cost: for every step of Newton's method the flow with n sensitivities; at the end eight flows.
    Source: Seydel, Practical Bifurcation and Stability Analysis (2010), sections 7.1 to 7.3.
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

    def size(unknown):
        # What y is, or becomes in a period: at a point of the orbit either may be zero.
        y, period = jnp.abs(unknown[:-1]), jnp.abs(unknown[-1])
        return jnp.append(y + period * jnp.abs(velocity(start, unknown[:-1])), period)

    velocity = constant(flow).velocity
    rtol, atol = root_tolerance(flow.controller, guess.dtype)
    unknown = jnp.append(guess, period_guess)
    root, okay = find_root(equations, unknown, root_finder, size, rtol)
    y, period = root[:-1], root[-1]
    monodromy = jax.jacfwd(lambda y: flow(start, period, y)[0])(y)
    at, time = constant((y, period))
    along = _along(constant(flow), at, time)
    # Not the size at y, where a component may pass zero: every orbit has points where one does.
    unit = atol + rtol * jnp.abs(along).max(0)
    gap = jnp.abs((along[-1] - at) / unit).max()
    moves = jnp.abs(velocity(start, at) * time / unit).max()
    # At times that are no whole fractions of a period: no forcing is where it was at 0 at all of them.
    times = jnp.arange(1, 9, dtype=y.dtype) / 8 / np.pi * time
    drift = jax.vmap(lambda t, y: velocity(t, y) - velocity(start, y))(times, along)
    autonomous = (jnp.abs(drift).max(0) * time / unit).max() < 100
    okay = okay & (gap < 100) & (moves > 100) & (period > 0) & autonomous
    y, period, monodromy, gap = (only_if(okay, x) for x in (y, period, monodromy, gap))
    return PeriodicOrbit(unravel(y), period, monodromy, eigvals(monodromy), gap, okay)


def _along(flow, y, period):
    """y(T/8), .., y(T)."""
    fractions = jnp.arange(1, 9, dtype=y.dtype) / 8
    start = jnp.zeros((), y.dtype)
    return jax.vmap(lambda fraction: flow(start, fraction * period, y)[0])(fractions)

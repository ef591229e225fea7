"""Semi-explicit differential-algebraic equations of index 1: y' = f(t, y, z), 0 = g(t, y, z).

Where g_z is regular, g = 0 makes z a function Z(t, y), and y' = f(t, y, Z(t, y)) is an ordinary equation.
Z is found by optimistix wherever the field is evaluated, and differentiated as a root. It may have several
values. The one that continues z(t₀) is followed by a second state,

    ẑ' = dZ/dt = -g_z⁻¹ (g_t + g_y f),      ẑ(t₀) = z(t₀),

which is where the search for z starts, so that z is as right as g = 0 makes it, and on its branch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax
from jaxtyping import Array, Bool, Float

from ._flow import SOLVER, bind, flow_of, only_if, root_tolerance, tolerant, vector
from ._norm import with_norm
from ._root import find_root


class DAESolution(NamedTuple):
    """y and z at the times, σ_min(g_z)/‖(g_y, g_z)‖ there, and whether they were found, g_z regular."""

    ys: Any
    zs: Any
    rcond: Float[Array, " times"]
    successful: Bool[Array, " times"]


def dae_solve(
    f: Callable,
    g: Callable,
    ts: Float[Array, " times"],
    y0,
    z_guess,
    args=None,
    *,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    root_finder: Any = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> DAESolution:
    """The solution of y' = f(t, y, z, args), 0 = g(t, y, z, args), with derivatives.

    Args:
      f: (t, y, z, args) ↦ y'.
      g: (t, y, z, args) ↦ as many numbers as z has, zero at the solution, each in any unit.
      ts: (m,), the times of the solution, the first of which is that of y0.
      y0: initial state. z_guess: near the z that belongs to it, which is found. Pytrees of real arrays.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`, from time to time; by default
        Tsit5, and a PIDController with rtol = atol = √eps.
      root_finder: of optimistix, for z; by default Newton's method, to the tolerance of the controller.
      adjoint: how the flow is differentiated. By default by error-controlled sensitivities, in all modes
        and at every order.

    Returns:
      ys, zs: at the times, with a leading axis of m. g = 0 holds at each.
      rcond (m,): σ_min(g_z) / ‖(g_y, g_z)‖, rows scaled to one size. At 0 the index is higher than 1, and
        z is not a function of y.
      successful (m,): y and z were found up to there, and rcond is more than ten times the tolerance and
        more than half of the digits. Else they are NaN.

    Derivatives: in ts, y0, args and what f and g close over.

    Errors: the tolerance, times 1/σ_min in z. Cost: the ordinary equation of y and z, and for every
      evaluation of it a root. Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996),
      VI.1, where this is the indirect approach.
    """
    ts = jnp.asarray(ts)
    if ts.ndim != 1 or not len(ts):
        raise ValueError(f"dae_solve: ts must be times (m,), got shape {ts.shape}")
    (y0, to_y), (guess, to_z) = vector(y0), vector(z_guess)
    guess = guess.astype(y0.dtype)
    ts, n = ts.astype(y0.dtype), len(y0)
    stepsize_controller = tolerant(stepsize_controller, y0.dtype)
    rtol, atol = root_tolerance(stepsize_controller, y0.dtype)
    constraint = bind(_of_vectors(g, to_y, to_z), (ts[0], y0, guess, args))
    if eqx.filter_eval_shape(constraint, ts[0], y0, guess, args).shape != guess.shape:
        raise ValueError("dae_solve: g must return as many numbers as z has")
    rates = _of_vectors(f, to_y, to_z)

    def solve_z(t, y, guess, args):
        equations = lambda z: constraint(t, y, z, args)  # noqa: E731
        # z is a state of the flow, too, of which atol says what is nothing.
        size = lambda z: jnp.abs(z) + atol / rtol  # noqa: E731
        return find_root(equations, guess, root_finder, size, rtol)[0]

    def field(t, state, args):
        y, guess = state[:n], state[n:]
        z, along = jax.linearize(lambda t, y: solve_z(t, y, guess, args), t, y)
        rate = rates(t, y, z, args)
        return jnp.concatenate([rate, along(jnp.ones_like(t), rate)])

    z0 = solve_z(ts[0], y0, lax.stop_gradient(guess), args)

    def of_state(norm):
        # That of y, and one of z, which need not look like y.
        return lambda state: jnp.maximum(norm(to_y(state[:n])), optx.rms_norm(state[n:]))

    solver, controller = (with_norm(x, of_state) for x in (solver, stepsize_controller))
    options = (solver, controller, max_steps, adjoint)
    flow, state, _ = flow_of(field, ts[0], jnp.concatenate([y0, z0]), args, *options)

    def go_on(carry, t):
        before, state, okay = carry
        state, found = flow(before, t, state)
        y, okay = state[:n], okay & found
        z = solve_z(t, y, state[n:], args)
        rcond = lax.stop_gradient(_rcond(constraint, t, y, z, args))
        okay = okay & (rcond > 10 * max(rtol, float(jnp.finfo(z.dtype).eps) ** 0.5))
        return (t, state, okay), (only_if(okay, y), only_if(okay, z), rcond, okay)

    start = (ts[0], state, jnp.isfinite(z0).all())
    _, (ys, zs, rcond, okay) = lax.scan(go_on, start, ts)
    return DAESolution(jax.vmap(to_y)(ys), jax.vmap(to_z)(zs), rcond, okay)


def _rcond(constraint, t, y, z, args):
    """σ_min(g_z) / ‖(g_y, g_z)‖, with rows of one size: a change of y is 1/rcond times larger in z at most.

    The units of an equation change nothing of the z that it determines.
    """
    by_y, by_z = jax.jacfwd(constraint, (1, 2))(t, y, z, args)
    both = jnp.concatenate([by_y, by_z], 1)
    largest = jnp.abs(both).max(1, keepdims=True)
    both = both / jnp.where(largest > 0, largest, 1)
    both = both / jnp.maximum(jnp.linalg.norm(both, axis=1, keepdims=True), 1)
    return jnp.linalg.norm(both[:, len(y) :], -2) / jnp.linalg.norm(both, 2)


def _of_vectors(function, to_y, to_z):
    def of_vectors(t, y, z, args):
        leaves = jax.tree.leaves(function(t, to_y(y), to_z(z), args))
        return jnp.concatenate([jnp.ravel(x).astype(y.dtype) for x in leaves])

    return of_vectors

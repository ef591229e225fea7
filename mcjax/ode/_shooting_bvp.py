"""Boundary value problems by multiple shooting.

On nodes t₀ < .. < t_m the unknowns are the states s₀ .. s_m there, with the equations

    φ(t_i, t_{i+1}, s_i) - s_{i+1} = 0,   i < m,        b(s₀, s_m) = 0,        φ the flow.

One shot from t₀ to t_m multiplies an error of s₀ by ‖∂φ‖, which may exceed 1/eps; from node to node it is
multiplied by little. The solution is differentiated as a root of them: with the Jacobian,
block-bidiagonal but for its last row, and the changes of φ and b by parameters and nodes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core._constant import constant
from ._flow import SOLVER, bind, flow_of, only_if, root_tolerance
from ._root import find_root


class ShootingBVP(NamedTuple):
    """States at the nodes, the largest residual of the equations, and whether they were solved."""

    ys: Any
    residual: Float[Array, ""]
    converged: Bool[Array, ""]


def shooting_bvp(
    f: Callable,
    boundary: Callable,
    ts: Float[Array, " nodes"],
    ys_guess,
    args=None,
    *,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    root_finder: Any = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> ShootingBVP:
    """The solution of y' = f(t, y, args) with boundary(y(ts[0]), y(ts[-1]), args) = 0, with derivatives.

    Args:
      f: (t, y, args) ↦ y'. Unknown parameters are states with derivative zero.
      boundary: (y_first, y_last, args) ↦ as many numbers as y has, zero at the solution.
      ts: (m + 1,), the nodes, increasing, m >= 1. The more, the less a shot may miss.
      ys_guess: near the states at the nodes, a pytree of arrays with a leading axis of m + 1.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`; by default Tsit5, and a
        PIDController with rtol = atol = √eps.
      root_finder: of optimistix; by default Newton's method, to rtol of the controller, for each component
        of the size that it has at the nodes, in any units of y and boundary.
      adjoint: how the flow is differentiated. By default by error-controlled sensitivities, in all modes
        and at every order.

    Returns:
      ys: the states at the nodes, of the shape of ys_guess.
      residual: the largest of the equations, in the units of y and of boundary.
      converged: whether the root finder was satisfied, and the equations, scaled to one size, have a Jacobian
        with σ_min/σ_max above rtol: else there is no solution, or many. NaN throughout if not.

    Derivatives: in ts, args and what f and boundary close over.

    Errors: the tolerance, times the condition of the boundary value problem.
    Cost: for every step of Newton's method m flows with n sensitivities each, in parallel, and the solution
      of n (m + 1) equations. Source: Ascher, Mattheij and Russell, Numerical Solution of Boundary Value
      Problems (1995), chapter 4.
    """
    ts, first = _checked(ts, ys_guess)
    options = (solver, stepsize_controller, max_steps, adjoint)
    flow, y, unravel = flow_of(f, ts[0], first, args, *options)
    ts = ts.astype(y.dtype)
    leaves = [jnp.reshape(x, (len(ts), -1)) for x in jax.tree.leaves(ys_guess)]
    guess = jnp.concatenate([x.astype(y.dtype) for x in leaves], 1)
    at_ends = bind(boundary, (unravel(y), unravel(y), args))

    def equations(nodes):
        nodes = nodes.reshape(guess.shape)
        shots = jax.vmap(flow)(ts[:-1], ts[1:], nodes[:-1])[0]
        ends = jax.tree.leaves(at_ends(unravel(nodes[0]), unravel(nodes[-1]), args))
        ends = jnp.concatenate([jnp.ravel(x).astype(y.dtype) for x in ends])
        if ends.shape != y.shape:
            raise ValueError(
                f"shooting_bvp: boundary must return {y.size} numbers, as many as y has, got {ends.size}"
            )
        return jnp.concatenate([shots - nodes[1:], ends[None]]).ravel()

    def size(nodes):
        # Of a component on all nodes: at some it may be zero.
        largest = jnp.abs(nodes.reshape(guess.shape)).max(0)
        return jnp.broadcast_to(largest, guess.shape).ravel()

    rtol, _ = root_tolerance(flow.controller, y.dtype)
    nodes, okay = find_root(equations, guess.ravel(), root_finder, size, rtol)
    # Where the Jacobian is singular up to what the flow is known to, only its errors make a root.
    rcond = _rcond(jax.jacfwd(constant(bind(equations, (nodes,))))(constant(nodes)))
    okay = okay & (rcond > rtol)
    nodes, residual = (only_if(okay, x) for x in (nodes, jnp.abs(equations(nodes)).max()))
    return ShootingBVP(jax.vmap(unravel)(nodes.reshape(guess.shape)), residual, okay)


def _rcond(jacobian):
    """σ_min / σ_max, with columns and rows of one size: components and equations may have any units."""
    for axis in (0, 1):
        largest = jnp.abs(jacobian).max(axis, keepdims=True)
        jacobian = jacobian / jnp.where(largest > 0, largest, 1)
    return jnp.linalg.norm(jacobian, -2) / jnp.linalg.norm(jacobian, 2)


def _checked(ts, ys_guess):
    """The nodes, and the first state."""
    ts = jnp.asarray(ts)
    if ts.ndim != 1 or len(ts) < 2:
        raise ValueError(
            f"shooting_bvp: ts must be two or more nodes (m + 1,), got shape {ts.shape}"
        )
    shapes = [jnp.shape(x) for x in jax.tree.leaves(ys_guess)]
    if any(shape[:1] != ts.shape for shape in shapes):
        raise ValueError(
            f"shooting_bvp: ys_guess needs a state for each of the {len(ts)} nodes on its first axis, got "
            f"shapes {shapes}"
        )
    return ts, jax.tree.map(lambda x: jnp.asarray(x)[0], ys_guess)

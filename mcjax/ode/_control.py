"""The gradient of a cost in a control function u(t), as a function.

For y' = f(t, y, u(t)) and J = φ(y(t1)) + ∫ g(t, y, u(t)) dt, a variation δu changes J by

    δJ = ∫ (λᵀ f_u + g_u) δu dt,      λ' = -f_yᵀ λ - g_y,      λ(t1) = φ_y,

so λᵀ f_u + g_u is the gradient of J in L²: the Riesz representer of δJ. It belongs to no discretisation of
u. The gradient in the coefficients c of u = Σ c_j b_j is what the adjoints of this room give, and is
its moments ∫ (λᵀ f_u + g_u) b_j dt.

Source: Bryson and Ho, Applied Optimal Control (1975), section 2.3.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from ._adjoint_solve import Problem, backward_terms
from ._backward import first_step, reversed_stops, says_accuracy, tighter, unit_of, with_unit
from ._flow import only_if
from ._gauss import GaussAdjoint, loop_with_trajectory


class ControlGradient(eqx.Module):
    """J, the state at t1, and t ↦ λ(t)ᵀ f_u + g_u, of the shape of u(t), by calling it.

    NaN outside [t0, t1] and everywhere where a solve failed.
    """

    value: jax.Array
    y1: Any
    problem: Problem
    path: diffrax.DenseInterpolation | Any
    unit: jax.Array
    control: Callable
    vector_field: Callable
    running_cost: Callable | None
    args: Any
    right: jax.Array

    def __call__(self, t):
        t = jnp.asarray(t, self.problem.trajectory.left.dtype)
        y, adjoint = self.state(t), self.costate(t)
        u = self.control(t)

        def hamiltonian(u):
            slopes = self.vector_field(t, y, u, self.args)
            value = _dot(adjoint, slopes)
            if self.running_cost is not None:
                value = value + self.running_cost(t, y, u, self.args)
            return value

        return jax.tree.map(partial(only_if, self.right), jax.grad(hamiltonian)(u))

    def state(self, t):
        """y(t)."""
        return self.problem.unravel(self.problem.trajectory(t))

    def costate(self, t):
        """λ(t)."""
        adjoint = self.path.evaluate(-t)
        return self.problem.unravel(adjoint * self.unit.astype(adjoint.dtype))


def _dot(x, y):
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), x, y)
    return jax.tree.reduce(jnp.add, products)


class _Keep(GaussAdjoint):
    """A solve that hands out its trajectory beside its statistics."""

    def loop(self, **kwargs):
        return loop_with_trajectory(self, **kwargs)


def control_gradient(
    vector_field: Callable,
    control: Callable,
    solver: diffrax.AbstractSolver,
    t0,
    t1,
    dt0,
    y0,
    args=None,
    *,
    cost: Callable | None = None,
    final_cost: Callable | None = None,
    stepsize_controller: diffrax.AbstractStepSizeController,
    max_steps: int = 4096,
) -> ControlGradient:
    """J and its gradient in a control function.

    Identity: δJ = ∫ (λᵀ f_u + g_u) δu dt, with λ the solution of the adjoint equation.

    Args:
      vector_field: f(t, y, u, args), u the value of the control at t.
      control: t ↦ u, a pytree of arrays: any function, the `evaluate` of an interpolation of diffrax for one.
      solver, t0, t1, dt0, y0, args, stepsize_controller, max_steps: as in `diffrax.diffeqsolve`, with
        t0 < t1 and a PIDController, whose tolerances λ gets times 0.1.
      cost: g(t, y, u, args), a number, integrated over [t0, t1].
      final_cost: φ(y, args), a number, of y(t1). One of the two must be given.

    Returns:
      A `ControlGradient`: call it with a time. It has `.value` (J), `.y1`, `.state(t)` and `.costate(t)`.

    Errors: of the order of the solver's tolerance in value and λ; between the steps of λ that of the solver's
      dense output. NaN where a solve failed. A control with jumps needs them in
      `ClipStepSizeController(jump_ts=...)`.
    Cost: two solves of n unknowns.
    Source: Bryson and Ho, Applied Optimal Control (1975), section 2.3.
    """
    if cost is None and final_cost is None:
        raise ValueError("control_gradient: give cost(t, y, u, args), final_cost(y, args), or both")
    if not says_accuracy(stepsize_controller):
        raise ValueError(
            f"control_gradient: {type(stepsize_controller).__name__} does not say how accurate λ is to be. "
            "Pass stepsize_controller=diffrax.PIDController(rtol=..., atol=...)."
        )
    forwards = jnp.asarray(t0 < t1)
    if not (isinstance(forwards, Tracer) or forwards):
        raise ValueError(f"control_gradient: t0 must be before t1, got {t0} and {t1}")
    t1 = jnp.where(forwards, t1, t0 + 1)  # λ has no time to go back in, and the result is NaN

    def closed(t, y, args):
        return vector_field(t, y, control(t), args)

    running = None if cost is None else (lambda t, y, args: cost(t, y, control(t), args))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(closed),
        solver,
        t0,
        t1,
        dt0,
        y0,
        args,
        stepsize_controller=stepsize_controller,
        adjoint=_Keep(cost=running),
        max_steps=max_steps,
        throw=False,
    )
    problem = solution.stats["problem"]
    y1 = jax.tree.map(lambda y: y[-1], solution.ys)
    value, start = jnp.zeros((), ravel_pytree(y1)[0].dtype), jax.tree.map(jnp.zeros_like, y1)
    if final_cost is not None:
        value, start = jax.value_and_grad(final_cost)(y1, args)
    if cost is not None:
        value = value + solution.stats["cost"]
    source = None if cost is None else jnp.ones((), value.dtype)
    problem = eqx.tree_at(lambda p: p.source, problem, source, is_leaf=lambda x: x is None)
    time, start = problem.trajectory.left.dtype, ravel_pytree(start)[0]
    unit = unit_of(problem, start[None])
    problem = with_unit(problem, unit)
    controller = tighter(stepsize_controller, 0.1, problem.unravel)
    back = diffrax.diffeqsolve(
        backward_terms(problem.terms),
        solver,
        -jnp.asarray(t1, time),
        -jnp.asarray(t0, time),
        first_step(problem.trajectory),
        start / unit.astype(start.dtype),
        problem,
        stepsize_controller=reversed_stops(controller, stepsize_controller, []),
        saveat=diffrax.SaveAt(dense=True),
        adjoint=diffrax.ForwardMode(),
        max_steps=4 * max_steps,
        throw=False,
    )
    right = (solution.result == diffrax.RESULTS.successful) & forwards
    right &= back.result == diffrax.RESULTS.successful
    value, y1 = jax.tree.map(lambda x: jnp.where(right, x, jnp.nan), (value, y1))
    return ControlGradient(
        value, y1, problem, back.interpolation, unit, control, vector_field, cost, args, right
    )

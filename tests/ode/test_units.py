"""Derivatives do not depend on the units of the loss, of the state, and of the parameters.

A tolerance atol has the units of y. What is solved beside y, or after it, has others.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._control import control_gradient
from mcjax.ode._forward_sensitivity import ForwardSensitivity
from mcjax.ode._gauss import GaussAdjoint
from mcjax.ode._hybrid import hybrid_solve

from . import problems
from .problems import assert_relative, pid

UNITS = jnp.array([1.0, 1e-12, 1e9])


def decay(adjoint, y0, p, controller):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, p: -p * y), diffrax.Tsit5(), 0.0, 2.0, None, y0, p,
        stepsize_controller=controller, adjoint=adjoint, max_steps=256,
    )  # fmt: skip


def test_a_loss_in_any_unit():
    """y = exp(-2 p), and 2 ∫ y dt. Where λ was all below atol its solver took one step."""

    @jax.jit
    @jax.vmap
    def gradient(unit):
        adjoint = GaussAdjoint(cost=lambda t, y, p: y)

        def loss(p):
            solution = decay(adjoint, jnp.array(1.0), p, pid(1e-8))
            return unit * (solution.ys[0] + 2 * solution.stats["cost"])

        return jax.grad(loss)(1.0) / unit

    want = np.full(3, -2 * np.exp(-2.0) + 2 * (3 * np.exp(-2.0) - 1))
    np.testing.assert_allclose(gradient(UNITS), want, rtol=1e-7)


def test_a_state_in_any_unit():
    """dy(2)/dy0 = exp(-2), with an atol that is right for y: it is 10 where y is 1e9."""

    @jax.jit
    @jax.vmap
    def gradient(unit):
        end = lambda y: decay(GaussAdjoint(), y, 1.0, pid(1e-8, 1e-8 * unit)).ys[0]  # noqa: E731
        return jax.grad(end)(unit)

    np.testing.assert_allclose(gradient(UNITS), np.full(3, np.exp(-2.0)), rtol=1e-7)


def test_a_cost_of_a_control_in_any_unit():
    """J = ∫ unit y dt, y' = u - y, u = 0: δJ/δu(t) = unit (1 - exp(t - 2))."""

    @jax.jit
    @jax.vmap
    def gradient(unit):
        found = control_gradient(
            lambda t, y, u, args: u - y, jnp.zeros_like, diffrax.Tsit5(), 0.0, 2.0, None,
            jnp.array(1.0), cost=lambda t, y, u, args: unit * y, stepsize_controller=pid(1e-8),
        )  # fmt: skip
        return found(0.3) / unit, found.costate(0.3) / unit

    want = np.full(3, 1 - np.exp(0.3 - 2))
    assert_relative(gradient(UNITS), (want, want), 1e-7)


@pytest.mark.parametrize("unit", [1e6, 1e-6])
def test_sensitivities_of_parameters_in_any_unit(unit):
    """At an equilibrium only they tell the steps: unseen, they were wrong by half for a unit of 1e6."""
    problem = problems.equilibrium()

    def loss(a):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, u, a: problem.field(t, u, a / unit)), diffrax.Tsit5(),
            0.0, 10.0, None, problem.y0, a, stepsize_controller=pid(1e-6),
            saveat=diffrax.SaveAt(ts=problem.times(101)), adjoint=ForwardSensitivity(),
        ).ys.sum()  # fmt: skip

    slope = jax.jit(jax.grad(loss))(unit) * unit
    np.testing.assert_allclose(slope, problems.EQUILIBRIUM_TRUTH, rtol=1e-6)


@pytest.mark.parametrize("solve", ["sensitivities", "flow"])
def test_sensitivities_of_states_in_any_unit(solve):
    """Near the equilibrium (1, 1) the solution turns: dx/dx0 = cos 10, with atol = 1e-8 of the unit."""
    unit = 1e9

    def field(t, u, args):
        x, y = u / unit
        return jnp.stack([x - x * y, x * y - y]) * unit

    def end(u):
        controller = pid(1e-8, 1e-8 * unit)
        if solve == "flow":
            return hybrid_solve(
                field, lambda t, u, args: u[0] + unit, lambda t, u, args: u, 0.0, 10.0, u,
                max_events=1, stepsize_controller=controller,
            ).y1[0]  # fmt: skip
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 10.0, None, u,
            stepsize_controller=controller, adjoint=ForwardSensitivity(),
        ).ys[0, 0]  # fmt: skip

    derivative = jax.jacfwd if solve == "flow" else jax.grad  # compiled sooner
    slope = jax.jit(derivative(end))(jnp.full(2, unit))
    np.testing.assert_allclose(slope, [np.cos(10.0), -np.sin(10.0)], rtol=1e-6)


def test_a_small_parameter():
    """y' = p sin 10 t: dy(5)/dp = (1 - cos 50)/10 for any p. Times p it would be below atol."""

    def end(p):
        return hybrid_solve(
            lambda t, y, p: p * jnp.sin(10 * t)[None], lambda t, y, p: y[0] + 10,
            lambda t, y, p: y, 0.0, 5.0, jnp.zeros(1), p, max_events=1,
        ).y1[0]  # fmt: skip

    slope = jax.jit(jax.jacfwd(end))(1e-12)
    np.testing.assert_allclose(slope, (1 - np.cos(50.0)) / 10, rtol=1e-5)

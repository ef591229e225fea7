"""The user's norm of a state is given states, whatever is solved in their place."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.ode import (
    ForwardSensitivity,
    dae_solve,
    delay_solve,
    hybrid_solve,
    periodic_orbit,
    shooting_bvp,
)

from .problems import assert_relative


@pytest.mark.parametrize("solver", [diffrax.Tsit5(), diffrax.Kvaerno5()], ids=["Tsit5", "Kvaerno5"])
def test_sensitivities_of_a_state_with_a_part_that_is_not_controlled(solver):
    """An oscillator beside its integral: the norm leaves out the integral, and sees no flat state."""

    def field(t, y, w):
        x, v, _ = y["path"]
        return {"path": jnp.stack([v, -(w**2) * x, 0.0 * x]), "integral": x}

    def end(w):
        norm = lambda y: jnp.max(jnp.abs(y["path"]))  # noqa: E731
        y0 = {"path": jnp.array([1.0, 0.0, 1.0]), "integral": jnp.array(0.0)}
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), solver, 0.0, 3.0, None, y0, w,
            stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-8, norm=norm),
            adjoint=ForwardSensitivity(),
        ).ys["path"][0, 0]  # fmt: skip

    got = jax.jit(jax.grad(end))(2.0)
    assert_relative(got, -3 * np.sin(6.0), 3e-7)  # 30 times the tolerance of the solver


def test_sensitivities_do_not_hide_in_a_norm_of_the_first_row():
    """The first component is constant: a norm of S[0] would see nothing of the second."""

    def field(t, y, w):
        constant, x, v = y[0]
        return jnp.stack([0 * constant, v, -(w**2) * x]), y[0].sum()

    def end(w):
        pid = diffrax.PIDController(rtol=1e-9, atol=1e-9, norm=lambda y: optx.rms_norm(y[0]))
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 10.0, None,
            (jnp.array([1.0, 1.0, 0.0]), jnp.array(0.0)), w,
            stepsize_controller=pid, adjoint=ForwardSensitivity(),
        ).ys[0][0, 1]  # fmt: skip

    assert_relative(jax.jit(jax.grad(end))(2.0), -10 * np.sin(20.0), 1e-7)


def rms(y):
    return jnp.sqrt(jnp.mean(y["x"] ** 2))


PID = diffrax.PIDController(rtol=1e-9, atol=1e-9, norm=rms)
CLIPPED = diffrax.ClipStepSizeController(PID, step_ts=jnp.array([0.3]))


def state(x):
    return {"x": jnp.ravel(x)}


def delayed(controller, a):
    """y' = -a y(t - 1), y = 1 before 0: y(2) = 1 - 2 a + a²/2."""
    return delay_solve(
        lambda t, y, before, a: state(-a * before["x"]), lambda t, a: state(jnp.ones(1)),
        1.0, 0.0, 2.0, a, max_delays=2, stepsize_controller=controller,
    ).y1["x"][0]  # fmt: skip


def constrained(controller, a):
    """y' = -a z, z = y."""
    return dae_solve(
        lambda t, y, z, a: state(-a * z), lambda t, y, z, a: z - y["x"],
        jnp.array([0.0, 1.0]), state(jnp.ones(1)), jnp.ones(1), a, stepsize_controller=controller,
    ).ys["x"][1, 0]  # fmt: skip


def with_an_event(controller, a):
    """y' = -a y from 1, and y + 1 at y = 1/2: 3 exp(-a)."""
    return hybrid_solve(
        lambda t, y, a: state(-a * y["x"]), lambda t, y, a: y["x"][0] - 0.5,
        lambda t, y, a: state(y["x"] + 1), 0.0, 1.0, state(jnp.ones(1)), a,
        max_events=1, stepsize_controller=controller,
    ).y1["x"][0]  # fmt: skip


def between_ends(controller, a):
    """x'' = -a² x, x(0) = 0, x(1) = 1: x'(0) = a / sin a."""
    return shooting_bvp(
        lambda t, y, a: state(jnp.stack([y["x"][1], -(a**2) * y["x"][0]])),
        lambda first, last, a: jnp.stack([first["x"][0], last["x"][0] - 1]),
        jnp.array([0.0, 1.0]), {"x": jnp.ones((2, 2))}, a, stepsize_controller=controller,
    ).ys["x"][0, 1]  # fmt: skip


def cycle(controller, a):
    """z' = (1 - |z|² + i a) z has the period 2 π / a."""

    def field(t, y, a):
        u, v = y["x"]
        growth = 1 - u**2 - v**2
        return state(jnp.stack([growth * u - a * v, growth * v + a * u]))

    return periodic_orbit(
        field, state(jnp.array([1.1, 0.0])), 5.0, a, stepsize_controller=controller
    ).period


FLOWS = [
    (delayed, lambda a: 1 - 2 * a + a**2 / 2),
    (constrained, lambda a: jnp.exp(-a)),
    (with_an_event, lambda a: 3 * jnp.exp(-a)),
    (between_ends, lambda a: a / jnp.sin(a)),
    (cycle, lambda a: 2 * jnp.pi / a),
]


@pytest.mark.parametrize("clipped", [False, True], ids=["pid", "clipped"])
@pytest.mark.parametrize(("solve", "truth"), FLOWS, ids=[solve.__name__ for solve, _ in FLOWS])
def test_what_is_built_on_flows(solve, truth, clipped):
    controller = CLIPPED if clipped else PID
    got = jax.jit(jax.value_and_grad(lambda a: solve(controller, a)))(1.3)
    assert_relative(got, jax.value_and_grad(truth)(1.3), 1e-7)

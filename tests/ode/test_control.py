"""The gradient in a control function, against a closed form and against its moments."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._control import control_gradient

PID = diffrax.PIDController(rtol=1e-9, atol=1e-9)


def test_integrator():
    """y' = u, J = ∫ (y² + u²)/2 dt + y(T)³ and u = cos t: y = c + sin t, λ = 3 y(T)² + ∫_t^T y."""
    c, T = 0.3, 2.0

    def at(y0):
        gradient = control_gradient(
            lambda t, y, u, args: u, lambda t: jnp.cos(t)[None], diffrax.Tsit5(), 0.0, T, None, y0,
            cost=lambda t, y, u, args: jnp.sum(y**2 + u**2) / 2,
            final_cost=lambda y, args: jnp.sum(y**3), stepsize_controller=PID,
        )  # fmt: skip
        ts = jnp.linspace(0.0, T, 9)
        return gradient.value, jax.vmap(gradient)(ts), jax.vmap(gradient.costate)(ts)

    value, slope, costate = jax.jit(at)(jnp.array([c]))
    t = np.linspace(0.0, T, 9)
    end = c + np.sin(T)
    integral = c**2 * T / 2 + c * (1 - np.cos(T)) + T / 2
    adjoint = 3 * end**2 + c * (T - t) + np.cos(t) - np.cos(T)
    assert abs(value - integral - end**3) < 1e-8
    assert np.max(np.abs(costate[:, 0] - adjoint)) < 1e-7
    assert np.max(np.abs(slope[:, 0] - adjoint - np.cos(t))) < 1e-7


def test_a_control_of_two_parts():
    """y' = u + t v and φ = y: λ = 1, so the gradient is 1 and t."""
    gradient = control_gradient(
        lambda t, y, u, args: u["u"] + t * u["v"], lambda t: {"u": jnp.sin(t), "v": t},
        diffrax.Tsit5(), 0.0, 1.0, None, jnp.ones(()),
        final_cost=lambda y, args: y, stepsize_controller=PID,
    )  # fmt: skip
    slope = jax.jit(gradient.__call__)(0.3)
    assert abs(slope["u"] - 1) < 1e-8 and abs(slope["v"] - 0.3) < 1e-8


def test_jumps_that_an_inner_controller_knows():
    """y' = u y, φ = y, and u a pulse of area 1, which is stepped over if not known of: λ = e before it."""
    begin, end = 0.375, 0.375 + 2.0**-12
    inner = diffrax.ClipStepSizeController(PID, jump_ts=jnp.array([begin, end]))
    gradient = control_gradient(
        lambda t, y, u, args: u * y, lambda t: jnp.where((t > begin) & (t < end), 2.0**12, 0.0),
        diffrax.Tsit5(), 0.0, 1.0, None, jnp.ones(()), final_cost=lambda y, args: y,
        stepsize_controller=diffrax.ClipStepSizeController(inner, step_ts=jnp.array([0.5])),
    )  # fmt: skip
    costate = jax.vmap(gradient.costate)(jnp.array([0.0, 0.3, 0.5]))
    np.testing.assert_allclose(costate, [np.e, np.e, 1], rtol=1e-8)


@pytest.mark.slow
def test_moments_are_the_gradient_in_coefficients():
    """For u = Σ c_j t^j, dJ/dc_j is ∫ t^j times the gradient: a pendulum, by differences of J."""

    def field(t, y, u, args):
        return jnp.stack([y[1], -jnp.sin(y[0]) + u * jnp.cos(y[0])])

    def at(c):
        return control_gradient(
            field, lambda t: jnp.polyval(c, t), diffrax.Tsit5(), 0.0, 2.0, None,
            jnp.array([0.5, 0.0]), cost=lambda t, y, u, args: y[0] ** 2 + u**2 * y[1],
            stepsize_controller=PID,
        )  # fmt: skip

    c = jnp.array([0.3, -0.2, 0.4])
    nodes, weights = np.polynomial.legendre.leggauss(20)
    t = 1 + nodes
    slope = jax.jit(lambda c: jax.vmap(at(c))(jnp.asarray(t)))(c)
    moments = np.array([np.sum(weights * slope * t**j) for j in (2, 1, 0)])
    value = jax.jit(lambda c: at(c).value)
    h = 1e-4
    differences = [(value(c + h * e) - value(c - h * e)) / (2 * h) for e in np.eye(3)]
    assert np.max(np.abs(moments - np.array(differences))) < 1e-6


def test_bad_input():
    """Of times that are traced nothing can be said: all is NaN."""

    def end(t1, controller=PID, final_cost=lambda y, args: y):
        return control_gradient(
            lambda t, y, u, args: u, jnp.cos, diffrax.Tsit5(), 0.0, t1, None, jnp.ones(()),
            final_cost=final_cost, stepsize_controller=controller,
        ).value  # fmt: skip

    with pytest.raises(ValueError, match="final_cost"):
        end(1.0, final_cost=None)
    with pytest.raises(ValueError, match="control_gradient: ConstantStepSize"):
        end(1.0, diffrax.ConstantStepSize())
    with pytest.raises(ValueError, match="t0 must be before t1"):
        end(-1.0)
    run = jax.jit(end)
    assert np.isnan(run(-1.0))
    np.testing.assert_allclose(run(1.0), 1 + np.sin(1.0), rtol=1e-8)

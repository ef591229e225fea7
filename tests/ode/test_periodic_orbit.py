"""Periods and multipliers: van der Pol against published digits, a circle in closed form."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._periodic_orbit import periodic_orbit

TIGHT = diffrax.PIDController(rtol=1e-10, atol=1e-10)


def van_der_pol(t, y, mu):
    return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def orbit(mu):
    return periodic_orbit(van_der_pol, jnp.array([2.0, 0.1]), 6.5, mu, stepsize_controller=TIGHT)


def test_van_der_pol():
    """T = 6.663286859.., dT/dμ = 0.7315966.., and Liouville's formula for the product of multipliers."""

    @jax.jit
    def run(mu):
        period, pull, found = jax.vjp(lambda mu: (orbit(mu).period, orbit(mu)), mu, has_aux=True)
        return found, pull(jnp.ones_like(period))[0]

    found, slope = run(1.0)
    assert found.converged
    np.testing.assert_allclose(found.period, 6.663286859, atol=1e-8)
    np.testing.assert_allclose(slope, 0.7315966, atol=1e-7)
    size = np.abs(found.multipliers)
    np.testing.assert_allclose(size.max(), 1, rtol=1e-8)
    np.testing.assert_allclose(size.prod(), jnp.linalg.det(found.monodromy), atol=1e-12)


@pytest.mark.slow
def test_hopf_normal_form():
    """r' = r (ρ - r²), φ' = ω + b r²: r² = ρ, T = 2π/(ω + b ρ), multipliers 1 and exp(-2 ρ T)."""

    def field(t, y, args):
        rho, omega, b = args
        square = (y**2).sum()
        return (rho - square) * y + (omega + b * square) * jnp.stack([-y[1], y[0]])

    def both(args):
        found = periodic_orbit(field, jnp.array([1.1, 0.0]), 3.0, args, stepsize_controller=TIGHT)
        return jnp.stack([found.period, jnp.abs(found.multipliers).min(), (found.y**2).sum()])

    def exact(args):
        rho, omega, b = args
        period = 2 * jnp.pi / (omega + b * rho)
        return jnp.stack([period, jnp.exp(-2 * rho * period), rho])

    args = jnp.array([1.0, 1.5, 0.5])
    got, slopes = jax.jit(lambda args: (both(args), jax.jacfwd(both)(args)))(args)
    np.testing.assert_allclose(got, exact(args), rtol=1e-7)
    np.testing.assert_allclose(slopes, jax.jacfwd(exact)(args), rtol=1e-6, atol=1e-8)


@pytest.mark.slow
def test_second_order():
    """d²T/dμ² against differences of dT/dμ, whose error is rtol over the step."""
    slope = jax.jit(jax.grad(lambda mu: orbit(mu).period))
    got = jax.jit(jax.hessian(lambda mu: orbit(mu).period))(1.0)
    want = (slope(1.001) - slope(0.999)) / 0.002
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.slow
def test_what_is_no_orbit():
    """An equilibrium, which solves the equations with any T, is not one."""
    found = jax.jit(lambda: periodic_orbit(van_der_pol, jnp.array([1e-3, 0.0]), 6.5, 1.0))()
    far = np.abs(found.y).max() > 1
    assert found.converged == far and np.isfinite(found.period) == far


def test_a_field_of_time():
    """y' = -y + a (cos t, sin t) comes back after 2π from a point, where the plane makes T a root, too."""

    def forced(a):
        field = lambda t, y, a: a * jnp.stack([jnp.cos(t), jnp.sin(t)]) - y  # noqa: E731
        found = periodic_orbit(field, jnp.array([0.5, 0.1]), 6.0, a, stepsize_controller=TIGHT)
        return found.period, found

    period, slope, found = jax.jit(lambda a: jax.jvp(forced, (a,), (1.0,), has_aux=True))(1.0)
    assert not found.converged
    assert np.isnan([period, slope, found.residual]).all()


def test_bad_input():
    with pytest.raises(ValueError, match="a number"):
        periodic_orbit(van_der_pol, jnp.ones(2), jnp.ones(2), 1.0)
    with pytest.raises(ValueError, match="shape of y"):
        periodic_orbit(lambda t, y, args: y[:1], jnp.ones(2), 1.0)
    with pytest.raises(TypeError, match="real and imaginary"):
        periodic_orbit(lambda t, y, args: y, jnp.ones(2, complex), 1.0)

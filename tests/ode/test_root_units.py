"""Roots of the room in units of their own: what is small for f or for a state is not 1e-8 or 1e-14."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from mcjax.ode import dae_solve, periodic_orbit, shooting_bvp, steady_state
from mcjax.ode._newton import newton

EPS = float(jnp.finfo(jnp.float64).eps)


def root(f, guess, p=None):
    return jax.jit(
        lambda p: steady_state(lambda t, y, p: f(y, p), jnp.atleast_1d(jnp.array(guess)), p)
    )(p)


def test_watts_and_kelvin():
    """Sunlight, radiation and convection: terms of 341 W/m², of which a rounding is 6e-14."""

    def watts(temperature, sun):
        return sun - 0.9 * 5.670374419e-8 * temperature**4 - 5.0 * (temperature - 290.0)

    found = root(watts, 300.0, 341.0)
    assert found.converged
    want = brentq(lambda x: watts(x, 341.0), 250, 350, xtol=1e-12)
    # κ = 1: a few roundings of the terms, the largest of which is 1450.
    np.testing.assert_allclose(found.y, [want], rtol=100 * EPS)


@pytest.mark.parametrize("p", [1.2345e6, 1e24, 1e-30])
def test_square_root(p):
    """p = y² from y = 1000: 1e-15, too, which is 60 halvings away, and 1/(2 √p) there."""

    def both(p):
        found = steady_state(lambda t, y, p: p - y * y, jnp.array([1000.0]), p)
        return found.y[0], found.converged

    slope, okay = jax.jit(jax.grad(both, has_aux=True))(p)
    value, _ = jax.jit(both)(p)
    assert okay
    np.testing.assert_allclose([value, slope], [p**0.5, 0.5 / p**0.5], rtol=4 * EPS)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e3, 1e9])
def test_kinetics(unit):
    """2A ⇌ B in a stirred tank: a solves a quadratic equation; rates in any unit of time."""
    keys = jax.random.split(jax.random.key(0), 4)
    feed, forth, back, out = (jax.random.uniform(k, (20,), minval=0.3, maxval=3.0) for k in keys)

    def rates(t, y, p):
        (a, b), (feed, forth, back, out) = y, p
        turned = forth * a**2 - back * b
        return unit * jnp.stack([feed - turned - out * a, turned - out * b])

    solve = jax.jit(jax.vmap(lambda p: steady_state(rates, jnp.ones(2), p)))
    found = solve((feed, forth, back, out))
    half, total = (back + out) / (2 * forth), feed / out
    a = (
        (1 + back / out)
        * feed
        / forth
        / (half + jnp.sqrt(half**2 + (1 + back / out) * feed / forth))
    )
    assert found.converged.all()
    # Rounding of terms up to ten times the smaller state, times κ(J) up to a hundred.
    np.testing.assert_allclose(found.y, jnp.stack([a, total - a], 1), rtol=1000 * EPS)


@pytest.mark.parametrize(
    ("f", "guess"),
    [
        (lambda y, p: jnp.exp(y) - 1, 1.0),
        (lambda y, p: 0.3 * (0.7 + y) - 0.7 * (0.3 - y), 0.0),
        (lambda y, p: jnp.sin(y + jnp.pi), 0.0),
        (lambda y, p: 1e9 * (jnp.cos(y) - 1 + y), 0.5),
    ],
)
def test_zero(f, guess):
    """A root at zero has no size, and terms of the size of one that cancel there to rounding."""
    found = root(f, guess)
    assert found.converged and np.abs(found.y[0]) < 4 * EPS


def test_a_zero_beside_others():
    """x² = 2e12 and v = 0, coupled: v is the difference of terms of 2e12 over 1e6, and has their rounding."""

    def f(y, p):
        x, v = y
        rest = x**2 - 2e12
        return jnp.stack([rest + 1e6 * jnp.sin(v), rest - 1e6 * v])

    for guess in ([1e6, 0.3], [1e6, 0.0]):
        found = root(f, guess)
        assert found.converged and np.abs(found.y[1]) < 4 * EPS * 2e6
        np.testing.assert_allclose(found.y[0], 2**0.5 * 1e6, rtol=4 * EPS)


@pytest.mark.parametrize(
    ("f", "guess"),
    [
        (lambda y, p: y**2 + 1, 0.3),
        (lambda y, p: y**2 + 1e-10, 1.0),
        (lambda y, p: y**2 + 1e-30, 1.0),
        (lambda y, p: jnp.exp(-y), 1.0),
        (lambda y, p: y + jnp.sign(y), 1.0),
    ],
)
def test_no_root(f, guess):
    found = root(f, guess)
    assert not found.converged and np.isnan(found.y).all()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_back_and_forth(unit):
    """From 1.39174520027.. and back, where arctan has equal slopes: steps that fall no more, nor J."""
    cycle = brentq(lambda y: 2 * y - (1 + y**2) * np.arctan(y), 1, 2, xtol=1e-15)
    found = root(lambda y, p: jnp.arctan(y / unit), cycle * unit)
    assert not found.converged or np.abs(found.y[0]) < EPS * unit


def test_few_steps():
    """It ends at rounding, and not after it: √2 and exp(y) = 1 from 1 in eight steps."""
    for f in (lambda y: y * y - 2, lambda y: jnp.exp(y) - 1):
        run = jax.jit(lambda steps, f=f: newton(f, jnp.ones(1), jnp.abs, 100 * EPS, steps)[1])
        assert run(8) and not run(3)


def pendulum(unit, controller=None):
    """y'' = -2 y - y³/(2 U²), y(0) = 0, y(1) = U on four nodes."""
    ts = jnp.linspace(0.0, 1.0, 4)
    return shooting_bvp(
        lambda t, y, U: jnp.stack([y[1], -2 * y[0] - 0.5 * y[0] ** 3 / U**2]),
        lambda first, last, U: jnp.stack([first[0], last[0] - U]),
        ts,
        jnp.stack([ts * unit, jnp.ones(4) * unit], 1),
        unit,
        stepsize_controller=controller,
    )


def test_shooting_in_any_unit():
    """y'(0)/U = 1.50081067969 (SciPy's DOP853 and brentq), whatever U: below atol, too."""
    run = jax.jit(jax.vmap(pendulum))
    units = jnp.array([1e-9, 1.0, 1e4, 1e8, 1e12])
    found = run(units)
    assert found.converged.all()
    np.testing.assert_allclose(found.ys[:, 0, 1] / units, 1.50081067969, rtol=1e-8)
    assert (found.residual < EPS**0.5 * (1 + units)).all()
    tight = jax.jit(lambda u: pendulum(u, diffrax.PIDController(rtol=1e-8, atol=1e-12)))(1e4)
    assert tight.converged
    np.testing.assert_allclose(tight.ys[0, 1] / 1e4, 1.50081067969, rtol=1e-8)


def van_der_pol(unit, rtol, atol, start=0.0):
    return periodic_orbit(
        lambda t, y, U: jnp.stack([y[1], (1 - (y[0] / U) ** 2) * y[1] - y[0]]),
        jnp.array([2.0, start]) * unit,
        6.6,
        unit,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
    )


def test_orbits_in_any_unit():
    """T = 6.663286859.. whatever U; one of the size of atol has no right digit, and is none."""
    half = EPS**0.5
    found = jax.jit(jax.vmap(lambda u: van_der_pol(u, half, half)))(jnp.array([1e-9, 1, 1e4, 1e7]))
    np.testing.assert_array_equal(found.converged, [False, True, True, True])
    np.testing.assert_allclose(found.period[1:], 6.663286859, rtol=10 * half)


@pytest.mark.parametrize("rtol, atol", [(1e-6, 1e-9), (1e-8, 1e-12), (1e-8, 0.0), (1e-8, 1e-8)])
def test_an_orbit_where_a_component_is_zero(rtol, atol):
    """From (2, 0) the plane is y₂ = 0, where rtol |y₂| is nothing, and atol not what was asked for."""
    found = jax.jit(lambda: van_der_pol(1.0, rtol, atol))()
    assert found.converged and found.residual < 10
    np.testing.assert_allclose(found.period, 6.663286859, rtol=rtol)


def test_constraints_in_any_unit():
    """y' = -z, z³ + z = y times a unit: 3/2 z² + log z falls by t."""

    def solve(unit):
        return dae_solve(
            lambda t, y, z, unit: -z,
            lambda t, y, z, unit: unit * (z**3 + z - y),
            jnp.array([0.0, 1.0]),
            2.0,
            0.7,
            unit,
        )

    found = jax.jit(jax.vmap(solve))(jnp.array([1e-12, 1.0, 1e12]))
    assert found.successful.all()
    z = found.zs
    np.testing.assert_allclose(1.5 * z**2 + np.log(z), [[1.5, 0.5]] * 3, rtol=1e-7)
    np.testing.assert_allclose(z**3 + z, found.ys, rtol=20 * EPS)

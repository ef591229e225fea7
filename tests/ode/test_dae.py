"""An implicit decay in closed form, branches of a circle, and where the index is not 1."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._dae import dae_solve

TIGHT = diffrax.PIDController(rtol=1e-10, atol=1e-10)


def test_implicit_decay():
    """y' = -a z, z³ + z = y: 3/2 z² + log z falls by a t, so dz/da = -t / (3 z + 1/z)."""
    ts = jnp.linspace(0.0, 2.0, 4)

    def last(a):
        found = dae_solve(
            lambda t, y, z, a: -a * z,
            lambda t, y, z, a: z**3 + z - y,
            ts,
            2.0,
            0.7,
            a,
            stepsize_controller=TIGHT,
        )
        return found.zs[-1], found

    @jax.jit
    def run(a):
        value, pull, found = jax.vjp(last, a, has_aux=True)
        return found, pull(jnp.ones_like(value))[0]

    found, slope = run(1.3)
    z = found.zs
    assert found.successful.all()
    np.testing.assert_allclose(1.5 * z**2 + np.log(z), 1.5 - 1.3 * ts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(z**3 + z, found.ys, rtol=1e-14)
    np.testing.assert_allclose(slope, -2 / (3 * z[-1] + 1 / z[-1]), rtol=1e-9)


def test_branches_of_a_circle():
    """y = sin t, y² + z² = 1: each z stays on its side; no solution is made up behind z = 0."""

    def solve(guess, ts):
        return dae_solve(
            lambda t, y, z, args: jnp.cos(t),
            lambda t, y, z, args: y**2 + z**2 - 1,
            ts,
            jnp.zeros_like(guess),
            guess,
            max_steps=256,
        )

    guesses, ts = jnp.array([0.7, -0.7]), jnp.array([0.0, 1.0, np.pi / 2, 2.0])
    found = jax.jit(jax.vmap(solve, (0, None)))(guesses, ts)
    np.testing.assert_allclose(found.zs[:, 1], np.cos(1.0) * np.array([1, -1]), rtol=1e-7)
    np.testing.assert_array_equal(found.successful, [[True, True, False, False]] * 2)
    assert np.isnan(found.zs[:, 2:]).all()


def test_an_index_above_one_has_no_derivative():
    """y' = -p z, ε z = 1 - y with ε = 1 beside ε = 1e-9, which is below the tolerance: y₁ = 1."""

    def last(p, small):
        found = dae_solve(
            lambda t, y, z, p: -p * z,
            lambda t, y, z, p: small * z + y - 1,
            jnp.array([0.0, 1.0]),
            1.0,
            0.0,
            p,
        )
        return found.ys[-1]

    @jax.jit
    def run(small):
        return jax.vmap(lambda small: jax.jvp(lambda p: last(p, small), (1.0,), (1.0,)))(small)

    for got in run(jnp.array([1.0, 1e-9])):
        np.testing.assert_array_equal(np.isnan(got), [False, True])


def test_bad_input():
    two = jnp.ones(2)
    with pytest.raises(ValueError, match="as many numbers as z"):
        dae_solve(lambda t, y, z, a: y, lambda t, y, z, a: z[:1], two, two, two)
    with pytest.raises(ValueError, match="times"):
        dae_solve(lambda t, y, z, a: y, lambda t, y, z, a: z, jnp.ones(()), two, two)


def test_equations_of_other_sizes():
    """z = (y, 2 y), its equations in units 1e18 apart: the solution and rcond are those in one unit."""

    def solve(units):
        return dae_solve(
            lambda t, y, z, units: -z[0],
            lambda t, y, z, units: units * (jnp.stack([z[0] - y, z[1] - z[0] - y])),
            jnp.array([0.0, 1.0]),
            1.0,
            jnp.ones(2),
            units,
        )

    found = jax.jit(jax.vmap(solve))(jnp.array([[1.0, 1.0], [1e-9, 1e9]]))
    assert found.successful.all()
    np.testing.assert_allclose(found.zs[:, -1] * np.e, [[1.0, 2.0]] * 2, rtol=1e-7)
    np.testing.assert_allclose(found.rcond[1], found.rcond[0], rtol=1e-12)

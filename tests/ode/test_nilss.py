"""Lorenz: d⟨z⟩/dρ is 1.0, where a gradient through the solution is of the size of e^{0.9 T}."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._nilss import nilss

CONTROLLER = diffrax.PIDController(rtol=1e-6, atol=1e-6)


def lorenz(t, y, rho):
    rate = [10 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]
    return jnp.stack(rate)


def test_lorenz():
    """⟨z⟩ = 23.5, d⟨z⟩/dρ = 1.01 ± 0.04 by regression (Wang 2013), and the exponent 0.906."""

    @jax.jit
    def run(y0):
        return nilss(
            lorenz,
            lambda t, y, rho: y[2],
            y0,
            28.0,
            segment=0.5,
            segments=400,
            directions=1,
            stepsize_controller=CONTROLLER,
        )

    found = run(jnp.array([1.0, 2.0, 15.0]))
    assert found.successful
    np.testing.assert_allclose(found.average, 23.5, atol=0.5)
    np.testing.assert_allclose(found.derivative, 1.01, atol=0.05)
    np.testing.assert_allclose(found.exponents, 0.906, atol=0.1)
    assert found.shadow[50:].max() < 10


@pytest.mark.slow
def test_equilibrium_on_a_torus():
    """A stable oscillation with a stable third variable: averages of both are known exactly.

    r' = r (ρ - r²), φ' = 1: ⟨x² + y²⟩ = ρ. No exponent is positive, so any direction will do.
    """

    def field(t, y, rho):
        square = y[0] ** 2 + y[1] ** 2
        x, z = (rho - square) * y[0] - y[1], (rho - square) * y[1] + y[0]
        return jnp.stack([x, z, square - 2 * y[2]])

    @jax.jit
    def run(rho):
        y0 = jnp.stack([jnp.sqrt(rho), jnp.zeros_like(rho), rho / 2])
        objective = lambda t, y, rho: y[0] ** 2 + y[1] ** 2 + y[2] + rho * y[0] ** 2  # noqa: E731
        segment = 2 * np.pi / 20
        options = dict(segment=segment, segments=400, directions=2, stepsize_controller=CONTROLLER)
        return nilss(field, objective, y0, rho, **options)

    found = run(1.5)
    np.testing.assert_allclose(found.average, 1.5 * 1.5 + 1.5**2 / 2, rtol=1e-5)
    np.testing.assert_allclose(found.derivative, 1.5 + 1.5, rtol=0.01)
    np.testing.assert_allclose(np.sort(found.exponents), [-3, -2], rtol=0.01)


def test_bad_input():
    options = dict(segment=0.5, segments=2)
    with pytest.raises(ValueError, match="less than the 3"):
        nilss(lorenz, lambda t, y, p: y[2], jnp.ones(3), 28.0, directions=3, **options)
    with pytest.raises(ValueError, match="p is a number"):
        nilss(lorenz, lambda t, y, p: y[2], jnp.ones(3), jnp.ones(2), directions=1, **options)
    options |= dict(directions=1)
    for wrong in (dict(segment=-0.5), dict(segment=0.0), dict(segments=0)):
        with pytest.raises(ValueError, match="must be a positive time"):
            nilss(lorenz, lambda t, y, p: y[2], jnp.ones(3), 28.0, **(options | wrong))
    for value in (jnp.ones(1), jnp.array(1), 1, (1.0, 2.0)):
        with pytest.raises(ValueError, match="must return a real number"):
            nilss(lorenz, lambda t, y, p, value=value: value, jnp.ones(3), 28.0, **options)
    with pytest.raises(ValueError, match="f must return what has the shape of y"):
        nilss(lambda t, y, p: y[:2], lambda t, y, p: y[2], jnp.ones(3), 28.0, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_equilibrium(dtype):
    """The focus (p, 0), where f is rounding, or zero, and has no direction: d(p + p²)/dp = 2 at 1/2."""

    def field(t, y, p):
        x, v = y[0] - p, y[1]
        return jnp.stack([-x + 2 * v, -2 * x - v])

    def run(y0):
        options = dict(segment=0.5, segments=200, directions=1)
        return nilss(field, lambda t, y, p: y[0] + p**2, y0, 0.5, **options)

    found = jax.jit(jax.vmap(run))(jnp.array([[0.5, 0.0], [0.5 + 1e-9, 1e-10]], dtype))
    assert found.successful.all() and found.derivative.dtype == dtype
    # The tangent starts from 0, at a distance of 1 that falls like exp(-t): 1/T for T = 100.
    np.testing.assert_allclose(found.derivative, [2.0, 2.0], atol=0.02)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-10])
def test_on_the_way_to_an_equilibrium(tolerance):
    """To (p, 2p) like e^{-t}: there f is no direction to move on along, and ⟨v, f⟩/|f|² grows like e^t."""
    A = jnp.array([[-1.0, 2.0], [0.0, -3.0]])

    @jax.jit
    def run(y0):
        controller = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        return nilss(
            lambda t, y, p: A @ (y - p * jnp.array([1.0, 2.0])),
            lambda t, y, p: y.sum() ** 2,
            y0,
            0.7,
            segment=1.0,
            segments=80,
            directions=1,
            stepsize_controller=controller,
        )

    found = run(jnp.array([0.703, 1.403]))
    assert found.successful
    # d(3p)²/dp = 18 p; over T = 80 the start, where tangents are 0, weighs 1/T.
    np.testing.assert_allclose(found.derivative, 12.6, rtol=1 / 80)

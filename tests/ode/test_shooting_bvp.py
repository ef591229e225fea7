"""A boundary layer that one shot misses, and an eigenvalue."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._shooting_bvp import shooting_bvp

TIGHT = diffrax.PIDController(rtol=1e-10, atol=1e-10)


def layer(t, y, k):
    return jnp.stack([y[1], k**2 * y[0]])


def ends(first, last, k):
    return jnp.stack([first[0] - 1, last[0]])


def test_boundary_layer():
    """y'' = k² y, y(0) = 1, y(t) = 0: y = sinh(k (t - s))/sinh(k t), at k = 40 with eight shots."""
    fractions = jnp.linspace(0.0, 1.0, 9)

    def middle(k, t):
        found = shooting_bvp(
            layer, ends, fractions * t, jnp.zeros((9, 2)), k, stepsize_controller=TIGHT
        )
        return found.ys[1, 0], found

    def exact(k, t):
        return jnp.sinh(k * t * (1 - fractions)) / jnp.sinh(k * t)

    @jax.jit
    def run(k, t):
        value, pull, found = jax.vjp(middle, k, t, has_aux=True)
        return found, pull(jnp.ones_like(value))

    found, slopes = run(40.0, 1.0)
    assert found.converged and found.residual < 1e-7
    np.testing.assert_allclose(found.ys[:, 0], exact(40.0, 1.0), atol=1e-8)
    want = jax.grad(lambda k, t: exact(k, t)[1], (0, 1))(40.0, 1.0)
    np.testing.assert_allclose(slopes, want, rtol=1e-7)


@pytest.mark.slow
def test_eigenvalue():
    """y'' = -λ y, y(0) = y(t) = 0, y'(0) = 1, with λ a state: λ = (π/t)², dλ/dt = -2 π²/t³."""

    def field(t, y, args):
        return {"y": jnp.stack([y["y"][1], -y["λ"] * y["y"][0]]), "λ": jnp.zeros_like(y["λ"])}

    def conditions(first, last, args):
        return first["y"][0], first["y"][1] - 1, last["y"][0]

    def eigenvalue(t):
        ts = jnp.stack([jnp.zeros_like(t), t / 2, t])
        guess = {"y": jnp.array([[0.0, 1.0], [0.6, 0.0], [0.0, -1.0]]), "λ": jnp.full(3, 2.0)}
        return shooting_bvp(field, conditions, ts, guess, stepsize_controller=TIGHT).ys["λ"][0]

    value, slope = jax.jit(lambda t: jax.jvp(eigenvalue, (t,), (jnp.ones_like(t),)))(2.0)
    np.testing.assert_allclose(value, np.pi**2 / 4, rtol=1e-8)
    np.testing.assert_allclose(slope, -(np.pi**2) / 4, rtol=1e-8)


def test_no_solution():
    """y'' = 0 with both slopes given and different."""

    def slopes(first, last, args):
        return jnp.stack([first[1], last[1] - 1])

    straight = lambda t, y, args: jnp.stack([y[1], jnp.zeros_like(y[1])])  # noqa: E731
    two = jnp.array([0.0, 1.0])
    found = jax.jit(lambda: shooting_bvp(straight, slopes, two, jnp.zeros((2, 2))))()
    assert not found.converged and np.isnan(found.ys).all()


def test_errors_of_the_flow_make_no_solution():
    """y'' = -π² y is zero at 1 with y(0): that y(1) = 1 asks for is an error of the flow, times 1e12."""
    wave = lambda t, y, k: jnp.stack([y[1], -(k**2) * y[0]])  # noqa: E731
    given = lambda first, last, k: jnp.stack([first[0], last[0] - 1])  # noqa: E731
    two = jnp.array([0.0, 1.0])

    @jax.jit
    def run(k):
        return shooting_bvp(wave, given, two, jnp.ones((2, 2)), k, stepsize_controller=TIGHT)

    found, regular = run(np.pi), run(3.0)
    assert not found.converged and np.isnan(found.ys).all() and np.isnan(found.residual)
    assert regular.converged
    np.testing.assert_allclose(regular.ys[0, 1], 3 / np.sin(3.0), rtol=1e-8)


def test_bad_input():
    with pytest.raises(ValueError, match="two or more nodes"):
        shooting_bvp(layer, ends, jnp.zeros(1), jnp.zeros((1, 2)), 1.0)
    with pytest.raises(ValueError, match="a state for each"):
        shooting_bvp(layer, ends, jnp.linspace(0.0, 1.0, 3), jnp.zeros((2, 2)), 1.0)
    with pytest.raises(ValueError, match="boundary must return 2"):
        two = jnp.array([0.0, 1.0])
        shooting_bvp(layer, lambda a, b, k: a[:1], two, jnp.zeros((2, 2)), 1.0)

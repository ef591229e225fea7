"""Stencils, noise, the V-curve and the Taylor test."""

from fractions import Fraction as F

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.verify.differences import noise, stencil, step_sweep, taylor_test

STENCILS = [
    ([0, 1, 2, 3], 1, (F(-11, 6), F(3), F(-3, 2), F(1, 3)), 3, F(1, 4)),
    ([-1, 1], 1, (F(-1, 2), F(1, 2)), 2, F(1, 6)),
    ([-1, 0, 1], 2, (F(1), F(-2), F(1)), 2, F(1, 12)),
    ([-2, -1, 0, 1, 2], 1, (F(1, 12), F(-2, 3), F(0), F(2, 3), F(-1, 12)), 4, F(-1, 30)),
    ([-2, -1, 0, 1, 2], 4, (F(1), F(-4), F(6), F(-4), F(1)), 2, F(1, 6)),
]


@pytest.mark.parametrize("points, order, weights, accuracy, constant", STENCILS)
def test_textbook_stencils(points, order, weights, accuracy, constant):
    found = stencil(points, 0, order)
    assert (found.weights, found.accuracy, found.constant) == (weights, accuracy, constant)


def test_stencils_are_exact_for_polynomials():
    points = ["1/3", 1, 2.5, F(-7, 5), 4]
    for order in range(5):
        found = stencil(points, "1/2", order)
        for power in range(5):
            value = sum(w * p**power for w, p in zip(found.weights, found.points, strict=True))
            falling = np.prod([power - k for k in range(order)], dtype=int)
            assert value == (int(falling) * F(1, 2) ** (power - order) if power >= order else 0)


def test_bad_stencils():
    with pytest.raises(ValueError, match="give each once"):
        stencil([0, 1, 1])
    with pytest.raises(ValueError, match="at least 3"):
        stencil([0, 1], order=2)
    with pytest.raises(ValueError, match="order"):
        stencil([0, 1], order=-1)


@pytest.mark.parametrize("level", [1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("f", [np.sin, lambda x: 3 * x, np.exp])
def test_noise_level(f, level):
    random = np.random.default_rng(0)
    found = noise(lambda x: [f(x) + level * random.standard_normal(), f(x)], 1.0)
    assert level / 4 < found[0] < 4 * level and found[1] < 1e-15


def test_noise_of_single_precision_inside():
    eps = np.finfo(np.float32).eps
    found = noise(lambda x: np.float64(np.sin(np.float32(x))), 1.0)
    assert eps / 50 < found < eps


def test_noise_in_traces_and_along_directions():
    found = jax.jit(lambda x: noise(jnp.sin, x))(jnp.ones(3))
    assert found.shape == (3,) and np.all(found < 1e-15)
    assert noise(lambda x: x, np.zeros(2), np.ones(2)).max() < 1e-15


def test_the_curve_of_a_right_derivative():
    sweep = step_sweep(np.exp, 1.0, 1.0)
    above, below = sweep.slopes
    assert above == pytest.approx(2, abs=0.1) and below == pytest.approx(-1, abs=0.2)
    assert 1e-7 < sweep.best < 1e-4
    assert "best step" in str(sweep) and sweep._repr_html_().startswith("<svg")


def test_the_curve_of_a_wrong_derivative():
    above, below = step_sweep(np.exp, 1.0, 1.0, 1.001 * np.e).slopes
    assert not above > 1.5 and not below < -0.5


def test_taylor():
    x = {"a": jnp.arange(1.0, 4.0), "b": jnp.asarray(0.5)}
    found = taylor_test(lambda x: jnp.sin(x["a"]).sum() * jnp.exp(x["b"]), x)
    assert found.ok and found.slopes == (pytest.approx(2, abs=0.1), pytest.approx(3, abs=0.1))
    assert "right" in str(found)


def test_taylor_of_polynomials():
    assert taylor_test(lambda x: 3 * x, 1.0).slopes == (np.inf, np.inf)
    first, second = taylor_test(lambda x: x**2, 1.0).slopes
    assert first == pytest.approx(2, abs=0.01) and second == np.inf


def test_taylor_sees_wrong_derivatives():
    wrong = taylor_test(jnp.sin, 1.0, derivative=lambda x, v: 1.001 * jnp.cos(x) * v)
    assert not wrong.ok and wrong.slopes[0] == pytest.approx(1, abs=0.1) and "WRONG" in str(wrong)
    wrong = taylor_test(jnp.sin, 1.0, hessian=lambda x, v: -1.001 * jnp.sin(x) * v * v)
    assert not wrong.ok and wrong.slopes[1] == pytest.approx(2, abs=0.1)


def test_taylor_in_single_precision():
    assert taylor_test(jnp.sin, np.float32(1.0)).ok

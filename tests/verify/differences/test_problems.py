"""Fifteen hard numbers, with the truth to 50 digits: small errors, and bars that cover them all."""

import mpmath as mp
import numpy as np
import pytest

from mcjax.verify import differences

# f for NumPy, f for mpmath, x
PROBLEMS = {
    "sin(1e3 x)": (lambda x: np.sin(1e3 * x), lambda x: mp.sin(1000 * x), 1.0),
    "log at 1e-6": (np.log, mp.log, 1e-6),
    "sqrt at 1e-8": (np.sqrt, mp.sqrt, 1e-8),
    "x^x": (lambda x: x**x, lambda x: x**x, 1.5),
    "1/x at 1e-8": (lambda x: 1 / x, lambda x: 1 / x, 1e-8),
    "exp(50 x)": (lambda x: np.exp(50 * x), lambda x: mp.exp(50 * x), 1.0),
    "exp at 1e-17": (np.exp, mp.exp, 1e-17),
    "sin at 1e6": (np.sin, mp.sin, 1e6),
    "tan near its pole": (np.tan, mp.tan, 1.57),
    "Runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: 1 / (1 + 25 * x**2), 0.3),
    "tanh, saturated": (np.tanh, mp.tanh, 5.0),
    "Gauss, far out": (lambda x: np.exp(-x * x), lambda x: mp.exp(-x * x), 6.0),
    "sin(x)/x near 0": (lambda x: np.sin(x) / x, lambda x: mp.sin(x) / x, 1e-3),
    "arctan at 1e5": (np.arctan, mp.atan, 1e5),
    "whole periods": (
        lambda x: np.sin(2048 * np.pi * x) + x,
        lambda x: mp.sin(mp.mpf(2048 * np.pi) * x) + x,
        1.0,
    ),
}


def exact(f, x, order=1):
    """By mpmath's differences at 150 digits, so that 50 of them are right."""
    with mp.workdps(150):
        return mp.diff(f, mp.mpf(x), order, h=abs(mp.mpf(x)) * mp.mpf(10) ** -60)


@pytest.fixture(scope="module")
def solved():
    found = {}
    for name, (f, true, x) in PROBLEMS.items():
        estimate, right = differences.derivative(f, x), exact(true, x)
        found[name] = abs(mp.mpf(float(estimate.value)) - right), estimate.error, abs(right)
    return found


def test_bars_cover_all_fifteen(solved):
    assert len(solved) == 15
    assert not [name for name, (error, bar, _) in solved.items() if error > bar]


def test_errors(solved):
    relative = np.array([float(error / size) for error, _, size in solved.values()])
    assert np.sum(relative < 1e-6) >= 14 and np.sum(relative < 1e-9) >= 13


def test_bars_are_sharp(solved):
    assert np.median([float(bar / size) for _, bar, size in solved.values()]) < 1e-10


@pytest.mark.parametrize("name", PROBLEMS)
def test_second_derivatives(name):
    f, true, x = PROBLEMS[name]
    found, right = differences.derivative(f, x, order=2), exact(true, x, 2)
    assert abs(mp.mpf(float(found.value)) - right) <= found.error


@pytest.mark.parametrize("x", [1e-3, 1e-4, 1e-5, 1e-6])
def test_cancellation(x):
    """(1 - cos x)/x² has stairs 1e-16/x² high, between which it has another derivative."""
    found = differences.derivative(lambda x: (1 - np.cos(x)) / x**2, x)
    assert abs(found.value - float(exact(lambda x: (1 - mp.cos(x)) / x**2, x))) <= found.error


@pytest.mark.parametrize("x", [0.1, 0.3, 1.0, 1.2, 7.7, 1e3])
@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda x: np.float64(np.float32(x)), lambda x: 1.0),
        (lambda x: np.float64(np.sin(np.float32(x))), np.cos),
        (lambda x: np.sin(x) + np.float64(np.log(np.float32(x))), lambda x: np.cos(x) + 1 / x),
    ],
)
def test_single_precision_inside(f, slope, x):
    found = differences.derivative(f, x)
    assert abs(found.value - slope(x)) <= found.error


def test_a_kink_near_by_is_no_staircase():
    """Flat, and then a slope: not a staircase, so the flat part is known to all digits."""
    found = differences.jvp(lambda x: np.maximum(x, 0), np.array([1.0, -0.01]), np.ones(2))
    assert np.allclose(found.value, [1, 0], rtol=0, atol=1e-12) and np.all(found.error < 1e-10)


def test_known_noise_widens_the_bar():
    grid = 1e-7  # a solver that returns multiples of this, were it asked
    found = differences.derivative(lambda x: np.round(np.sin(x) / grid) * grid, 1.0, noise=grid)
    assert abs(found.value - np.cos(1)) <= found.error and 1e-8 < found.error < 1e-4
    tree = differences.derivative(lambda x: [x, x**2], 1.0, noise=[0.0, 1e-6])
    assert tree.error[0] < 1e-12 < 1e-7 < tree.error[1]

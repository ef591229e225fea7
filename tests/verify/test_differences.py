"""The error bar of a difference covers the truth, and is small where a difference can be right."""

import numpy as np
import pytest

from mcjax.verify import difference, step_sweep

EPS = np.finfo(float).eps
ONE = [np.array(1.0)]


def estimate(f, x, v=1.0):
    found = difference(lambda x: [f(x[0])], [np.asarray(x)], [np.asarray(v)])
    return float(found.value[0]), float(found.error[0])


SMOOTH = {
    "square at its minimum": (np.square, 0.0, 0.0),
    "cubic at its inflection": (lambda x: x**3, 0.0, 0.0),
    "constant": (lambda x: 0 * x + 3.0, 2.0, 0.0),
    "linear": (lambda x: 7 * x, 2.0, 7.0),
    "exp": (np.exp, 1.0, np.e),
    "sine, fast": (lambda x: np.sin(1e4 * x), 1.0, 1e4 * np.cos(1e4)),
    "logarithm, near its end": (np.log, 1e-9, 1e9),
    "root, near its end": (np.sqrt, 1e-12, 0.5e6),
    "large numbers": (lambda x: np.sqrt(x), 1e200, 0.5e-100),
    "small numbers": (np.sin, 1e-200, 1.0),
    "pole near by": (lambda x: 1 / (x - 1.001), 1.0, -1e6),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth(name):
    f, x, truth = SMOOTH[name]
    value, bar = estimate(f, x)
    assert abs(value - truth) <= bar + 4 * EPS * abs(truth)
    assert bar <= 1e-8 * max(abs(truth), 1e-3)


@pytest.mark.parametrize("noise", [1e-14, 1e-10, 1e-6, 1e-2])
@pytest.mark.parametrize("f, slope", [(np.sin, np.cos(1.0)), (lambda x: 3 * x, 3.0)])
def test_noise_is_measured(noise, f, slope):
    """A solver that stops early: the bar is wide, and it still is a bar."""
    random = np.random.default_rng(0)
    value, bar = estimate(lambda x: f(x) + noise * random.standard_normal(), 1.0)
    assert abs(value - slope) <= bar <= 1e3 * noise**0.6 + 1e-9


def test_kinks_have_no_derivative():
    assert estimate(np.abs, 0.0)[1] == np.inf
    assert estimate(lambda x: np.maximum(x, 0), 0.0)[1] == np.inf
    assert estimate(lambda x: np.sqrt(np.abs(x)), 0.0)[1] == np.inf


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-9])
def test_narrow_features_are_seen(width):
    """Far from the spike every step agrees on a slope of nearly 0."""
    value, bar = estimate(lambda x: 1 / (1 + ((x - 1 - width) / width) ** 2), 1.0)
    assert abs(value - 0.5 / width) <= bar


def test_what_is_not_finite_has_an_infinite_bar():
    with np.errstate(all="ignore"):
        assert estimate(np.log, -1.0)[1] == np.inf
        assert not np.isfinite(estimate(np.log, 0.0)[1])


def test_entries_have_their_own_bars():
    def f(x):
        return [np.stack([x[0], abs(x[0] - 1), 1e8 * np.sin(x[0])])]

    found = difference(f, ONE, ONE)
    right = np.array([1.0, np.nan, 1e8 * np.cos(1.0)])
    assert np.isinf(found.error[0][1])
    assert np.all(np.abs(found.value[0] - right)[[0, 2]] <= found.error[0][[0, 2]])
    assert found.error[0][0] < 1e-12


def test_complex_directions():
    """Along a complex direction of a holomorphic function: f'(z) v."""
    z, v = np.array(0.3 + 0.4j), np.array(1.0 - 2.0j)
    found = difference(lambda x: [np.exp(x[0])], [z], [v])
    assert abs(found.value[0] - np.exp(z) * v) <= found.error[0] + 4 * EPS


def test_pytrees():
    found = difference(
        lambda x: {"out": x["a"] * x["b"]},
        {"a": ONE[0], "b": ONE[0]},
        {"a": ONE[0], "b": 2 * ONE[0]},
    )
    assert abs(found.value["out"] - 3.0) <= found.error["out"] + 4 * EPS


@pytest.mark.parametrize("factor, lowest", [(1.0, 1e-9), (1.001, 9e-4)])
def test_the_curve_is_a_v_or_has_a_plateau(factor, lowest):
    sweep = step_sweep(lambda x: [np.exp(x[0])], ONE, ONE, [factor * np.e * np.ones(())])
    coarse = sweep.errors[np.argmin(abs(sweep.steps - 1e-1))]
    if factor == 1.0:
        assert sweep.errors.min() < lowest and coarse == pytest.approx(1e-2 / 6, rel=0.02)
    else:
        middle = sweep.errors[(sweep.steps > 1e-8) & (sweep.steps < 1e-4)]
        assert middle == pytest.approx(1e-3, rel=0.1) and middle.min() > lowest

"""f[x₀..x_k] against 200 digits, at gaps from 1 to 1e-16 and at every scale."""

from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from mcjax.linalg._divided_differences import DividedDifferences

mp = mpmath.MPContext()
mp.dps = 200
UNITS = 32
ORDER = 3

FUNCTIONS = {
    "exp": (jnp.exp, mp.exp),
    "log": (jnp.log, mp.log),
    "sqrt": (jnp.sqrt, mp.sqrt),
    "tanh": (jnp.tanh, mp.tanh),
    "inverse": (lambda x: 1 / x, lambda x: 1 / x),
    "power": (lambda x: x**0.3, lambda x: x ** mp.mpf(0.3)),
}
GAPS = (1.0, 0.3, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16)


def true_difference(f, nodes):
    """The recursion, in 200 digits; f^(k)/k! where all nodes are one."""
    first, last = nodes[0], nodes[-1]
    if first == last:
        k = len(nodes) - 1
        return mp.taylor(f, mp.mpf(first), k)[k]
    step = mp.mpf(last) - mp.mpf(first)
    return (true_difference(f, nodes[1:]) - true_difference(f, nodes[:-1])) / step


def assert_right(f, true_f, nodes, units=UNITS):
    """All differences to third order; ∂/∂x_i f[x₀..x_k] = f[x₀..x_k, x_i] tells their condition."""
    nodes = np.sort(np.array(nodes, float))
    order = min(ORDER, len(nodes) - 1)
    for k in range(1, order + 1):
        choices = np.array(list(combinations_with_replacement(range(len(nodes)), k + 1)))
        got = np.asarray(_compiled(f, order)(nodes, *choices.T))
        for choice, value in zip(choices, got, strict=True):
            x = [float(nodes[i]) for i in choice]
            truth = true_difference(true_f, x)
            spread = sum(abs(y * true_difference(true_f, sorted([*x, y]))) for y in x)
            error = abs(mp.mpf(float(value)) - truth) / (abs(truth) + spread)
            assert error < units * np.finfo(float).eps, (x, value, float(truth), float(error))


_cache = {}


def _compiled(f, order):
    if (f, order) not in _cache:
        _cache[f, order] = jax.jit(lambda x, *i: DividedDifferences(f, x, order)(*i))
    return _cache[f, order]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("gap", GAPS)
def test_gaps(name, gap):
    assert_right(*FUNCTIONS[name], [1.0, 1.0 + gap, 1.0 + 2 * gap, 2.5])


@pytest.mark.parametrize("name", ["exp", "tanh"])
@pytest.mark.parametrize("gap", [0.0, 1e-17, 1e-9, 1e-3, 1.0])
def test_around_zero(name, gap):
    """A graph Laplacian has an eigenvalue 0, or 0 ± rounding."""
    assert_right(*FUNCTIONS[name], [-gap, 0.0, gap, 2.0])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("scale", [1e-60, 1e-8, 1e8, 1e60])
def test_scales(name, scale):
    """What is far, and what is near, is for f to say: no number of ours enters."""
    if name in ("exp", "tanh") and scale > 1:
        pytest.skip("exp overflows, tanh is constant")
    assert_right(*FUNCTIONS[name], [scale, scale * (1 + 1e-9), 1.5 * scale, 4 * scale])


@pytest.mark.parametrize("name", ["log", "sqrt", "power", "inverse"])
def test_wide_spectrum(name):
    assert_right(*FUNCTIONS[name], [1e-12, 1.0000001e-12, 1.0, 1e12])


def test_any_order_of_the_indices():
    x = jnp.array([1.0, 1.5, 2.0])
    table = DividedDifferences(jnp.exp, x, 2)
    i, j, k = (jnp.array([a]) for a in (0, 1, 2))
    np.testing.assert_array_equal(table(i, j, k), table(k, i, j))


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", range(20))
def test_random_nodes(name, seed):
    rng = np.random.default_rng(seed)
    gap = 10.0 ** rng.uniform(-16, 0, 3)
    base = rng.uniform(0.1, 3)
    assert_right(*FUNCTIONS[name], [base, *(base * (1 + np.cumsum(gap)))])

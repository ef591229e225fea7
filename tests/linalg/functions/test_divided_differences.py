"""f[x₀..x_k] against 120 digits, at gaps from 1 to 1e-16 and at every scale.

What rounding allows. Let f vary at the scale d, the distance to its nearest singularity. Nodes are
right to eps, and JAX computes f^(k) to eps of what f' suggests, |f'| / d^{k-1} (it has tanh'' at 0 to
eps, not to zero). Nodes that are near at this scale give the difference the accuracy of f^(k); nodes
that are far need the recursion, which divides what rounding makes of two differences by their gap:

    bound(x₀..x_k) = eps (|f[x₀..x_k]| + Σ_i |x_i f[x₀..x_k, x_i]| + |f'| / d^{k-1})      near,
                     the same + (bound(x₀..x_{k-1}) + bound(x₁..x_k)) / (x_k - x₀)        far.
"""

from functools import cache
from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from mcjax.linalg.functions._divided_differences import DividedDifferences

mp = mpmath.MPContext()
mp.dps = 120
UNITS = 32
ORDER = 3
EPS = np.finfo(float).eps
NEAR = 0.1  # of d: there 12 Chebyshev points resolve f' to 40⁻¹²

FUNCTIONS = {  # with the distance from x to the nearest singularity, or what is like it
    "exp": (jnp.exp, mp.exp, lambda x: 1.0),
    "log": (jnp.log, mp.log, abs),
    "sqrt": (jnp.sqrt, mp.sqrt, abs),
    "tanh": (jnp.tanh, mp.tanh, lambda x: np.hypot(x, np.pi / 2)),
    "inverse": (lambda x: 1 / x, lambda x: 1 / x, abs),
    "power": (lambda x: x**0.3, lambda x: x ** mp.mpf(0.3), abs),
}
GAPS = (1.0, 0.3, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16)


@cache
def true_difference(f, scale, nodes):
    """The recursion, in 120 digits; f^(k)/k! where all nodes are one."""
    first, last, k = mp.mpf(nodes[0]), mp.mpf(nodes[-1]), len(nodes) - 1
    if first == last:
        unit = mp.mpf(scale(nodes[0])) / 8
        return mp.taylor(lambda t: f(first + unit * t), 0, k)[k] / unit**k
    right, left = (true_difference(f, scale, part) for part in (nodes[1:], nodes[:-1]))
    return (right - left) / (last - first)


@cache
def bound(f, scale, nodes):
    """What rounding allows: see the head of this file."""
    d, k = min(map(scale, nodes)), len(nodes) - 1
    moved = sum(abs(x * true_difference(f, scale, tuple(sorted([*nodes, x])))) for x in nodes)
    slope = abs(true_difference(f, scale, nodes[:1] * 2)) * mp.mpf(d) ** (1 - k) if k else 0
    own = EPS * (abs(true_difference(f, scale, nodes)) + moved + slope)
    gap = mp.mpf(nodes[-1]) - mp.mpf(nodes[0])
    if gap <= NEAR * d:
        return own
    return own + (bound(f, scale, nodes[1:]) + bound(f, scale, nodes[:-1])) / gap


def assert_right(f, true_f, scale, nodes):
    """All differences to third order."""
    nodes = np.sort(np.array(nodes, float))
    for k in range(1, ORDER + 1):
        choices = np.array(list(combinations_with_replacement(range(len(nodes)), k + 1)))
        got = np.asarray(_compiled(f)(nodes, *choices.T))
        for choice, value in zip(choices, got, strict=True):
            x = tuple(float(nodes[i]) for i in choice)
            truth, allowed = true_difference(true_f, scale, x), UNITS * bound(true_f, scale, x)
            error = abs(mp.mpf(float(value)) - truth)
            times = float(error / allowed)
            assert times <= 1, f"f{list(x)}: {value}, not {float(truth)}: {times:.1f} x allowed"


@cache
def _compiled(f):
    return jax.jit(lambda x, *i: DividedDifferences(f, x, ORDER)(*i))


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
    if name in ("exp", "tanh") and scale != 1e-8:
        pytest.skip("they have a scale of their own: exp overflows, tanh is constant")
    assert_right(*FUNCTIONS[name], [scale, scale * (1 + 1e-9), 1.5 * scale, 4 * scale])


@pytest.mark.parametrize("name", ["log", "sqrt", "power", "inverse"])
def test_wide_spectrum(name):
    """The singularity at 0 hides between the smallest node and the first Chebyshev point."""
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
    base = rng.uniform(0.1, 1.2)  # beyond it JAX's tanh' = 1 - tanh² itself loses digits
    assert_right(*FUNCTIONS[name], [base, *(base * (1 + np.cumsum(gap)))])


def test_a_kink_is_seen():
    """|x| has no second derivative at 0, and differences across it do not need one."""
    x = jnp.array([-1e-3, 2e-3, 3e-3, 1.0])
    table = DividedDifferences(jnp.abs, x, 2)
    first = table(jnp.array([0]), jnp.array([1]))
    second = table(jnp.array([0]), jnp.array([1]), jnp.array([2]))
    np.testing.assert_allclose(first, 1 / 3, rtol=1e-13)
    np.testing.assert_allclose(second, (1 - 1 / 3) / 4e-3, rtol=1e-13)


def test_a_jump_is_seen():
    """All derivatives of sign are 0 wherever they are looked at."""
    x = jnp.array([-1e-3, 2e-3, 3e-3, 1.0])
    table = DividedDifferences(jnp.sign, x, 2)
    first = table(jnp.array([0, 1]), jnp.array([1, 2]))
    second = table(jnp.array([0]), jnp.array([1]), jnp.array([2]))
    np.testing.assert_allclose(first, [2 / 3e-3, 0.0], rtol=1e-13)
    np.testing.assert_allclose(second, -2 / 3e-3 / 4e-3, rtol=1e-13)

"""Derivatives on the host and in traces, in every precision, at edges, and what they say of themselves."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.verify import differences
from mcjax.verify.differences import Status

E = math.e


def f(x):
    return jnp.sin(x) * jnp.exp(x)


SLOPE = E * (math.sin(1) + math.cos(1))
CURVATURE = 2 * E * math.cos(1)


@pytest.mark.parametrize("method", differences.METHODS)
@pytest.mark.parametrize("wrap", [lambda g: g, jax.jit], ids=["host", "jit"])
def test_every_method(method, wrap):
    found = wrap(lambda x: differences.derivative(f, x, method=method))(1.0)
    assert abs(found.value - SLOPE) <= found.error < 1e-9 and found.status == Status.OK


def test_jit_gives_the_digits_of_the_host():
    for order, truth in ((1, SLOPE), (2, CURVATURE)):
        host = differences.derivative(f, 1.0, order=order)
        traced = jax.jit(lambda x, order=order: differences.derivative(f, x, order=order))(1.0)
        assert abs(host.value - traced.value) <= min(host.error, traced.error)
        assert abs(host.value - truth) <= host.error < 1e-9


def test_vmap():
    x = jnp.linspace(0.1, 3, 5)
    found = jax.jit(jax.vmap(lambda x: differences.derivative(f, x)))(x)
    assert np.all(np.abs(found.value - f(x) - jnp.cos(x) * jnp.exp(x)) <= found.error)
    assert np.all(found.error < 1e-9 * np.abs(found.value).max())


def test_a_trace_that_only_f_sees():
    found = jax.jit(lambda a: differences.derivative(lambda x: jnp.sin(a * x), 1.0).value)(2.0)
    assert abs(found - 2 * math.cos(2)) < 1e-11


def test_f_is_traced_once_for_all_steps():
    traces = []

    def counted(x):
        traces.append(x)
        return jnp.sin(x)

    jax.jit(lambda x: differences.derivative(counted, x).value)(1.0)
    assert len(traces) <= 5  # f(x), a search for the scale, and one map for each side


@pytest.mark.parametrize("x", [1.0, 1e-3, 1e-17, 0.0])
def test_about_ninety_evaluations(x):
    calls = []
    differences.derivative(lambda x: calls.append(x) or np.exp(x), x)
    assert len(calls) <= 91


@pytest.mark.parametrize("wrap", [lambda g: g, jax.jit], ids=["host", "jit"])
@pytest.mark.parametrize("dtype, bar", [("float32", 1e-3), ("float16", 0.5), ("bfloat16", 4.0)])
def test_low_precision_has_wide_bars(dtype, bar, wrap):
    found = wrap(lambda x: differences.derivative(f, x))(jnp.asarray(1.0, dtype))
    assert abs(found.value - SLOPE) <= found.error < bar


def test_without_64_bits():
    with jax.enable_x64(False):
        found = jax.jit(lambda x: differences.derivative(f, x))(1.0)
        assert found.value.dtype == jnp.float32 and abs(found.value - SLOPE) <= found.error < 1e-3
        found = differences.derivative(f, 1.0)  # double on the host, single inside f
        assert abs(found.value - SLOPE) <= found.error < 1e-2


def test_any_function_of_python():
    assert abs(differences.derivative(math.sin, 1).value - math.cos(1)) < 1e-13
    found = differences.derivative(math.log, 1e-3)  # raises to the left of 0
    assert abs(found.value - 1e3) <= found.error < 1e-6


def test_holomorphic_functions():
    z = 0.3 + 0.4j
    for order in (1, 2):
        found = differences.derivative(np.exp, z, order=order)
        assert abs(found.value - np.exp(z)) <= found.error < 1e-8


# f, x, domain, first derivative
EDGES = {
    "at the edge": (np.exp, 0.0, (0, np.inf), 1.0),
    "at the upper edge": (np.exp, 0.0, (-1, 0), 1.0),
    "a predicate": (np.exp, 0.0, lambda x: x >= 0, 1.0),
    "beside the edge": (np.exp, 1 + 1e-10, (1, 2), math.exp(1 + 1e-10)),
    "NaN on one side": (lambda x: np.sqrt(x) ** 5 + x, 0.0, None, 1.0),
    "a kink at the edge": (np.abs, 0.0, (0, 1), 1.0),
}


@pytest.mark.parametrize("name", EDGES)
def test_one_sided(name):
    f, x, domain, truth = EDGES[name]
    found = differences.derivative(f, x, domain=domain)
    assert abs(found.value - truth) <= found.error < 1e-8 and found.status == Status.OK


def test_one_sided_second_derivatives_and_traces():
    def second(x):
        return differences.derivative(jnp.exp, x, order=2, domain=(0, jnp.inf))

    for found in (second(0.0), jax.jit(second)(0.0)):
        assert abs(found.value - 1) <= found.error < 1e-7


def test_nothing_is_evaluated_outside():
    def inside_only(x):
        assert 0 <= x <= 1
        return np.exp(x)

    assert abs(differences.derivative(inside_only, 0.0, domain=(0, 1)).value - 1) < 1e-10


@pytest.mark.parametrize(
    "f",
    [np.sqrt, lambda x: x**1.5, lambda x: x * np.log(x) if x else x, lambda x: np.cbrt(x)],
    ids=["sqrt", "x^1.5", "x log x", "cbrt"],
)
def test_singular_edges_have_no_derivative(f):
    found = differences.derivative(f, 0.0)
    assert found.error == np.inf and found.status >= Status.NOT_SMOOTH


def test_a_kink_is_seen_with_a_domain_on_one_side():
    found = differences.derivative(np.abs, 0.0, domain=(-1e-3, 1))
    assert found.error == np.inf and found.status == Status.NOT_SMOOTH
    assert differences.derivative(lambda x: x * abs(x), 0.0, order=2).error == np.inf


def test_status():
    def f(x):
        return {"ok": np.sin(x), "kink": abs(x - 1), "nan": np.log(-x), "flat": 0 * x + 3}

    status = differences.derivative(f, 1.0).status
    assert status == {
        "ok": Status.OK,
        "kink": Status.NOT_SMOOTH,
        "nan": Status.NOT_FINITE,
        "flat": Status.OK,
    }
    noisy = np.random.default_rng(0)
    found = differences.derivative(lambda x: np.sin(x) + 1e-4 * noisy.standard_normal(), 1.0)
    assert found.status == Status.ROUGH
    for status in Status:
        assert len(str(status)) > 10


def test_an_estimate_says_what_it_is():
    assert str(differences.derivative(np.sin, 1.0)).startswith("0.5403023058")
    assert "right to its bar" in str(differences.jvp(np.sin, np.ones(2), np.ones(2)))
    assert "kink" in str(differences.derivative(abs, 0.0))


def test_errors_name_the_remedy():
    with pytest.raises(ValueError, match="jacobian"):
        differences.derivative(np.sin, np.ones(3))
    with pytest.raises(ValueError, match="order"):
        differences.derivative(np.sin, 1.0, order=3)
    with pytest.raises(TypeError, match="floating point"):
        differences.jvp(np.sin, np.arange(3), np.arange(3))
    with pytest.raises(TypeError, match="complex x"):
        differences.jvp(np.sin, np.ones(2), np.ones(2) * 1j)
    with pytest.raises(ValueError, match="structure and shapes"):
        differences.jvp(np.sin, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="widen the domain"):
        differences.derivative(np.sin, 1.0, domain=(2, 3))
    with pytest.raises(TypeError, match="predicate"):
        differences.derivative(np.exp, 1j, domain=(2, 3))
    with pytest.raises(ValueError, match="a number, or a tree"):
        differences.derivative(np.exp, 1.0, noise=[1.0, 2.0])
    with pytest.raises(ZeroDivisionError):  # a function that fails at x itself speaks for itself
        differences.derivative(lambda x: 1 / int(0 * x), 1.0)


@pytest.mark.parametrize(
    "f, truth",
    [
        (lambda t: np.log(complex(-1, 1e-9) + 1j * t), 1j / complex(-1, 1e-9)),
        (lambda t: abs(t - 1e-9), -1.0),
    ],
    ids=["log", "kink"],
)
def test_a_jump_beside_the_point_leaves_the_other_side(f, truth):
    found = differences.derivative(f, 0.0)
    assert abs(found.value - truth) <= found.error < 1e-5


@pytest.mark.parametrize(
    "f",
    [lambda t: np.log(complex(-1, 0) + 1j * t), lambda t: t if t >= 0 else 3 + t, abs],
    ids=["cut", "jump", "kink"],
)
def test_a_jump_at_the_point_leaves_no_side(f):
    assert differences.derivative(f, 0.0).error == np.inf

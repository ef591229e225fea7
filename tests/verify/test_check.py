"""The checker passes what is right, and finds what was broken on purpose."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax import check
from mcjax.linalg import logdet
from mcjax.verify import assert_derivative
from mcjax.verify._diagnosis._fault import fault_of
from mcjax.verify._diagnosis._locate import locate
from mcjax.verify._function import flatten
from mcjax.verify._point import Point
from mcjax.verify._routes import Routes

A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.0, 0.3, 2.0]])
B = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 1.0]])


def with_tangent(tangent):
    """The inverse of a matrix, with a rule of our own."""

    @jax.custom_jvp
    def inverse(A):
        return jnp.linalg.inv(A)

    @inverse.defjvp
    def _(primals, tangents):
        X = inverse(*primals)
        return X, tangent(X, *tangents)

    return inverse


def right(X, dA):
    return -X @ dA @ X


FAULTS = {
    "off by 0.1 %": lambda X, dA: -1.001 * X @ dA @ X,
    "a transpose": lambda X, dA: -X @ dA.T @ X,
    "a sign": lambda X, dA: X @ dA @ X,
    "a term dropped": lambda X, dA: -X @ dA @ X * (1 - jnp.eye(3)),
    "half": lambda X, dA: -X @ dA @ X / 2,
    "zero": lambda X, dA: jnp.zeros_like(X),
    "first order only": lambda X, dA: -jax.lax.stop_gradient(X) @ dA @ jax.lax.stop_gradient(X),
    "NaN": lambda X, dA: X @ dA * jnp.nan,
}


def test_a_right_rule():
    report = check(with_tangent(right), A, reference=jnp.linalg.inv)
    assert report.ok, report
    assert all(part.verdict == "right" for part in report.parts)
    assert min(part.obtained for part in report.parts if part.obtained) > 5
    assert report.diagnosis == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule(fault):
    report = check(with_tangent(FAULTS[fault]), A)
    assert not report.ok
    wrong = {part.name for part in report.wrong}
    assert "hessian" in wrong if fault == "first order only" else {"jvp", "vjp"} <= wrong
    with pytest.raises(AssertionError, match="wrong"):
        report.raise_if_wrong()


def test_a_missing_conjugate():
    """Re Σ |A|² with the tangent of a holomorphic function."""

    @jax.custom_jvp
    def energy(A):
        return (A * A.conj()).real.sum()

    @energy.defjvp
    def _(primals, tangents):
        (A,), (dA,) = primals, tangents
        return energy(A), 2 * (A * dA).real.sum()

    assert not check(energy, A + 1j * B).ok
    assert check(lambda A: (A * A.conj()).real.sum(), A + 1j * B).ok


def test_reverse_only():
    @jax.custom_vjp
    def f(A):
        return jnp.sin(A).sum()

    f.defvjp(lambda A: (f(A), A), lambda A, g: (g * jnp.cos(A),))
    report = check(f, A)
    assert report.ok
    assert "jvp" in {part.name for part in report.undecided}


def test_pytrees_and_arguments_that_stay():
    def f(model, power, x):
        return {"y": model["w"] @ x**power, "norm": jnp.sum(model["w"] ** 2)}

    report = check(f, {"w": A, "n": 3}, 2, B[0])
    assert report.ok, report


def test_nothing_to_differentiate():
    with pytest.raises(ValueError, match="nothing to differentiate"):
        check(lambda k: k, 3)


def test_a_kink_is_undecided():
    report = check(lambda x: jnp.abs(x).sum(), np.array([0.0, 1.0]))
    assert not report.wrong, report


def test_where_no_derivative_exists_nothing_is_claimed():
    report = check(logdet, np.ones((2, 2)))
    assert not report.ok
    assert not report.wrong, report


def test_float32_is_asked_for_what_float32_has():
    assert check(logdet, A.astype(np.float32)).ok


def test_report_is_readable_by_people_and_programs():
    report = check(with_tangent(right), A)
    assert "right" in str(report) and "hessian" in str(report)
    found = json.loads(report.to_json())
    digits = {part["name"]: part["obtained"] for part in found["parts"]}
    assert found["ok"] and found["verdict"] == "right" and digits["jvp"] > 8


def test_the_fault_is_named():
    report = check(with_tangent(FAULTS["a transpose"]), A)
    assert report.wrong[0].name == "jvp"
    assert report.diagnosis == "looks like: missing transpose of argument 0"


def test_one_line_a_rule():
    assert assert_derivative(with_tangent(right), A).ok
    with pytest.raises(AssertionError, match="seed 7"):
        assert_derivative(with_tangent(FAULTS["a sign"]), A, seed=7)
    with pytest.raises(AssertionError, match="undecided"):
        assert_derivative(logdet, np.ones((2, 2)))


def test_bad_questions():
    with pytest.raises(ValueError, match="order"):
        check(jnp.sin, 1.0, order=4)
    with pytest.raises(ValueError, match="level"):
        check(jnp.sin, 1.0, level="deep")


def _wrong_at(k, f, slope):
    """f with a tangent that is off by 1 % in one entry."""

    @jax.custom_jvp
    def g(x):
        return f(x)

    @g.defjvp
    def _(primals, tangents):
        (x,), (v,) = primals, tangents
        return g(x), slope(x, v.at[k].multiply(1.01))

    return g


@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda x: jnp.sum(jnp.sin(x)), lambda x, v: jnp.sum(jnp.cos(x) * v)),
        pytest.param(jnp.sin, lambda x, v: jnp.cos(x) * v, marks=pytest.mark.slow),
    ],
)
def test_one_wrong_entry_in_a_million_is_found_in_forty_evaluations(f, slope, monkeypatch):
    x, k = np.random.default_rng(0).uniform(0.5, 1.5, 1_000_000), 271_828
    point = Point(*flatten(_wrong_at(k, f, slope), (x,)))
    fault = fault_of(point, "vjp")
    v = point.probe.v
    gap = fault.says(v) - fault.measure(fault.true(v))
    calls = []
    for name in ("evaluate", "run"):
        asked = getattr(Routes, name)
        monkeypatch.setattr(
            Routes, name, lambda *args, asked=asked: calls.append(1) or asked(*args)
        )
    assert locate(fault, 0, v, gap) == k
    assert len(calls) <= 40

"""Known wrong gradients are flagged, right ones are not."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._check_gradient import _apart, _directions, check_ode_gradient
from mcjax.ode._gauss import GaussAdjoint
from mcjax.ode._replay import ReplayAdjoint

from . import problems


def squares(ys):
    return (ys**2).sum()


def check(problem, loss, ts, rtol, atol, first=None, solver=None):
    return check_ode_gradient(
        problem.field,
        loss,
        ts,
        problem.y0,
        problem.args,
        adjoints=(ReplayAdjoint() if first is None else first, GaussAdjoint()),
        solver=diffrax.Tsit5() if solver is None else solver,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=1024,
    )


def verdicts(report):
    return {part.name: part.verdict for part in report.parts}


def test_the_equilibrium_is_flagged():
    """F1: steps that suit a constant solution do not suit its derivative, which is 29 times too large."""
    problem = problems.equilibrium()
    report = check(problem, jnp.sum, problem.times(101), 1e-6, 1e-6)
    found = verdicts(report)
    assert report.verdict == found["adjoints"] == found["Taylor, ReplayAdjoint"] == "wrong"
    assert found["Taylor, GaussAdjoint"] == found["tighter"] == "right"
    _, by_a = report.gradients[1]
    np.testing.assert_allclose(by_a, problems.EQUILIBRIUM_TRUTH, rtol=1e-6)
    with pytest.raises(AssertionError, match="wrong"):
        report.raise_if_wrong()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lotka_volterra", "pendulum"])
def test_right_gradients_are_not_flagged(name):
    problem = getattr(problems, name)()
    report = check(problem, squares, problem.times(11), 1e-6, 1e-6)
    assert report.ok, str(report)


@pytest.mark.slow
def test_robertson_is_not_flagged():
    problem = problems.robertson()
    scale = jnp.array([1.0, 1e4, 1.0])
    loss = lambda ys: (ys * scale[None]).sum()  # noqa: E731
    report = check(problem, loss, problem.times(11), 1e-6, 1e-10, solver=diffrax.Kvaerno5())
    assert report.verdict != "wrong", str(report)


@pytest.mark.slow
def test_brusselator_is_flagged():
    """F2: steps at the limit of stability: the loss is right to 2e-4 and its gradient wrong by 1e13."""
    problem = problems.brusselator_1d()
    first = diffrax.RecursiveCheckpointAdjoint()
    report = check(problem, lambda ys: (ys[-1] ** 2).sum(), problem.times(2), 1e-3, 1e-3, first)
    assert report.verdict == "wrong", str(report)
    assert verdicts(report)["adjoints"] == "wrong"


def test_an_exact_fit_is_not_flagged():
    """Loss and gradient are zero but for the error of the solution. Times may be integers."""
    problem = problems.Problem(lambda t, y, a: -a * y, jnp.array(1.2), jnp.array(0.7), 0.0, 2.0)
    data = 1.2 * np.exp(-0.7 * np.arange(3))
    report = check(problem, lambda ys: squares(ys - data), jnp.arange(3), 1e-6, 1e-6)
    assert report.ok, str(report)


@jax.custom_jvp
def half_wrong(a, b):
    """a b, with half of its derivative in a."""
    return a * b


half_wrong.defjvp(lambda p, t: (p[0] * p[1], t[0] * p[1] / 2 + p[0] * t[1]))


def test_a_wrong_derivative_in_what_is_zero():
    """y₀' = p₀ y₁ - y₀ where p₀ = 0. The report has the sign of the loss, in any unit."""
    unit = -1e170
    report = check_ode_gradient(
        lambda t, y, p: jnp.stack([half_wrong(p[0], y[1]) - y[0], -p[1] * y[1]]),
        lambda ys: unit * ys[-1, 0],
        jnp.linspace(0.0, 2.0, 3),
        jnp.array([1.0, 1.0]),
        jnp.array([0.0, 1.0]),
        max_steps=64,
    )
    found = verdicts(report)
    assert found["Taylor off 0, GaussAdjoint"] == report.verdict == "wrong"
    assert found["Taylor, GaussAdjoint"] == found["adjoints"] == "right"
    np.testing.assert_allclose(report.loss, unit * np.exp(-2.0), rtol=1e-6)


def test_a_wrong_derivative_in_a_number_backwards_in_time():
    """args may be a number of Python. The error of the loss is found in ascending time."""
    report = check_ode_gradient(
        lambda t, y, a: -half_wrong(a, y),
        squares,
        jnp.linspace(2.0, 0.0, 3),
        jnp.array([1.0, 0.5]),
        1.1,
        max_steps=64,
    )
    found = verdicts(report)
    assert report.verdict == found["Taylor, GaussAdjoint"] == "wrong"
    assert found["adjoints"] == found["functional"] == "right"
    with pytest.raises(ValueError, match="increase or decrease"):
        check_ode_gradient(lambda t, y, a: y, squares, jnp.array([0.0, 2, 1]), jnp.ones(1))


def test_directions_and_distances():
    """What is zero moves in the last direction alone; squares of gradients have no size."""
    (_, v), (_, w) = _directions(np.ones(2), np.ones(2), 0)
    assert abs(np.linalg.det([v, w])) > 0.1, "what hides from one of two is seen by the other"
    first, second = _directions(np.array([0.0, -2.0, 0.0]), np.array([2.0, 2.0, 1.0]), 0)
    assert [first[0], second[0]] == ["", " off 0"]
    np.testing.assert_array_equal(first[1] != 0, [False, True, False])
    assert second[1].all() and first[1][1] == second[1][1]
    assert [kind for kind, _ in _directions(np.zeros(2), np.ones(2), 0)] == [" off 0"]
    for unit in (1e-170, 1e170):
        g = unit * np.array([3.0, 4.0])
        assert _apart("", g, g, 0.1, 0.0, "").verdict == "right"
        np.testing.assert_allclose(_apart("", 2 * g, g, 0.1, 0.0, "").found, 1)


def test_bad_input():
    with pytest.raises(ValueError, match="no floating-point arrays"):
        check_ode_gradient(
            lambda t, y, args: y, jnp.sum, jnp.ones(2), 1, adjoints=(ReplayAdjoint(),) * 2
        )
    with pytest.raises(ValueError, match="rtol > 0"):
        check(problems.equilibrium(), jnp.sum, jnp.arange(2), 0.0, 1e-6)


@pytest.mark.parametrize(
    ("unit", "dtype", "rtol"), [(1e-9, "float64", 1e-8), (1.0, "float32", 1e-3)]
)
def test_small_units_and_single_precision(unit, dtype, rtol):
    """An atol of 1e-17 is no less than rounding where y is 1e-9. Trees of single precision run."""
    y0 = {"x": jnp.full(1, 1.2 * unit, dtype)}
    report = check_ode_gradient(
        lambda t, y, a: {"x": -a * y["x"] ** 2 / unit},
        lambda ys: (ys["x"] / unit).sum(),
        jnp.arange(3, dtype=dtype),
        y0,
        jnp.asarray(0.7, dtype),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * unit),
        max_steps=256,
    )
    # Single precision leaves differences no digit to decide by.
    assert report.verdict == ("right" if dtype == "float64" else "undecided"), str(report)


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="real and imaginary parts"):
        check_ode_gradient(
            lambda t, y, a: a * y, jnp.sum, jnp.arange(2), jnp.ones(1), jnp.array([1j])
        )

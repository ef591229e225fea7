"""Newton's method in the open, and several roots by deflation."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.solve import OUTCOME, newton_history, roots


def test_failure_modes_have_names():
    @jax.jit
    def run():
        return dict(
            converged=newton_history(lambda y, _: y**2 - 2, 1.0),
            slow=newton_history(lambda y, _: y**2, 1.0, steps=10),
            cycle=newton_history(lambda y, _: y**3 - 2 * y + 2, 0.0),
            flat_slope=newton_history(lambda y, _: y**3 - 3 * y + 3, 1.0 + 1e-9, steps=3),
            nan_start=newton_history(lambda y, _: jnp.log(y), -1.0),
            left_domain=newton_history(lambda y, _: jnp.log(y), 4.0),
            singular_jacobian=newton_history(lambda y, _: y**2 + 1, 0.0),
            diverged=newton_history(lambda y, _: jnp.cbrt(y), 3.0),
        ), newton_history(lambda y, _: jnp.exp(y), 0.0)

    found, even = run()
    for name, history in found.items():
        assert history.outcome == getattr(OUTCOME, name), name
    assert 1.8 < found["converged"].order < 2.2
    np.testing.assert_allclose(found["slow"].order, 1, rtol=1e-12)
    assert np.isnan(even.order)  # steps of 1 and rounding


@pytest.mark.parametrize(
    "fn, start", [(lambda y, _: 1 / y, 1.0), (lambda y, _: jnp.arctan(y), 3.0)]
)
def test_steps_that_grow_are_divergence(fn, start):
    """y⁺ = 2 y, and y⁺ ≈ -π y²/2 until it overflows."""
    assert newton_history(fn, start).outcome == OUTCOME.diverged


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_cycle_in_any_unit(unit):
    """0 ↔ 1 of x³ - 2 x + 2: steps are small beside 0.1 in the small unit, and residuals are not."""
    unit = jnp.array(unit)
    history = newton_history(lambda y, u: (y / u) ** 3 - 2 * (y / u) + 2, 0.0, unit)
    assert history.outcome == OUTCOME.cycle
    early = newton_history(lambda y, u: jnp.exp(y / u) - 3, 0.0, unit * 1e-4, steps=1)
    assert early.outcome == OUTCOME.slow and np.isnan(early.order)  # of two steps
    found = newton_history(lambda y, u: (y / u) ** 2 - 2, jnp.sqrt(2.0) * unit, unit)
    assert found.outcome == OUTCOME.converged


def cubic(y, units):
    of_y, of_f = units
    return of_f * (y / of_y - 1) * (y / of_y - 2) * (y / of_y - 3)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_flat_slope_in_any_unit(unit):
    """x² + 1 has no root: sooner or later an iterate is beside 0."""
    history = newton_history(lambda y, u: (y / u) ** 2 + 1, 0.3 * unit, jnp.array(unit))
    assert history.outcome == OUTCOME.flat_slope


def test_a_root_that_is_reached_exactly():
    """Where the Jacobian is singular there too; and after one step, of which no order can be told."""

    @jax.jit
    def run():
        double = newton_history(lambda y, _: (y - 1) ** 2, 3.0, steps=60)
        return double, newton_history(lambda y, _: 3 * y - 1, 0.0, steps=3).order

    double, order = run()
    assert double.outcome == OUTCOME.converged and double.iterates[-1] == 1
    assert np.isnan(order)


def test_counts():
    for count in (0, 2.5, jnp.array(2)):
        with pytest.raises(ValueError, match="count is a number of roots, 1 or more"):
            roots(cubic, None, 0.0, (1.0, 1.0), count=count)
    for steps in (-1, 2.5, jnp.array(2)):
        with pytest.raises(ValueError, match="steps is a number of steps, 0 or more"):
            newton_history(cubic, 0.0, (1.0, 1.0), steps=steps)


@pytest.mark.parametrize("units", [(1e-9, 1.0), (1e9, 1.0), (1.0, 1e-9)])
def test_roots_in_any_unit(units):
    found = roots(cubic, None, 0.0, jnp.array(units), count=3)  # arrays: one program for all
    assert found.certificate.stationary.all()
    np.testing.assert_allclose(np.sort(found.value) / units[0], [1, 2, 3], rtol=1e-12)


def test_no_root_is_found_twice(monkeypatch):
    """Of an F so small that every search ends at once, and Newton's method goes back to the first root."""
    monkeypatch.setattr("mcjax.solve._deflation.scaled", lambda problem, _: problem)
    found = roots(lambda y, _: cubic(y, (1.0, 1e-9)), None, 0.5, count=3)
    ok = found.certificate.stationary
    assert len(set(np.round(found.value[ok], 6).tolist())) == ok.sum() < 3
    assert np.isnan(found.value[~ok]).all()
    np.testing.assert_array_equal(found.result == optx.RESULTS.successful, ok)


def test_all_roots_of_a_cubic_from_one_start_and_their_derivatives():
    """(y - 1)(y - a)(y + 3): dy/da is 1 at the root a alone."""

    def fn(y, a):
        return (y - 1) * (y - a) * (y + 3)

    def found(a):
        solution = roots(fn, None, 0.5, a, count=4)
        return solution.value, solution.certificate.stationary

    run = jax.jit(lambda a: (found(a), jax.jacfwd(lambda a: found(a)[0])(a)))
    (y, ok), slope = run(jnp.array(2.0))
    order = np.argsort(np.where(ok, y, np.inf))[:3]
    assert ok.sum() == 3
    np.testing.assert_allclose(y[order], [-3, 1, 2], rtol=1e-12)
    np.testing.assert_allclose(slope[order], [0, 0, 1], atol=1e-12)

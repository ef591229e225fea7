"""Fits of data in any unit, from any origin, and where JᵀJ has no digits left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from mcjax.solve import curve_fit, linear_fit

X = np.linspace(0, 4, 30)
SMALL = [(jnp.float64, 1e-8), (jnp.float64, 1e-12), (jnp.float64, 1e-100), (jnp.float64, 1e100)]
SMALL += [(jnp.float32, 1e-4), (jnp.float32, 1e-10), (jnp.float32, 1e10)]


def decay(x, a, b, c):
    return a * jnp.exp(-b * x) + c


@pytest.mark.parametrize(("dtype", "unit"), SMALL)
def test_the_unit_of_y(dtype, unit):
    """Truth: SciPy's fit in the unit 1, to the √eps to which a minimum of χ² is known at least."""
    y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.01 * np.cos(50 * X)
    true, covariance = scipy.optimize.curve_fit(
        lambda x, a, b, c: a * np.exp(-b * x) + c, X, y, (2.0, 1.0, 0.3), xtol=1e-12, ftol=1e-12
    )
    unit_of_p = np.array([unit, 1, unit])
    fit = curve_fit(
        decay,
        jnp.asarray(X, dtype),
        jnp.asarray(unit * y, dtype),
        p0=jnp.asarray(unit_of_p * [2, 1, 0.3], dtype),
    )
    close = float(jnp.finfo(dtype).eps) ** 0.5
    np.testing.assert_allclose(np.asarray(fit.popt, float) / unit_of_p, true, rtol=close)
    errors = np.asarray(fit.standard_errors, float) / unit_of_p
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=100 * close)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_bands_far_from_the_origin(dtype):
    """A parabola in years: κ(A) is 1e9. In the middle of the years A is well conditioned: the truth."""
    years = np.linspace(1990, 2020, 31)
    t = (years - 2005) / 15
    own = np.vander(t, 3)
    y = own @ [-0.5, 2, 1] + 0.3 * np.random.default_rng(1).normal(size=31)
    r = y - own @ np.linalg.lstsq(own, y, rcond=None)[0]
    C = np.linalg.inv(own.T @ own) * (r @ r) / 28
    true = np.sqrt(np.einsum("ij,jk,ik->i", own, C, own))
    rows = jnp.asarray(np.vander(years, 3), dtype)
    deviation = linear_fit(rows, jnp.asarray(y, dtype)).deviation(rows)
    # R has errors eps κ(A) with columns scaled, which is 2e5 here
    scaled = np.vander(years, 3) / np.linalg.norm(np.vander(years, 3), axis=0)
    close = float(jnp.finfo(dtype).eps) * np.linalg.cond(scaled)
    np.testing.assert_allclose(deviation, true, rtol=close)


def test_a_band_of_a_saturated_fit():
    """A line through two points is known there and nowhere else; at x = 0 it is 0, whatever its slope."""
    fit = linear_fit(jnp.array([[1.0]]), jnp.array([2.0]))
    np.testing.assert_array_equal(fit.confidence_band(jnp.array([[0.0], [1.0]]))[0], [0, -np.inf])


def test_a_valley_is_no_minimum():
    """χ² = 0 at (0.0135, -1.3, 0.5). From ones the solver runs off to a = -c = 1e6, where the gradient
    has no digit left that says so, and r is far from orthogonal to a column of J.
    """
    y = 0.5 + 0.0135 * jnp.exp(1.3 * X)
    fit = curve_fit(decay, X, y, throw=False)
    assert fit.chi2 < 1e-20 or not fit.certificate.stationary
    fit = curve_fit(decay, X, y, p0=[0.01, -1.2, 0.4])
    np.testing.assert_allclose(fit.popt, [0.0135, -1.3, 0.5], rtol=1e-11)


def test_gradient_in_small_units():
    """Of the decay in the data; homogeneous of degree 0 in y, so it is 1/unit that of the unit 1."""
    y = jnp.asarray(2.5 * np.exp(-1.3 * X) + 0.5 + 0.01 * np.cos(50 * X))

    def rate(y, unit):
        return curve_fit(
            decay, X, y, p0=jnp.array([2.0, 1, 0.3]) * jnp.array([unit, 1, unit])
        ).popt[1]

    true = jax.grad(rate)(y, 1.0)
    np.testing.assert_allclose(1e-12 * jax.grad(rate)(1e-12 * y, 1e-12), true, rtol=1e-9)


def line(x, a, b):
    return a + b * x


def test_a_datum_of_infinite_error_is_left_out():
    """The line through the others, certified; a probe along sigma = ∞ said nothing."""
    x, y = np.arange(5.0), np.array([1.0, 3.0, 4.0, 8.0, 50.0])
    fit = curve_fit(line, x, y, np.ones(2), np.array([1, 1, 1, 1, np.inf]))
    np.testing.assert_allclose(fit.popt, np.polyfit(x[:4], y[:4], 1)[::-1], rtol=1e-13)
    assert fit.certificate.gradient_error < 1e-10


def test_a_covariance_matrix_is_its_lower_triangle():
    """As in SciPy, whatever stands above the diagonal."""
    x, y = np.arange(4.0), np.array([1.0, 3.0, 4.0, 8.0])
    sigma = np.diag([1.0, 2.0, 1.0, 3.0]) + np.diag([0.5, 0.3, 0.2], -1)
    found = curve_fit(line, x, y, np.ones(2), sigma).popt
    truth = scipy.optimize.curve_fit(line, x, y, np.ones(2), sigma)[0]
    np.testing.assert_allclose(found, truth, rtol=1e-6)  # its Jacobian is a difference

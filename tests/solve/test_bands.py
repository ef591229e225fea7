"""Bands of fits where no parameter moves the curve: the standard error there is 0, and has a kink."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from mcjax.solve import curve_fit, linear_fit

X = jnp.arange(1.0, 6.0)
Y = jnp.array([2.1, 3.9, 6.2, 7.8, 10.1])


def test_a_line_through_the_origin_at_the_origin():
    """f = a x: at 0 the band of a new datum is ± t √(Σ r²/4), of x the slope a; r = y - x (x·y)/(x·x)."""

    def upper(y, x):
        return linear_fit(X[:, None], y).prediction_band(x[None, None])[1][0]

    t, origin = scipy.stats.t.ppf(0.975, 4), jnp.zeros(())
    r = Y - X * (X @ Y) / (X @ X)
    np.testing.assert_allclose(
        jax.grad(upper)(Y, origin), t * r / (4 * np.sqrt(r @ r / 4)), rtol=1e-12
    )
    np.testing.assert_allclose(jax.grad(upper, 1)(Y, origin), (X @ Y) / (X @ X), rtol=1e-13)


def test_a_curve_that_begins_at_0():
    """f(0) = 0 whatever the data, so the confidence band is 0 there, with the derivative 0."""

    def fit(y):
        return curve_fit(lambda x, a, b: a * (1 - jnp.exp(-b * x)), X, y, (12.0, 0.3))

    y = jnp.array([2.7, 4.4, 6.0, 6.9, 7.8])  # 10 (1 - exp(-0.3 x)), and some noise
    origin = jnp.zeros(1)

    def confident(y):
        return jnp.stack(fit(y).confidence_band(origin))[:, 0]

    np.testing.assert_array_equal(confident(y), 0)
    np.testing.assert_array_equal(jax.jacrev(confident)(y), 0)

    # That of a new datum is ± t √(Σ r²/3), and Σ r² is least in the parameters.
    r, t = y - fit(y)(X), scipy.stats.t.ppf(0.975, 3)
    slope = t * r / (3 * np.sqrt(r @ r / 3))
    slopes = jax.jacrev(lambda y: jnp.stack(fit(y).prediction_band(origin))[:, 0])(y)
    np.testing.assert_allclose(slopes, [-slope, slope], rtol=1e-9)

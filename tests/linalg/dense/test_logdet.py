"""log |det A|: derivatives where it exists, and NaN where it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import logdet

from ...helpers import (
    GENERAL,
    SYMMETRIC,
    assert_nan,
    assert_promise,
    derivative,
    hermitian,
    random_like,
    reflect,
    true_logdet,
)
from ...helpers._heavy import heavy_but


def logdet_positive(A):
    return logdet(A, assume_a="pos")


def slogdet(A):
    return np.linalg.slogdet(A)[1]


ROUTES = pytest.mark.parametrize("route", [logdet, logdet_positive])


@pytest.mark.parametrize("name", heavy_but(GENERAL, ["complex", "defective"]))
def test_promise(name):
    assert_promise(logdet, GENERAL[name], truth=true_logdet, reference=slogdet)


@pytest.mark.parametrize("name", heavy_but(SYMMETRIC, ["hermitian", "repeated"]))
def test_promise_positive(name):
    assert_promise(
        logdet_positive, SYMMETRIC[name], truth=hermitian(true_logdet), reference=slogdet
    )


def test_promise_at_a_negative_determinant():
    assert_promise(logdet, reflect(-1.0, 1.0, 2.0, 3.0), truth=true_logdet, reference=slogdet)


@ROUTES
def test_third_order(route):
    A, rng = SYMMETRIC["spd"], np.random.default_rng(3)
    E, F, G = (X + X.T for X in (random_like(rng, A) for _ in range(3)))

    def along(f, d):
        return lambda A: jax.jvp(f, (A,), (d,))[1]

    truth = derivative(true_logdet, (A,), (E,), (F,), (G,))
    np.testing.assert_allclose(along(along(along(route, E), F), G)(A), truth, rtol=1e-12)


@ROUTES
@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_no_overflow(route, scale):
    """The determinant is 1e±1200."""
    A = SYMMETRIC["spd"]
    np.testing.assert_allclose(route(scale * A), slogdet(A) + 4 * np.log(scale), rtol=1e-14)
    gradient = jax.grad(route)(scale * A)
    np.testing.assert_allclose(gradient * scale, np.linalg.inv(A), rtol=1e-12)


@pytest.mark.parametrize(
    "A", [np.ones((2, 2)), np.zeros((3, 3)), np.diag([1.0, 0.0])], ids=range(3)
)
def test_singular(A):
    """-inf, or NaN for a matrix that is not positive definite; derivatives do not exist."""
    assert logdet(A) == -np.inf
    assert_nan(logdet_positive(A))
    for route in (logdet, logdet_positive):
        assert_nan(jax.grad(route)(A))
        assert_nan(jax.hessian(route)(A))


def test_singular_neighbour():
    batch = np.stack([np.diag([1.0, 0.0]), np.diag([2.0, 3.0])])
    values, gradients = logdet(batch), jax.grad(lambda A: logdet(A)[1])(batch)
    np.testing.assert_allclose(values, [-np.inf, np.log(6)])
    np.testing.assert_allclose(gradients[1], np.diag([1 / 2, 1 / 3]))


def test_indefinite_is_not_positive():
    A = reflect(-1.0, 1.0, 2.0, 3.0)
    assert_nan(logdet_positive(A))
    assert_nan(jax.grad(logdet_positive)(A))


def test_empty():
    assert logdet(jnp.zeros((0, 0))) == 0.0
    assert jax.grad(lambda A: logdet(A).sum())(jnp.zeros((2, 0, 0))).shape == (2, 0, 0)


@ROUTES
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad, route):
    batch = np.stack([SYMMETRIC["spd"], SYMMETRIC["repeated"]])
    batch[0, 1, 2] = bad
    values, gradients = route(batch), jax.grad(lambda A: route(A).sum())(batch)
    assert not np.isfinite(values[0])
    assert_nan(gradients[0])
    assert np.isfinite(values[1]) and np.isfinite(gradients[1]).all()

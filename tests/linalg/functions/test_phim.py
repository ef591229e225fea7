"""φ_k(A): small, large and singular matrices, and what exponential integrators ask of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import expm, expm1m, phim

from ...helpers import (
    GENERAL,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    grcar,
    judge,
    mp,
    random_like,
    reflect,
    rounding,
)
from ...helpers._heavy import heavy_but
from ...helpers._truth_exponential import true_phim

ORDERS = {k: jax.jit(lambda A, k=k: phim(k, A)) for k in range(6)}
TRUTHS = {k: true_phim(k) for k in range(6)}


@pytest.mark.parametrize("name", heavy_but(["defective", "nearly repeated"], []))
def test_promise(name):
    assert_promise(ORDERS[2], GENERAL[name], truth=TRUTHS[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["complex", "float32", "n=1", "n=0", "batched"])
@pytest.mark.parametrize("k", [1, 5])
def test_promise_of_every_order(name, k):
    assert_promise(ORDERS[k], GENERAL[name], truth=TRUTHS[k])


@pytest.mark.parametrize("k", heavy_but([1, 4], [1]))
def test_values_and_derivatives(k):
    A = grcar(4) - 2 * np.eye(4)
    E = random_like(np.random.default_rng(k), A)
    for got, directions in zip(jax.jvp(ORDERS[k], (A,), (E,)), ((), ((E,),)), strict=True):
        value, tolerance = judge(TRUTHS[k], (A,), *directions)
        assert_close(got, value, tolerance)


def test_complex_and_float32():
    for name in ("complex", "float32"):
        value, tolerance = judge(TRUTHS[2], (GENERAL[name],))
        assert_close(ORDERS[2](GENERAL[name]), value, tolerance)


@pytest.mark.parametrize("k", range(6))
def test_at_zero(k):
    """φ_k(0) = I/k!, where quotients like (e^z - 1)/z have no value."""
    np.testing.assert_allclose(
        ORDERS[k](np.zeros((4, 4))), np.eye(4) / float(mp.factorial(k)), rtol=1e-15
    )


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("scale", [2.0**-26, 1.0, 2.0**10, 2.0**20])
def test_negative_spectra(k, scale):
    """A stiff decay: φ_k(x) is about 1/|x| (k-1)! then, and e^x nothing."""
    values = [-scale, -scale / 2, -scale / 8, -scale / 4]
    truth = [float(_scalar(k, x)) for x in values]
    assert_relative(ORDERS[k](reflect(*values)), reflect(*truth), 2e-14)


@pytest.mark.parametrize("k", [1, 5])
def test_of_both_signs(k):
    values = [-50.0, 50.0, 1e-3, 20.0]
    truth = [float(_scalar(k, x)) for x in values]
    assert_relative(ORDERS[k](reflect(*values)), reflect(*truth), 1e-13)


def _scalar(k, x):
    """φ_k(x) by φ_{j+1}(x) = (φ_j(x) - 1/j!)/x, with digits to spare."""
    with mp.workdps(100):
        x = mp.mpf(x)
        phi = mp.exp(x)
        for j in range(k):
            phi = (phi - 1 / mp.factorial(j)) / x
        return phi


def test_the_recurrence_and_the_exponential():
    A = 5 * grcar(4)
    np.testing.assert_array_equal(phim(0, A), expm(A))
    assert_relative(A @ ORDERS[1](A), expm1m(A), 1e-13)


@pytest.mark.parametrize("k", [-1, 1.0, True, None, "1", np.float64(2)])
def test_rejected_orders(k):
    with pytest.raises(ValueError, match="phim: k must be"):
        phim(k, np.eye(2))


def test_not_finite():
    batch = np.stack([grcar(4), GENERAL["spd"]])
    batch[0, 1, 2] = np.inf
    value = ORDERS[2](batch)
    assert_nan(value[0])
    assert_relative(value[1], derivative(TRUTHS[2], (batch[1],)), rounding((batch,)))


def test_empty():
    assert phim(2, jnp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert phim(2, jnp.zeros((0, 0))).shape == (0, 0)


def test_a_large_order():
    """φ_k(1) = Σ 1 / (j + k)!, of which the factorial alone is out of range."""
    truth = mp.nsum(lambda j: 1 / mp.factorial(j + 155), [0, mp.inf])
    np.testing.assert_allclose(phim(155, np.eye(1))[0, 0], float(truth), rtol=1e-15)

"""cos, sin, tan, cosh, sinh, tanh of matrices: small and large ones, and where tan and tanh have poles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import coshm, cosm, sinhm, sinm, tanhm, tanm

from ...helpers import (
    GENERAL,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    hermitian,
    judge,
    random_like,
    reflect,
    rounding,
)
from ...helpers._heavy import heavy_but
from ...helpers._truth_exponential import (
    true_coshm,
    true_cosm,
    true_sinhm,
    true_sinm,
    true_tanhm,
    true_tanm,
)

FUNCTIONS = {
    "cosm": (cosm, true_cosm, scipy.linalg.cosm),
    "sinm": (sinm, true_sinm, scipy.linalg.sinm),
    "tanm": (tanm, true_tanm, scipy.linalg.tanm),
    "coshm": (coshm, true_coshm, scipy.linalg.coshm),
    "sinhm": (sinhm, true_sinhm, scipy.linalg.sinhm),
    "tanhm": (tanhm, true_tanhm, scipy.linalg.tanhm),
}
JITTED = {name: jax.jit(f) for name, (f, *_) in FUNCTIONS.items()}
each = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.mark.parametrize("name", heavy_but(["sinm", "tanhm"], []))
def test_promise_where_jax_has_no_function(name):
    f, truth, reference = FUNCTIONS[name]
    assert_promise(f, GENERAL["defective"] / 4, truth=truth, reference=reference)
    assert_promise(f, GENERAL["nearly repeated"], truth=truth, reference=reference)


@pytest.mark.slow
@each
@pytest.mark.parametrize(
    "case", ["defective", "complex", "float32", "non-normal", "badly scaled", "n=1", "n=0"]
)
def test_promise(name, case):
    f, truth, _ = FUNCTIONS[name]
    assert_promise(f, GENERAL[case] / 2, truth=truth)


@pytest.mark.parametrize(
    "name, case",
    [
        ("cosm", "complex"),
        ("sinm", "complex"),
        ("tanm", "complex"),
        ("cosm", "defective"),
        ("tanm", "defective"),
        ("coshm", "defective"),
        ("sinhm", "defective"),
    ],
)
def test_values_and_derivatives(name, case):
    f, truth, _ = FUNCTIONS[name]
    A, E = GENERAL[case] / 4, random_like(np.random.default_rng(0), GENERAL[case])
    both = jax.jit(lambda A: jax.jvp(f, (A,), (E,)))(A)
    for got, directions in zip(both, ((), ((E,),)), strict=True):
        value, tolerance = judge(truth, (A,), *directions)
        assert_close(got, value, tolerance)


@each
def test_hermitian(name):
    f, truth, _ = FUNCTIONS[name]
    A, E = GENERAL["nearly repeated"] / 2, GENERAL["spd"]
    both = jax.jvp(lambda A: f(A, hermitian=True), (A,), (E,))
    for got, directions in zip(both, ((), ((E,),)), strict=True):
        value, tolerance = judge(hermitian(truth), (A,), *directions)
        assert_close(got, value, tolerance)


@pytest.mark.parametrize("name", ["sinm", "tanm", "sinhm", "tanhm"])
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e-3])
def test_small(name, size):
    """Relative to A, in which (e^A - e^{-A})/2 as it stands loses eps / size."""
    A = size * GENERAL["non-normal"]
    truth = derivative(FUNCTIONS[name][1], (A,))
    assert_relative(JITTED[name](A), truth, rounding((A,)) / 8)


def test_the_pythagorean_identities(key):
    A = 3 * np.asarray(jax.random.normal(key, (4, 4)))
    for even, odd, sign in (("cosm", "sinm", 1), ("coshm", "sinhm", -1)):
        C, S = JITTED[even](A), JITTED[odd](A)
        size = np.abs(C).max() ** 2
        assert_close(C @ C + sign * S @ S, np.eye(4), 100 * rounding((A,)) * size)


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_eigenvalues_of_many_sizes(scale):
    """cosh(A) has eigenvalues from 1 to e^800 then; SciPy's tanhm is wrong in the first digit, or fails."""
    values = scale * np.array([8.0, 3.0, -5.0, 0.001])
    assert_close(JITTED["tanhm"](reflect(*values)), reflect(*np.tanh(values)), scale * 1e-14)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_real_spectra_beyond_the_poles(scale):
    values = scale * np.array([0.3, np.pi, -2.0, 2.0])
    assert_relative(JITTED["tanm"](reflect(*values)), reflect(*np.tan(values)), scale * 1e-13)


def test_too_few_digits_are_nan():
    """cos(A) with eigenvalues 1 and e^30, and a half of A at a pole of tanh."""
    Q = np.linalg.qr(GENERAL["non-normal"])[0]

    def rotated(angle):
        A = np.diag([0.0, 0.0, 1.0, 2.0])
        A[0, 1], A[1, 0] = angle, -angle
        return Q @ A @ Q.T

    assert_nan(JITTED["tanm"](rotated(30.0)))
    assert_nan(jax.jvp(tanm, (rotated(30.0),), (Q,))[1])
    assert_nan(JITTED["tanhm"](rotated(np.pi)))


@pytest.mark.parametrize("name", ["cosm", "tanhm"])
def test_not_finite(name):
    batch = np.stack([GENERAL["non-normal"], GENERAL["spd"] / 4])
    batch[0, 1, 2] = np.nan
    f = FUNCTIONS[name][0]
    value, pullback = jax.vjp(f, batch)
    (gradient,) = pullback(jnp.ones_like(value))
    assert_nan(value[0])
    assert_nan(gradient[0])
    assert np.isfinite(value[1]).all()
    assert np.isfinite(gradient[1]).all()


@each
def test_empty(name):
    f = FUNCTIONS[name][0]
    assert f(jnp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert f(jnp.zeros((2, 0, 0))).shape == (2, 0, 0)

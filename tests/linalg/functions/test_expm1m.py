"""exp(A) - I: to the last digit of A where A is small."""

import jax
import numpy as np
import pytest

from mcjax.linalg import expm, expm1m

from ...helpers import (
    GENERAL,
    SYMMETRIC,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    grcar,
    hermitian,
    rounding,
)
from ...helpers._truth_exponential import true_expm1m

compiled = jax.jit(expm1m)


def expm1m_hermitian(A):
    return expm1m(A, hermitian=True)


@pytest.mark.parametrize("name", ["nearly repeated", "defective", "badly scaled"])
def test_promise(name):
    assert_promise(expm1m, GENERAL[name], truth=true_expm1m)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["complex", "float32", "batched", "n=1", "n=0"])
def test_promise_of_other_types(name):
    assert_promise(expm1m, GENERAL[name], truth=true_expm1m)


@pytest.mark.parametrize("name", ["nearly repeated"])
def test_promise_hermitian(name):
    assert_promise(expm1m_hermitian, SYMMETRIC[name], truth=hermitian(true_expm1m))


@pytest.mark.parametrize("route", [compiled, expm1m_hermitian], ids=["general", "hermitian"])
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e-4, 0.1, 1.0])
def test_small(route, size):
    """Relative to A, in which exp(A) - I as it stands loses eps / size."""
    A = size * GENERAL["nearly repeated"]
    assert_relative(route(A), derivative(true_expm1m, (A,)), rounding((A,)) / 4)


def test_small_float32():
    A = 1e-10 * GENERAL["float32"]
    assert_relative(compiled(A), derivative(true_expm1m, (A,)), rounding((A,)) / 4)


@pytest.mark.parametrize("transpose", [False, True])
def test_triangular(transpose):
    """Every entry, also where the diagonal is of many sizes."""
    A = np.array([[1.0, 1e6, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0, 0, 1e-12, 1e-9], [0, 0, 0, -50]])
    A = A.T if transpose else A
    truth = derivative(true_expm1m, (A,))
    np.testing.assert_allclose(compiled(A), truth, rtol=1e-13, atol=1e-25)


def test_large():
    """Minus the identity, and exp(A)."""
    np.testing.assert_array_equal(compiled(-1e6 * np.eye(4)), -np.eye(4))
    A = 30 * grcar(4)
    assert_relative(compiled(A), expm(A), 1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    batch = np.stack([grcar(4), GENERAL["spd"]])
    batch[0, 1, 2] = bad
    value, gradient = expm1m(batch), jax.grad(lambda A: expm1m(A).sum())(batch)
    assert_nan(value[0])
    assert_nan(gradient[0])
    assert np.isfinite(value[1]).all()
    assert np.isfinite(gradient[1]).all()

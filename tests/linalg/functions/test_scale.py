"""Where matrices are, or what is made of them, is at the ends of the range of numbers; and empty ones."""

from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import (
    expm,
    expm_cond,
    fractional_matrix_power,
    funm_cond,
    log1pm,
    logm,
    phim,
    sqrtm,
)

from ...helpers import along, assert_close, assert_relative, derivative, mp, pull, true_logm

H = np.array([[10.0, 10.0], [10.0, 20.0]])
F = np.array([[1.0, -1.0], [0.5, 2.0]])
SIZES = [(1e160, "float64"), (1e200, "float64"), (1e-160, "float64"), (1e-200, "float64")]
SIZES += [(1e20, "float32"), (1e-20, "float32")]


def logm_hermitian(A):
    return logm(A, hermitian=True)


# The logarithm of Hermitian matrices --------------------------------------------------------------


@pytest.mark.parametrize(("s", "dtype"), SIZES)
def test_second_derivative_of_the_logarithm(s, dtype):
    """log(sA) is log(A) + log(s) I, so that D²log(sA)[sE, sE] does not depend on s."""
    E = (F + F.T) / 2
    truth = np.asarray(derivative(true_logm, (H,), (E,), (E,)), float)
    assert_close(truth, np.array([[-0.1014, 0.0766], [0.0766, -0.0623]]), 1e-4)
    A, D = (s * H).astype(dtype), (s * F).astype(dtype)
    second = jax.jit(along(along(logm_hermitian, (D,)), (D,)))
    assert_relative(second(A), truth, 1e-14 if dtype == "float64" else 1e-6)


def test_logarithms_of_complex_batches():
    """Values, D² and the derivative of the gradient, for each matrix its own s."""
    s = 2.0 ** np.array([-900.0, 0.0, 900.0])[:, None, None]
    A, D = (
        (H + 3j * np.triu(np.ones((2, 2)), 1) - 3j * np.tril(np.ones((2, 2)), -1)) * s,
        F * s + 0j,
    )
    value = np.asarray(logm_hermitian(A)) - np.log(s) * np.eye(2)
    second = along(along(logm_hermitian, (D,)), (D,))(A)
    pulled = pull(logm_hermitian, jnp.ones_like(A))
    gradient = np.asarray(along(lambda A: pulled(A)[0], (D,))(A)) * s
    for got, tolerance in ((value, 1e-13), (second, 1e-14), (gradient, 1e-14)):
        for i in (0, 2):
            assert_relative(got[i], got[1], tolerance)


# φ functions close to overflow ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "x", "dtype"), [(1, 716.0, "float64"), (3, 728.0, "float64"), (2, 97.0, "float32")]
)
def test_phim_up_to_the_largest_number(k, x, dtype):
    """The sum that 2⁻ʲ is taken of would be larger, by up to 2ʲ."""
    value = mp.exp(x) / mp.mpf(x) ** k  # the rest is nothing beside it
    assert value < np.finfo(dtype).max < 2**k * value
    A = np.full((1, 1), x, dtype)
    tolerance = 3 * x * np.finfo(dtype).eps  # the condition number of the exponential is x
    phi, dphi = jax.jvp(lambda A: phim(k, A), (A,), (np.ones_like(A),))
    assert_relative(phi, np.full((1, 1), float(value)), tolerance)
    assert_relative(dphi, np.full((1, 1), float(value * (1 - k / mp.mpf(x)))), tolerance)


def test_phim_of_high_order():
    """21! is beyond the integers of an array."""
    assert_relative(phim(22, np.zeros((1, 1))), np.full((1, 1), 1 / factorial(22)), 1e-15)


# Empty matrices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0)], ids=str)
@pytest.mark.parametrize("hermitian", [False, True])
def test_information_on_empty_matrices(shape, hermitian):
    A = jnp.zeros(shape)
    for function in (
        expm,
        logm,
        log1pm,
        sqrtm,
        lambda A, **how: fractional_matrix_power(A, 0.3, **how),
        lambda A, **how: fractional_matrix_power(A, 2, **how),
    ):
        value, info = function(A, hermitian=hermitian, with_info=True)
        assert value.shape == shape
        assert all(x.shape == shape[:-2] for x in info)
        if "condition" in info._fields:
            assert (info.condition == 0).all() and (info.branch_distance == np.pi).all()


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0)], ids=str)
def test_condition_of_empty_matrices(shape):
    for dtype in ("float32", "complex128"):
        A = jnp.zeros(shape, dtype)
        for condition in (expm_cond(A), funm_cond(lambda X: X, A)):
            assert condition.shape == shape[:-2] and condition.dtype == A.real.dtype
            assert (condition == 0).all()

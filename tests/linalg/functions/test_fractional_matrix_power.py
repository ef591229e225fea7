"""A^t, in A and in t; roots, inverse roots, integers, and singular Hermitian matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import fractional_matrix_power, logm

from ...helpers import (
    GENERAL,
    SINGULAR,
    SYMMETRIC,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    hermitian,
    judge,
    mp,
    reflect,
    true_power,
)
from ...helpers._heavy import heavy_but
from ...helpers._similarity import hidden

MATRICES = ["repeated", "defective"]


def power(A, t):
    return fractional_matrix_power(A, t[0])


def hermitian_power(A, t):
    return fractional_matrix_power(A, t[0], hermitian=True)


def true(A, t):
    return true_power(A, t[0])


def true_hermitian(A, t):
    return true_power(hermitian(lambda A: A)(A), t[0])


@pytest.mark.parametrize("name", heavy_but(MATRICES, []))
def test_promise(name):
    """In A and in t together, with the mixed second derivatives."""
    A = GENERAL[name]
    assert_promise(power, A, np.array([0.3], A.real.dtype), truth=true)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spd", "float32", "n=1", "non-normal", "badly scaled", "complex"])
def test_promise_of_other_kinds(name):
    A = GENERAL[name]
    assert_promise(power, A, np.array([0.3], A.real.dtype), truth=true)


@pytest.mark.parametrize("name", heavy_but(["repeated"], []))
def test_promise_hermitian(name):
    A = SYMMETRIC[name]
    assert_promise(hermitian_power, A, np.array([-0.7]), truth=true_hermitian)


@pytest.mark.parametrize("t", [-1 / 3, 0.5, 2.5, -3.5, 20.25])
@pytest.mark.parametrize("route", [False, True])
def test_numbers(t, route):
    """A large t does not make the errors larger than rounding of A does."""
    A = SYMMETRIC["spd"]
    truth, tolerance = judge(lambda A: true_power(A, mp.mpf(t)), (A,))
    assert_close(fractional_matrix_power(A, t, hermitian=route), truth, tolerance)


@pytest.mark.parametrize("t", [-2, -1, 0, 1, 2, 5, 3.0])
@pytest.mark.parametrize("route", [False, True])
def test_integers_need_no_logarithm(t, route):
    A = reflect(-1.0, -1.0, 2.0, 3.0)
    truth = np.linalg.matrix_power(A, int(t))
    assert_relative(fractional_matrix_power(A, t, hermitian=route), truth, 1e-14)


def test_powers_add():
    A = GENERAL["non-normal"]
    root = fractional_matrix_power(A, 1 / 3)
    assert_relative(root @ root @ root, A, 1e-13)
    inverse_root = fractional_matrix_power(A, -1 / 3)
    assert_relative(inverse_root @ root, np.eye(4), 1e-13)


def test_complex_power():
    A = SYMMETRIC["spd"]
    truth, tolerance = judge(lambda A: true_power(A, mp.mpc(0.3, 0.4)), (A,))
    for hermitian_ in (False, True):
        got = fractional_matrix_power(A, 0.3 + 0.4j, hermitian=hermitian_)
        assert_close(got, truth, tolerance)


def test_singular():
    """Hermitian: a value, and infinite derivatives below the first power. Otherwise none."""
    truth = reflect(0.0, 0.0, 2.0**0.25, 3.0**0.25)
    assert_close(fractional_matrix_power(SINGULAR, 0.25, hermitian=True), truth, 1e-15**0.25)
    assert_nan(fractional_matrix_power(reflect(-1.0, 1.0, 2.0, 3.0), 0.5, hermitian=True))
    assert not np.isfinite(fractional_matrix_power(SINGULAR, 0.5)).any()


@pytest.mark.parametrize("t", [0.4, -0.4])
def test_agrees_with_scipy(t):
    A = np.random.default_rng(0).normal(size=(30, 30)) / 11 + np.eye(30)
    truth = scipy.linalg.fractional_matrix_power(A, t)
    assert_relative(jax.jit(fractional_matrix_power, static_argnums=1)(A, t), truth.real, 1e-12)


def test_one_power_at_a_time():
    with pytest.raises(
        ValueError, match=r"fractional_matrix_power: t must be one number.*jax\.vmap"
    ):
        fractional_matrix_power(np.eye(2), jnp.ones(2))


def test_vmap_over_powers():
    A, t = SYMMETRIC["spd"], jnp.array([0.5, -0.5])
    roots = jax.vmap(fractional_matrix_power, (None, 0))(A, t)
    assert_relative(roots[0] @ roots[1], np.eye(4), 1e-14)


@jax.jit
def power_and_derivatives(A, t):
    gradient = jax.grad(lambda A: fractional_matrix_power(A, t).sum())(A)
    in_t = jax.jvp(lambda t: fractional_matrix_power(A, t), (t,), (jnp.ones_like(t),))[1]
    return fractional_matrix_power(A, t), gradient, in_t


@pytest.mark.parametrize("t", [0.0, 1.375, -2.5, 3.0, -15.25, 17.5])
def test_powers_that_are_arrays_are_those_of_numbers(t):
    """Rounding of the logarithm is not enlarged: whole powers are split off. ∂A^t/∂t = log(A) A^t."""
    A = np.random.default_rng(0).normal(size=(2, 4, 4)) / 8 + np.eye(4)
    power, gradient, in_t = power_and_derivatives(A, jnp.asarray(t))
    of_number = lambda A: fractional_matrix_power(A, t)  # noqa: E731
    truth = jax.jit(of_number)(A)
    tolerance = 20 * np.finfo(float).eps * max(abs(t), 1)  # D A^t is t A^{t-1} about the identity
    assert_relative(power, truth, tolerance)
    assert_relative(gradient + 1, jax.jit(jax.grad(lambda A: of_number(A).sum()))(A) + 1, tolerance)
    assert_relative(in_t, logm(A) @ truth, tolerance)


def test_with_info():
    """The k-th power of diag(a, b), a > b, has the derivative k a^{k-1} (k > 1)."""
    A = np.diag([4.0, 1.0])
    P, info = jax.jit(lambda A: fractional_matrix_power(A, 1.5, with_info=True))(A)
    np.testing.assert_allclose(P, np.diag([8.0, 1.0]), rtol=1e-14)
    np.testing.assert_allclose(info.branch_distance, np.pi, rtol=1e-14)
    np.testing.assert_allclose(info.condition, 1.5 * 2 * (17 / 65) ** 0.5, rtol=1e-12)
    _, info = fractional_matrix_power(np.diag([-4.0, 1.0]), 0.5, with_info=True)
    assert info.branch_distance == 0 and np.isnan(info.condition)
    _, of_hermitian = fractional_matrix_power(A, 0.5, hermitian=True, with_info=True)
    np.testing.assert_allclose(of_hermitian.condition, 0.5 * (17 / 5) ** 0.5, rtol=1e-12)


@pytest.mark.parametrize("exponent", [-600, 600, 900])
def test_scale(exponent):
    """A logarithm of size 600 would cost three digits."""
    A = 3 * np.eye(4) + np.random.default_rng(5).random((4, 4))
    X = np.asarray(fractional_matrix_power(2.0**exponent * A, 0.5)) / 2.0 ** (exponent // 2)
    assert_close(X @ X, A, 20 * np.finfo(float).eps * np.linalg.norm(A))


@pytest.mark.parametrize("t", [np.int64(2), np.float64(2), np.float32(2)])
def test_numbers_of_numpy(t):
    A = np.array([[-1.0, 1], [0, -2]])
    np.testing.assert_array_equal(fractional_matrix_power(A, t), A @ A)


@pytest.mark.parametrize("t", [np.nan, np.inf])
def test_not_a_number(t):
    assert np.isnan(fractional_matrix_power(np.eye(2) / 2, t)).all()


@pytest.mark.parametrize("t", [1.5, 1.7, 2.7, -1.5])
def test_both_factors_have_the_sign_of_the_power(t):
    """A² A^{-½} has lost half of its digits where A^{3/2} is well conditioned, and overflows earlier."""
    values = 2.0 ** np.array([0, 9, 17, 26])  # reflected without rounding
    A, truth = reflect(*values), reflect(*values**t)
    condition = t * 26 * np.log(2) if t > 0 else 2.0**26  # exp(t log A) rounds t log A
    assert_relative(fractional_matrix_power(A, t), truth, condition * np.finfo(float).eps)


@pytest.mark.parametrize("bits", [26, 40])
def test_ill_conditioned(bits):
    """Denman and Beavers' roots have errors of their own condition; here that of A^0.9 is 1."""
    A, _ = hidden(0, (1, 1), (2 ** (bits // 2), 1), (2 ** (bits // 2) + 1, 1), (2**bits, 1))
    E = np.random.default_rng(1).normal(size=A.shape)
    value, slope = jax.jvp(lambda A: fractional_matrix_power(A, 0.9), (A,), (E,))
    for got, directions in ((value, ()), (slope, ((E,),))):
        truth, tolerance = judge(lambda A: true_power(A, mp.mpf(0.9)), (A,), *directions)
        assert_close(got, truth, tolerance)


@pytest.mark.parametrize("dtype, size, t", [("float64", 1e200, 1.5), ("float32", 1e-20, 1.5)])
def test_a_whole_power_out_of_range(dtype, size, t):
    A = jnp.asarray(size * np.eye(2), dtype)
    value, slope = jax.value_and_grad(lambda A: fractional_matrix_power(A, t)[0, 0])(A)
    tolerance = 100 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(value, size**t, rtol=tolerance)
    np.testing.assert_allclose(slope, np.diag([t * size ** (t - 1), 0]), rtol=tolerance)


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("values, t", [((100, 1), -19.5), ((1000, 0.5), -13.5), ((0.5, 0.4), 13.5)])
def test_no_scale_is_out_of_range(values, t, hermitian):
    """Powers of the largest entry and of what is small beside it are, in single precision."""
    A = np.diag(np.float32(values))
    power = fractional_matrix_power(A, t, hermitian=hermitian)
    truth, info = np.diag(np.array(values) ** t), np.finfo(np.float32)
    np.testing.assert_allclose(power, truth, rtol=10 * abs(t) * info.eps, atol=info.tiny)

"""log(A) and log(I + X): at any gap, near I, at any scale, and where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import expm, log1pm, logm

from ...helpers import (
    GAPS,
    GENERAL,
    SYMMETRIC,
    assert_close,
    assert_promise,
    assert_relative,
    assert_right_at_gaps,
    derivative,
    gap_matrix,
    hermitian,
    identity,
    judge,
    mp,
    reflect,
    rounding,
    true_logm,
    unitary_phases,
)
from ...helpers._heavy import heavy_but

compiled = jax.jit(logm)


def logm_hermitian(A):
    return logm(A, hermitian=True)


def log1pm_hermitian(X):
    return log1pm(X, hermitian=True)


def true_log1pm(X):
    return true_logm(X + identity(len(X)))


def gradient(f, A):
    return jax.grad(lambda A: f(A).real.sum())(A)


ROUTES = pytest.mark.parametrize("route", [logm, logm_hermitian])


ONE_SHAPE = ["repeated", "nearly repeated", "defective", "non-normal", "badly scaled", "n=1", "n=0"]


@pytest.mark.parametrize("name", heavy_but(ONE_SHAPE, ["defective", "n=0"]))
def test_promise(name):
    assert_promise(logm, GENERAL[name], truth=true_logm)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["complex", "float32", "batched"])
def test_promise_of_other_kinds(name):
    assert_promise(logm, GENERAL[name], truth=true_logm)


@pytest.mark.parametrize("name", ["repeated"])
def test_promise_hermitian(name):
    assert_promise(logm_hermitian, SYMMETRIC[name], truth=hermitian(true_logm))


@pytest.mark.slow
def test_gaps():
    matrices = [unitary_phases(gap_matrix(gap)) for gap in GAPS]
    assert_right_at_gaps(logm, true_logm, matrices, symmetric=False)


@pytest.mark.parametrize("size", heavy_but([1e-10, 1e-3, 1.0], [1e-10]))
@pytest.mark.parametrize("route", [log1pm, log1pm_hermitian])
def test_log1pm(size, route):
    """The error is relative to X, and so is that of every derivative."""
    X = size * (GENERAL["spd"] if route is log1pm_hermitian else GENERAL["non-normal"] / 4)
    truth = hermitian(true_log1pm) if route is log1pm_hermitian else true_log1pm
    assert_promise(route, X, truth=truth)


def test_log1pm_of_a_tiny_matrix_to_the_last_digits():
    X = 1e-10 * np.random.default_rng(0).normal(size=(4, 4))
    assert_relative(log1pm(X), X - X @ X / 2, 4e-15)
    assert_relative(logm(np.eye(4) + X), X - X @ X / 2, 1e-5)  # I + X has lost the digits already
    near = np.eye(4) + X
    assert_relative(logm(near), derivative(true_logm, (near,)), 4e-15)


def test_from_above_it_inverts_the_exponential():
    """Spectra far from 1 on both sides, in one batch: each takes its own number of roots."""
    L = np.stack([s * GENERAL["spd"] for s in (1e-3, 1.0, -8.0, 4.0)])
    for L_i, got in zip(L, compiled(expm(L)), strict=True):
        condition = np.linalg.norm(scipy.linalg.expm(L_i)) * np.linalg.norm(scipy.linalg.expm(-L_i))
        assert_relative(got, L_i, 1e-14 * max(1.0, condition))


@ROUTES
@pytest.mark.parametrize("exponent", [-300, -1, 1, 300])
def test_scale(route, exponent):
    """Powers of two only move the logarithm by a multiple of log 2, and divide its derivative."""
    A, c = GENERAL["spd"], 2.0**exponent
    shift = exponent * np.log(2) * np.eye(4)
    assert_relative(route(c * A), np.asarray(route(A)) + shift, 1e-14)
    assert_relative(c * gradient(route, c * A), gradient(route, A), 1e-13)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_ill_conditioned(condition):
    A = reflect(1.0, 1 / condition, 0.5, 0.3)
    truth, tolerance = judge(true_logm, (A,))
    assert_close(compiled(A), truth, tolerance)


@pytest.mark.parametrize("angle", [2.0, 3.0, 3.1, 3.1415, np.pi - 1e-6])
def test_towards_the_branch_cut(angle):
    """A rotation's logarithm is its angle."""
    c, s = np.cos(angle), np.sin(angle)
    A = np.array([[c, -s], [s, c]])
    truth, tolerance = judge(true_logm, (A,))
    assert_close(compiled(A), truth, tolerance)


@pytest.mark.parametrize(
    "A",
    [
        [[-1.0, 0.0], [0.0, 2.0]],
        [[-1.0, 1.0], [0.0, -1.0]],
        [[0.0, 1.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        pytest.param([[-1.0 + 0j, 0.0], [0.0, 2.0]], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_no_principal_logarithm(A):
    """Negative or zero eigenvalues: no finite number, alone or beside a matrix that has one."""
    batch = np.stack([np.array(A), np.array([[2.0, 1.0], [1.0, 2.0]], np.asarray(A).dtype)])
    values, gradients = compiled(batch), gradient(logm, batch)
    for bad in (values[0], gradients[0], compiled(batch[0]), gradient(logm, batch[0])):
        assert not np.isfinite(np.asarray(bad)).any()
    assert_relative(values[1], derivative(true_logm, (batch[1],)), rounding((batch,)))
    assert np.isfinite(gradients[1]).all()


def test_hermitian_indefinite():
    for A in (reflect(-1.0, 1.0, 2.0, 3.0), -np.eye(4), np.diag([0.0, 1.0, 2.0, 3.0])):
        assert not np.isfinite(logm_hermitian(A)).any()
        assert not np.isfinite(gradient(logm_hermitian, A)).any()


def test_a_larger_matrix_and_its_gradient(key):
    A = np.asarray(jax.random.normal(key, (80, 80))) / 80**0.5 + 2 * np.eye(80)
    L = compiled(A)
    assert_relative(scipy.linalg.expm(np.asarray(L)), A, 1e-13)
    E = np.asarray(jax.random.normal(key, (80, 80)))
    change = jax.jit(lambda A, E: jax.jvp(logm, (A,), (E,))[1])(A, E)
    assert_relative(scipy.linalg.expm_frechet(np.asarray(L), np.asarray(change))[1], E, 1e-12)


def test_empty_batch():
    assert logm(jnp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert gradient(logm, jnp.zeros((0, 3, 3))).shape == (0, 3, 3)


def test_trace_is_the_logarithm_of_the_determinant():
    A = GENERAL["non-normal"]
    assert float(jnp.trace(compiled(A))) == pytest.approx(float(mp.log(round(np.linalg.det(A)))))


def test_with_info():
    """Half a turn less 0.1: the distance from the cut; wide spectra take roots; log 1 is 0 / 0."""
    c, s = np.cos(np.pi - 0.1), np.sin(np.pi - 0.1)
    batch = np.stack([np.array([[c, -s], [s, c]]), np.diag([1e-3, 1e3]), np.diag([2.0, 1.0])])
    L, info = jax.jit(lambda A: logm(A, with_info=True))(batch)
    np.testing.assert_allclose(L, logm(batch), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(info.branch_distance, [0.1, np.pi, np.pi], rtol=1e-12)
    assert info.roots[1] > info.roots[2] == 0
    # log of diag(a, b) has the derivative 1/min(a, b)
    np.testing.assert_allclose(info.condition[1], 1e6 / np.log(1e3) / 2**0.5, rtol=1e-9)
    np.testing.assert_allclose(info.condition[2], 5**0.5 / np.log(2), rtol=1e-9)


@pytest.mark.slow
def test_log1pm_with_info():
    """That of I + X; near 0 the function is X itself, and its condition 1."""
    X = np.stack([np.diag([-1 + 1e-3, 1e3]), 1e-9 * np.array([[1.0, 2.0], [3.0, 4.0]])])
    L, info = jax.jit(lambda X: log1pm(X, with_info=True))(X)
    np.testing.assert_allclose(L, log1pm(X), rtol=1e-13)
    of_sum = logm(np.eye(2) + X, with_info=True)[1]
    np.testing.assert_allclose(info.branch_distance, of_sum.branch_distance, rtol=1e-12)
    np.testing.assert_array_equal(info.roots, of_sum.roots)
    # log1p(x) has the derivative 1/(1 + x), largest at the smaller entry; κ of logm(I + 1e-9 G) is 1e9.
    size = np.linalg.norm(X[0]) / np.hypot(np.log(1e-3), np.log(1e3 + 1))
    np.testing.assert_allclose(info.condition, [1e3 * size, 1.0], rtol=1e-8)

"""The nearest matrix of rank k, where singular values repeat or vanish."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import best_rank

from ...helpers import assert_lowers_for_cuda, assert_nan, assert_promise, identity
from ...helpers._jets import derivative
from ...helpers._promise import along, assert_relative
from ...helpers._truth import _adjoint, true_signm

Q = np.eye(4) - 0.5  # exact, as are its products with what follows
PHASES = np.diag([1, 1j, -1, -1j])


def with_values(*values):
    """4 x 3."""
    return Q[:, :3] @ np.diag(values)


def leading_two(A):
    return best_rank(A, 2)


def true_leading_two(A):
    """P A, P of the singular values above 1.25."""
    K = A @ _adjoint(A)
    return (identity(len(A)) + true_signm(K - identity(len(A)) * 1.5625)) @ A * 0.5


@pytest.mark.parametrize(
    "A",
    [
        with_values(2.0, 2.0, 0.0).T,
        with_values(2.0, 2.0 + 1e-14, 0.5).T,
        pytest.param(PHASES @ with_values(2.0, 1.5, 0.5), marks=pytest.mark.slow),
        pytest.param(Q @ np.diag([2.0, 2.0, 0.5, 0.5]), marks=pytest.mark.slow),
    ],
)
def test_promise(A):
    assert_promise(leading_two, A, truth=true_leading_two)


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-10, 1e-6, 0.1])
def test_second_and_third_derivative_at_gaps(gap):
    """Of two singular values that are kept, and of another to 0."""
    A = PHASES @ with_values(2.0 + gap, 2.0, gap)
    d, e, f = ((np.arange(12.0).reshape(4, 3) % p - 1j * p / 7,) for p in (3, 5, 7))
    assert_relative(_second(A, d, e), derivative(true_leading_two, (A,), d, e), 1e-12)
    assert_relative(_third(A, d, e, f), derivative(true_leading_two, (A,), d, e, f), 1e-12)


@jax.jit
def _second(A, d, e):
    return along(along(leading_two, d), e)(A)


@jax.jit
def _third(A, d, e, f):
    return along(along(along(leading_two, d), e), f)(A)


def test_is_the_truncated_svd():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(2, 7, 3)) + 1j * rng.normal(size=(2, 7, 3))
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    for k in range(4):
        true = (U[..., :k] * s[:, None, :k]) @ Vh[..., :k, :]
        np.testing.assert_allclose(best_rank(A, k), true, atol=1e-14)
        np.testing.assert_allclose(best_rank(A.mT, k), true.mT, atol=1e-14)


def test_derivative_is_the_tangent_space_of_rank_k():
    """At A of rank k, E loses what is in neither space."""
    A, E = with_values(2.0, 2.0, 0.0), np.arange(12.0).reshape(4, 3)
    left, right = Q[:, 2:] @ Q[:, 2:].T, np.diag([0.0, 0.0, 1.0])
    F, dF = jax.jvp(leading_two, (A,), (E,))
    np.testing.assert_allclose(F, A, atol=1e-15)
    np.testing.assert_allclose(dF, E - left @ E @ right, atol=1e-13)


def test_tie():
    """No nearest matrix; or only one, but without derivatives."""
    A = with_values(2.0, 1.0, 1.0)
    E = np.arange(12.0).reshape(4, 3)
    for X in (A, with_values(2.0, 1.0, 1.0 + 2e-15), A * np.nan):
        F, dF = jax.jvp(leading_two, (X,), (E,))
        assert_nan(F)
        assert_nan(dF)
    for X in (with_values(2.0, 0.0, 0.0), np.zeros((4, 3))):
        F, dF = jax.jvp(leading_two, (X,), (E,))
        np.testing.assert_allclose(F, X, atol=1e-15)
        assert_nan(dF)
        np.testing.assert_array_equal(jax.jvp(lambda A: best_rank(A, 3), (X,), (E,))[1], E)


def test_batches_dtypes_and_empty():
    A = np.stack([with_values(2.0, 2.0, 0.5), with_values(3.0, 1.0, 0.0)])
    one = [jax.grad(lambda A: (leading_two(A) ** 3).sum())(X) for X in A]
    np.testing.assert_allclose(jax.grad(lambda A: (leading_two(A) ** 3).sum())(A), one, atol=1e-13)
    assert best_rank(np.zeros((3, 0, 2)), 0).shape == (3, 0, 2)
    assert best_rank(A.astype("complex64"), 1).dtype == "complex64"
    assert best_rank(np.eye(3, 2, dtype=int), 1).dtype == jnp.result_type(float)


def test_bad_input():
    for k in (4, -1, 1.0):
        with pytest.raises(ValueError, match=r"0\.\.3 for 4 x 3"):
            best_rank(np.ones((4, 3)), k)
    with pytest.raises(ValueError, match="best_rank"):
        best_rank(np.ones(3), 1)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(leading_two, with_values(2.0, 2.0, 0.5))

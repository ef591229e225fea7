"""A A⁺ and I - A⁺ A at a known rank: their derivatives where singular values are equal."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import null_projector, orth_projector

from ...helpers import (
    assert_close,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    identity,
)
from ...helpers._truth_rectangular import true_range

RNG = np.random.default_rng(0)
ROTATION = (np.eye(4) - 0.5)[:, [1, 2, 0, 3]]
COMPLEX = RNG.normal(size=(3, 1)) + 1j * RNG.normal(size=(3, 1))


def lower_range(L, R):
    """The range of L R is that of L."""
    return orth_projector(L @ R, rank=L.shape[1])


def true_lower_range(L, R):
    return true_range(L) + 0 * (L @ R)[0, 0]


def true_null(A):
    return identity(A.shape[1]) - true_range(A.T)


@pytest.mark.parametrize(
    "A",
    [ROTATION[:, :2], RNG.normal(size=(4, 2)), pytest.param(COMPLEX, marks=pytest.mark.slow)],
    ids=["orthonormal", "tall", "complex"],
)
def test_promise(A):
    assert_promise(orth_projector, A, truth=true_range)


@pytest.mark.parametrize("A", [ROTATION[:2], RNG.normal(size=(2, 4))], ids=["orthonormal", "wide"])
def test_promise_null(A):
    assert_promise(null_projector, A, truth=true_null)


@pytest.mark.slow
def test_promise_of_lower_rank():
    L, R = ROTATION[:, :2], RNG.normal(size=(2, 3))
    assert_promise(lower_range, L, R, truth=true_lower_range)


def test_scipy_bases():
    A = RNG.normal(size=(5, 2)) @ RNG.normal(size=(2, 3))
    for projector, basis in (
        (orth_projector, scipy.linalg.orth),
        (null_projector, scipy.linalg.null_space),
    ):
        for X in (A, A.T):
            B = basis(X)
            assert_close(projector(X, rank=2), B @ B.T, 1e-13)


def test_the_null_space_of_the_full_svd():
    """jax: NotImplementedError, for derivatives of svd(full_matrices=True)."""
    A, E = ROTATION[:2], RNG.normal(size=(2, 4))
    P, dP = jax.jvp(null_projector, (A,), (E,))
    truth = -A.T @ E @ P
    assert_relative(dP, truth + truth.T, 1e-13)


def test_nearest_range():
    """Of a larger rank, the leading singular vectors count, and the gap after them."""
    s = np.array([2.0, 2.0, 0.5, 0.5])
    U, E = ROTATION, RNG.normal(size=(4, 4))
    A, K = U * s, U.T @ E
    P, dP = jax.jvp(lambda A: orth_projector(A, rank=2), (A,), (E,))
    assert_close(P, U[:, :2] @ U[:, :2].T, 1e-14)
    X = np.zeros((4, 4))  # D P of A Aᵀ, whose eigenvectors are U
    T = (K * s[None, :]) + (K * s[None, :]).T
    X[:2, 2:] = T[:2, 2:] / (s[:2, None] ** 2 - s[None, 2:] ** 2)
    assert_relative(dP, U @ (X + X.T) @ U.T, 1e-13)


@pytest.mark.parametrize("A", [np.diag([1.0, 1.0, 0.5]), np.diag([1.0, 0.0, 0.0])], ids=str)
def test_no_gap_at_the_rank(A):
    """Rank 1 of diag(1, 1, ...), rank 2 of diag(1, 0, 0): one space of many."""
    rank = 1 if A[1, 1] else 2
    assert_nan(jax.grad(lambda A: (orth_projector(A, rank) ** 2).sum())(A))


def test_ranks():
    A = RNG.normal(size=(3, 2))
    assert_close(orth_projector(A, 0), np.zeros((3, 3)), 0)
    assert_close(null_projector(A, 0), np.eye(2), 0)
    assert_close(null_projector(np.zeros((0, 2))), np.eye(2), 0)
    for rank in (3, -1, 1.0, "1"):
        with pytest.raises(ValueError, match="orth_projector: rank must be an integer from 0 to 2"):
            orth_projector(A, rank)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(null_projector, RNG.normal(size=(2, 4)))

"""The projector of all eigenvalues in a disc, of general matrices, beside and inside Jordan blocks."""

import jax
import numpy as np
import pytest

from mcjax.linalg import riesz_projector

from ...helpers import (
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    identity,
)
from ...helpers._gaps import assert_right_at_gaps
from ...helpers._truth import true_signm, true_solve

T = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1)
T_INVERSE = np.round(np.linalg.inv(T))  # integers
PHASES = np.diag([1, 1j, -1, -1j])


def block(gap=0.0, coupling=1.0):
    """Eigenvalues 1, 1 + gap in a Jordan block, and -1, 3."""
    J = np.diag([1.0, 1.0 + gap, -1.0, 3.0])
    J[0, 1] = coupling
    return T @ J @ T_INVERSE


def near_one(A):
    return riesz_projector(A, 1.0, 1.0)


def true_near_one(A):
    one = identity(len(A))
    return (one + true_signm(true_solve(A, one) * 2 - one)) * 0.5  # I + M = A


@pytest.mark.slow
def test_any_gap_inside():
    matrices = [block(gap / 4) for gap in (0.0, 1e-14, 1e-7, 1e-3, 1.0)]
    assert_right_at_gaps(near_one, true_near_one, matrices, symmetric=False)


@pytest.mark.parametrize(
    "A",
    [
        block(),
        pytest.param(block(coupling=0.0), marks=pytest.mark.slow),
        pytest.param(PHASES @ block(1e-10) @ PHASES.conj(), marks=pytest.mark.slow),
    ],
)
def test_promise(A):
    assert_promise(near_one, A, truth=true_near_one)


def test_is_a_projector():
    A = block()
    P = near_one(A)
    np.testing.assert_allclose(P, T[:, :2] @ T_INVERSE[:2], atol=1e-13)
    np.testing.assert_allclose(P @ P, P, atol=1e-13)
    np.testing.assert_allclose(P @ A, A @ P, atol=1e-13)


def test_discs():
    A = np.array([[0.0, 2.0], [-2.0, 0.0]])  # ±2i
    V = np.array([[1.0, 1.0], [1j, -1j]]) / 2**0.5
    for center, chosen in ((2j, V[:, :1]), (-2j, V[:, 1:])):
        P = riesz_projector(A, center, 1.0)
        np.testing.assert_allclose(P, chosen @ chosen.conj().T, atol=1e-15)
    P = jax.jit(riesz_projector)(A, 0.0, 3.0)
    assert P.dtype == A.dtype
    np.testing.assert_allclose(P, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(riesz_projector(A, 0, 1), np.zeros((2, 2)), atol=1e-15)
    for pole in (1.0, -1.0):  # an eigenvalue at one pole or beside it takes the other map
        P = riesz_projector(np.diag([0.0, pole * (1 + 1e-9)]), 0.0, 1.0)
        np.testing.assert_allclose(P, np.diag([1.0, 0.0]), atol=1e-6)  # eps over the distance, 1e-9


def test_eigenvalue_on_the_circle():
    A = np.array([[0.0, 2.0], [-2.0, 0.0]])
    for X, radius in ((A, 2.0), (np.diag([2.0, 0.0]), 2.0), (np.diag([-2.0, 0.0]), 2.0)):
        P, dP = jax.jvp(lambda A, r=radius: riesz_projector(A, 0.0, r), (X,), (A,))
        assert_nan(P)
        assert_nan(dP)
    assert_nan(riesz_projector(A, 0.0, -3.0))
    assert_nan(riesz_projector(A * np.nan, 0.0, 3.0))


def test_mean_of_a_defective_eigenvalue():
    """Its gradient is Pᵀ over how many there are, where each eigenvalue alone has none."""

    def mean(A):
        P = near_one(A)
        return (P @ A).trace() / P.trace()

    value, gradient = jax.value_and_grad(mean)(block())
    np.testing.assert_allclose(value, 1.0, atol=1e-13)
    np.testing.assert_allclose(gradient, (T[:, :2] @ T_INVERSE[:2]).T / 2, atol=1e-12)


def test_batches_and_empty():
    A = np.stack([block(), block(0.25)])
    gradient = jax.jit(jax.grad(lambda A: (near_one(A) ** 3).sum()))
    assert_relative(gradient(A), np.stack([gradient(X) for X in A]), 1e-13)
    assert near_one(np.zeros((3, 0, 0))).shape == (3, 0, 0)
    assert riesz_projector(np.eye(2, dtype="float32"), 1.0, 0.5).dtype == "float32"


def test_bad_input():
    with pytest.raises(ValueError, match=r"jax\.vmap takes a disc"):
        riesz_projector(np.eye(2), np.ones(2), 1.0)
    with pytest.raises(ValueError, match="square"):
        near_one(np.ones((2, 3)))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(near_one, block())

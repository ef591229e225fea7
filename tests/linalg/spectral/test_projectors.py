"""Spectral projectors, sums of eigenvalues, and projectors of the SVD, where eigenvalues repeat."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import eigvalsh_sum, spectral_projector, svd_projectors

from ...helpers import assert_lowers_for_cuda, assert_nan, assert_promise, hermitian, identity
from ...helpers._gaps import GAPS, assert_right_at_gaps
from ...helpers._truth import true_signm
from ...helpers._truth_rectangular import flat, real

Q = np.eye(4) - 0.5  # exact, as are its products with what follows
PHASES = np.diag([1, 1j, -1, -1j])


def with_eigenvalues(*values):
    return Q @ np.diag(values) @ Q


def below(A):
    """The two smallest of four eigenvalues, those below 1.5."""
    return spectral_projector(A, slice(0, 2))


def between(A):
    return spectral_projector(A, (1.5, 3.0))


def smallest_two(A):
    return eigvalsh_sum(A, 2)


def left_and_right(A):
    P = svd_projectors(A, 2)
    return jnp.concatenate([P.left.reshape(-1), P.right.reshape(-1)])


def true_below(A, cut=1.5):
    one = identity(len(A))
    return (one - true_signm(A - one * cut)) * 0.5


def true_between(A):
    return true_below(A, 3) - true_below(A)


def true_smallest_two(A):
    return real(np.trace(true_below(A) @ A))


def true_left_and_right(A):
    """Singular values above 1.5."""
    return flat(identity(len(X)) - true_below(X, 2.25) for X in (A @ A.T, A.T @ A))


@pytest.mark.parametrize("turn", [np.eye(4), pytest.param(PHASES, marks=pytest.mark.slow)])
def test_any_gap_inside(turn):
    """Only the gap to the rest counts."""
    matrices = [turn @ with_eigenvalues(1.0, 1.0 + gap / 4, 2.0, 4.0) @ turn.conj() for gap in GAPS]
    assert_right_at_gaps(below, hermitian(true_below), matrices, symmetric=True)


@pytest.mark.slow
def test_interval_at_any_gap():
    matrices = [with_eigenvalues(1.0, 2.0, 2.0 + gap / 4, 4.0) for gap in GAPS]
    assert_right_at_gaps(between, hermitian(true_between), matrices, symmetric=True)


def test_promise_of_an_interval():
    A = with_eigenvalues(1.0, 2.0, 2.0, 4.0)
    assert_promise(between, A, truth=hermitian(true_between))


def test_promise_of_a_sum():
    A = PHASES @ with_eigenvalues(1.0, 1.0, 2.0, 2.0) @ PHASES.conj()
    assert_promise(smallest_two, A, truth=hermitian(true_smallest_two))


def test_promise_of_singular_vectors():
    A = (Q @ np.diag([2.0, 2.0, 1.0, 0.5]))[:, :3]
    assert_promise(left_and_right, A, truth=true_left_and_right)


def test_selections():
    A = with_eigenvalues(-1.0, 2.0, 3.0, 7.0)
    w, V = scipy.linalg.eigh(A)
    for select, chosen in (
        (slice(1, 3), [1, 2]),
        (slice(-1, None), [3]),
        (slice(2, 2), []),
        (slice(None), [0, 1, 2, 3]),
        ((-np.inf, 2.5), [0, 1]),
        ((0.0, np.inf), [1, 2, 3]),
        ((4.0, 5.0), []),
    ):
        P = V[:, chosen] @ V[:, chosen].T
        np.testing.assert_allclose(spectral_projector(A, select), P, atol=2e-15)
        np.testing.assert_allclose(eigvalsh_sum(A, select), w[chosen].sum(), atol=2e-14)
    np.testing.assert_allclose(eigvalsh_sum(A, 3), 4.0, atol=1e-14)
    low = jax.jit(lambda A, cut: spectral_projector(A, (-jnp.inf, cut)))
    np.testing.assert_allclose(low(A, 2.5), V[:, :2] @ V[:, :2].T, atol=2e-15)


def test_cut_through_a_tie():
    """There is no projector; the sum has a kink, and the mean of its subgradients for a gradient."""
    A = with_eigenvalues(1.0, 1.0, 2.0, 4.0)
    for X in (A, with_eigenvalues(1.0, 1.0 + 2e-15, 2.0, 4.0)):
        assert_nan(spectral_projector(X, slice(0, 1)))
        half = Q[:, :2] @ Q[:, :2].T / 2
        np.testing.assert_allclose(jax.grad(eigvalsh_sum)(X, 1), half, atol=1e-15)
        assert_nan(jax.jvp(jax.grad(lambda A: eigvalsh_sum(A, 1)), (X,), (A,))[1])
        assert_nan(jax.grad(eigvalsh_sum)(X, slice(1, 3)))
    assert_nan(spectral_projector(A, (0.0, 2.0)))
    assert_nan(eigvalsh_sum(A, (0.0, 2.0)))
    assert_nan(svd_projectors(np.eye(2), 1).left)
    assert_nan(spectral_projector(A * np.nan, slice(0, 1)))


def test_an_end_that_is_nan():
    assert_nan(spectral_projector(np.diag([1.0, 2.0, 3.0]), (np.nan, 2.5)))


def test_batches_and_empty():
    A = np.stack([with_eigenvalues(1.0, 1.0, 2.0, 4.0), with_eigenvalues(1.0, 2.0, 2.0, 4.0)])
    G = np.arange(16.0).reshape(4, 4)
    for f in (lambda A: jnp.einsum("...ij,ij->...", between(A), G), smallest_two):
        each = [jax.value_and_grad(f)(X) for X in A]
        mapped = jax.vmap(jax.value_and_grad(f))(A)
        batched = f(A), jax.grad(lambda A, f=f: f(A).sum())(A)
        for i, one in enumerate(each):
            for whole in (mapped, batched):
                for got, true in zip(whole, one, strict=True):
                    np.testing.assert_allclose(got[i], true, atol=1e-13)
    assert spectral_projector(np.zeros((3, 0, 0)), slice(0, 1)).shape == (3, 0, 0)
    np.testing.assert_array_equal(eigvalsh_sum(np.zeros((3, 0, 0)), 0), np.zeros(3))
    assert spectral_projector(np.eye(2, dtype="complex64"), slice(0, 2)).dtype == "complex64"


def test_hessian_of_a_sum_at_a_multiple_eigenvalue():
    """The trace is linear, and JAX's Hessian of it through eigenvalues is NaN where they repeat."""
    hessian = jax.hessian(lambda A: eigvalsh_sum(A, slice(None)))(np.eye(3))
    np.testing.assert_array_equal(hessian, np.zeros((3, 3, 3, 3)))


def test_bad_input():
    A = np.eye(3)
    with pytest.raises(ValueError, match="no step"):
        spectral_projector(A, slice(0, 3, 2))
    with pytest.raises(TypeError, match="slice of the ascending eigenvalues, or a pair"):
        spectral_projector(A, 3)
    with pytest.raises(ValueError, match=r"0\.\.3.*slice\(-4, None\)"):
        eigvalsh_sum(A, 4)
    with pytest.raises(ValueError, match=r"1\.\.3"):
        svd_projectors(A, 0)
    for f in (below, smallest_two, left_and_right):
        with pytest.raises(ValueError):
            f(np.ones(3))


def test_lowers_for_cuda():
    for f in (below, between, smallest_two):
        assert_lowers_for_cuda(f, with_eigenvalues(1.0, 1.0, 2.0, 4.0))

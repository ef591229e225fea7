"""Cholesky, L U and L D Lᴴ without pivots, against elimination in 60 digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import cholesky, ldl, unpivoted_lu

from ...helpers import GENERAL, SYMMETRIC, assert_close, assert_nan, assert_promise, assert_relative
from ...helpers._heavy import heavy_but
from ...helpers._truth_dense import true_cholesky, true_lu

RNG = np.random.default_rng(0)
INDEFINITE = np.array([[2.0, 1, 3, 0], [1, -1, 0, 2], [3, 0, 1, 1], [0, 2, 1, -3]])


def both_factors(A):
    return jnp.concatenate(unpivoted_lu(A), -2)


def factors_of_hermitian(A):
    L, d = ldl(A)
    return jnp.concatenate([L, L.mT.conj() * d.astype(A.dtype)[..., :, None]], -2)


@pytest.mark.parametrize(
    "name", heavy_but(["repeated", "hermitian", "badly scaled"], ["hermitian"])
)
def test_cholesky_promise(name):
    D = 10.0 ** np.arange(-2, 2)
    A = D[:, None] * SYMMETRIC["spd"] * D if name == "badly scaled" else SYMMETRIC[name]
    assert_promise(cholesky, A, truth=true_cholesky)


@pytest.mark.parametrize("name", ["complex"])
def test_lu_promise(name):
    assert_promise(both_factors, GENERAL[name], truth=true_lu)


def test_lu_promise_where_only_the_last_pivot_vanishes():
    assert_promise(both_factors, INDEFINITE[:, :3] @ INDEFINITE[:3], truth=true_lu)


@pytest.mark.parametrize("n", [1, 40])
def test_sizes(n):
    X = RNG.normal(size=(2, n, n))
    A = X @ X.swapaxes(1, 2) + np.eye(n)
    assert_relative(cholesky(A), np.linalg.cholesky(A), 1e-13)
    assert_relative(cholesky(A, upper=True), np.linalg.cholesky(A).swapaxes(1, 2), 1e-13)
    L, U = unpivoted_lu(X + 3 * n * np.eye(n))
    assert_relative(L @ U, X + 3 * n * np.eye(n), 1e-13)
    L, d = ldl(A - 0.5 * np.eye(n))
    assert_relative(
        L * np.asarray(d)[:, None, :] @ np.asarray(L).swapaxes(1, 2), A - 0.5 * np.eye(n), 1e-12
    )


def test_ldl_derivatives():
    """L D Lᴴ = A: its derivatives are those of the Hermitian part; and those of d."""
    A = INDEFINITE
    E = RNG.normal(size=A.shape)

    def product(A):
        L, d = ldl(A)
        return (L * d[None, :]) @ L.T

    assert_close(product(A), A, 1e-14)
    assert_close(jax.jvp(product, (A,), (E,))[1], (E + E.T) / 2, 1e-13)
    assert_close(jax.jvp(jax.grad(lambda A: product(A).sum()), (A,), (E,))[1], 0 * A, 1e-11)
    assert_close(jax.jacobian(lambda A: ldl(A)[1])(A)[0], np.diag([1.0, 0, 0, 0]), 1e-14)
    assert ldl(A + 0j)[1].dtype == A.dtype


@pytest.mark.parametrize("rank, n", [(1, 2), (2, 4), (0, 3), (20, 40)])
def test_singular(rank, n):
    """jax.numpy's is NaN. There is a factor, with zero columns, and no derivative."""
    X = np.concatenate([2 * np.eye(rank), RNG.integers(-1, 2, (n - rank, rank))])
    A = X @ X.T
    L = np.asarray(cholesky(A))
    assert_close(L @ L.T, A, 1e-12 * max(1, np.abs(A).max()))
    assert (np.abs(L).max(0) == 0).sum() == n - rank
    assert_nan(jax.grad(lambda A: cholesky(A).sum())(A))


def test_singular_among_others():
    """In a batch, the derivative of a regular matrix does not see its singular neighbour."""
    A = np.stack([np.ones((2, 2)), np.array([[2.0, 1.0], [1.0, 2.0]])])
    gradient = jax.grad(lambda A: cholesky(A).sum())(A)
    assert_nan(gradient[0])
    assert_close(gradient[1], jax.grad(lambda A: jnp.linalg.cholesky(A).sum())(A[1]), 1e-14)


def test_no_factor():
    for A in ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 2.0], [2.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]]):
        assert_nan(cholesky(np.array(A)))
    for factors in (unpivoted_lu, ldl):
        for part in factors(np.array([[0.0, 1.0], [1.0, 0.0]])):
            assert_nan(part)
    batch = np.stack([np.zeros((3, 3)), np.eye(3)])
    assert_close(unpivoted_lu(batch)[1][1], np.eye(3), 0.0)


@pytest.mark.parametrize("dtype, large", [("float64", 1e20), ("float32", 1e8)])
def test_a_last_pivot_below_the_rounding_of_others(dtype, large):
    """It was 0, and a definite matrix singular."""
    A = jnp.asarray(np.diag([large, 1.0, 1.0]), dtype)
    np.testing.assert_array_equal(unpivoted_lu(A)[1], A)
    np.testing.assert_array_equal(ldl(A)[1], jnp.diagonal(A))
    slopes = jax.jacobian(lambda A: unpivoted_lu(A)[1][2, 2])(A)
    np.testing.assert_array_equal(slopes, np.diag([0, 0, 1]))

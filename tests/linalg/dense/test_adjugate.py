"""adj A against cofactors in 60 digits, at every rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import adjugate, det

from ...helpers import GENERAL, SINGULAR, assert_close, assert_promise, assert_relative, rounding
from ...helpers._heavy import heavy_but
from ...helpers._truth_dense import true_adjugate

CASES = ["repeated", "complex", "batched", "n=1", "n=0", "badly scaled"]


@pytest.mark.parametrize("name", heavy_but(CASES, ["complex"]))
def test_promise(name):
    assert_promise(adjugate, GENERAL[name], truth=true_adjugate)


@pytest.mark.parametrize("rank", [0, 2, 3])
def test_promise_where_singular(rank):
    A = np.array([[2.0, 1, 0, 1], [1, -1, 3, 0], [0, 1, 1, -2]])[:rank]
    assert_promise(adjugate, A.T @ A, truth=true_adjugate)


def test_product_with_the_matrix():
    A = np.stack([GENERAL["non-normal"], SINGULAR])
    expected = np.asarray(det(A))[:, None, None] * np.eye(4)
    assert_close(adjugate(A) @ A, expected, rounding((A,)) * np.abs(A).max() ** 4)
    assert_close(A @ adjugate(A), expected, rounding((A,)) * np.abs(A).max() ** 4)


def test_the_inverse_where_there_is_one():
    A = GENERAL["spd"]
    assert_relative(adjugate(A), np.linalg.det(A) * np.linalg.inv(A), 1e-13)


def test_linear_in_a_matrix_of_two():
    """adj [[a, b], [c, d]] = [[d, -b], [-c, a]], at zero too."""
    J = jax.jacobian(adjugate)(jnp.zeros((2, 2)))
    E = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(np.einsum("ijkl,kl->ij", J, E), [[4, -2], [-3, 1]], atol=1e-15)
    assert np.abs(jax.hessian(adjugate)(jnp.eye(2))).max() < 1e-15


@pytest.mark.parametrize("scale", [1e-100, 1e6, 1e12, 1e100])
def test_derivative_at_any_scale(scale):
    """D adj(B)[I] = tr(B) I - B for B of three rows, and it is linear in B."""
    B = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]])
    along = jax.jvp(adjugate, (scale * B,), (np.eye(3),))[1]
    assert_close(along / scale, np.trace(B) * np.eye(3) - B, 1e-13)

"""What derivatives there are at a tie does not depend on how large directions and cotangents are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax import linalg

from ...helpers import assert_nan

# Squares of these are out of range.
SCALES = [
    ("float32", 2.0**-70),
    ("float32", 2.0**70),
    ("float64", 2.0**-560),
    ("float64", 2.0**530),
]
PAIRS = np.diag([1.0, 1, 2, 2])
E = np.diag([3.0, 4, -5, -6])


@pytest.mark.parametrize("dtype, scale", SCALES)
@pytest.mark.parametrize("function", [linalg.eigvalsh, linalg.eigvals, linalg.svdvals])
def test_clusters_stay_apart(function, dtype, scale):
    """At diag(1, 1, 2, 2) along diag(3, 4, -5, -6): the diagonal, and 6 λ λ' for the gradient of Σ λ³."""
    A, D, scale = (jnp.asarray(x, dtype) for x in (PAIRS, E, scale))
    gradient = jax.grad(lambda A: (function(A) ** 3).sum().real)

    @jax.jit
    def along(D):
        slopes = jax.jvp(function, (A,), (D,))[1]
        return jnp.sort(slopes.real), jnp.diag(jax.jvp(gradient, (A,), (D,))[1])

    slopes, moved = (x / scale for x in along(D * scale))
    tolerance = 100 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(slopes, [-6, -5, 3, 4], rtol=tolerance)
    np.testing.assert_allclose(moved, [18, 24, -60, -72], rtol=tolerance)


@pytest.mark.parametrize("dtype, scale", SCALES)
def test_what_does_not_exist_is_nan(dtype, scale):
    A, D, scale = (jnp.asarray(x, dtype) for x in (np.diag([1.0, 1, 2, 3]), E, scale))
    few = lambda A: linalg.eigsh(A, 2, which="SA")  # noqa: E731
    assert_nan(jax.jvp(lambda A: few(A).eigenvalues, (A,), (D * scale,))[1])
    assert_nan(jax.grad(lambda A: scale * few(A).eigenvectors[1, 0])(A)[0, :2])

    d, e = (jnp.asarray(x, dtype) for x in ([1.0, 1, 2], [1.0, 0]))
    banded = lambda e: linalg.eigh_tridiagonal(d, e)  # noqa: E731
    assert_nan(jax.jvp(lambda e: banded(e)[0], (0 * e,), (e * scale,))[1][:2])
    assert_nan(jax.grad(lambda e: scale * banded(e)[1][1, 0])(0 * e))


@pytest.mark.parametrize("dtype, scale", SCALES)
def test_branches_of_a_tie_that_splits_late(dtype, scale):
    """[[0, b], [bᴴ, 2]] for b = (1, 2): the tie of two splits by -t² b bᴴ/2."""
    A, scale = jnp.asarray(np.diag([1.0, 1, 3]), dtype), jnp.asarray(scale, dtype)
    D = jnp.asarray([[0.0, 0, 1], [0, 0, 2], [1, 2, 0]], dtype)
    found = linalg.eigh_directional(A, D * scale)
    np.testing.assert_array_equal(found.order, [2, 2, 0])
    tolerance = 100 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(abs(found.eigenvectors[0, :2]), np.array([1, 2]) / 5**0.5, tolerance)
    np.testing.assert_allclose(found.eigenvector_slopes[:2, 2] / scale, [0.5, 1], rtol=tolerance)

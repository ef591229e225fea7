"""Eigenproblems of A c are those of A, from where numbers begin to where they end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax import linalg

A = np.array([[1.0, 2.0, 0.0], [3.0, -1.0, 1.0], [0.5, 1.0, 2.0]])
# Squares of these are out of range, and LAPACK's eigenvalues of such matrices are wrong by factors.
SCALES = [
    ("float32", 2.0**-63),
    ("float32", 2.0**63),
    ("float64", 2.0**-465),
    ("float64", 2.0**510),
]
WEIGHTS = np.cos(np.arange(9.0)).reshape(3, 3)


def _weighted(X):
    return (WEIGHTS.astype(X.dtype)[:, : X.shape[1]] * X**2).sum()


def _vectors(A):
    w, V = linalg.eig(A)
    return jnp.abs(V[:, jnp.argsort(w.real)])


LOSSES = {  # of A = c A₀, the same for every c
    "eigvals": lambda A, c: ((linalg.eigvals(A).real / c) ** 3).sum(),
    "eig": lambda A, c: _weighted(_vectors(A)),
    "abscissa": lambda A, c: linalg.spectral_abscissa(A) / c,
    "radius": lambda A, c: linalg.spectral_radius(A) / c,
    "condition": lambda A, c: linalg.eigvals_cond(A).max(),
    "schur": lambda A, c: _weighted(jnp.abs(linalg.schur(A, "complex", sort="lhp")[1][:, :1])),
    "hessenberg": lambda A, c: _weighted(linalg.hessenberg(A, True)[1]),
}
SLOPES = {name: jax.jit(jax.value_and_grad(loss)) for name, loss in LOSSES.items()}


@pytest.mark.parametrize("dtype, scale", SCALES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_homogeneous(name, dtype, scale):
    scale, unit = jnp.asarray(scale, dtype), jnp.asarray(1, dtype)
    near = jnp.asarray(A, dtype)
    value, slope = SLOPES[name](near, unit)
    far_value, far_slope = SLOPES[name](near * scale, scale)
    tolerance = 1000 * float(jnp.finfo(dtype).eps)  # the eigenvalues are 1.5 apart, κ is 1.3
    np.testing.assert_allclose(far_value, value, rtol=tolerance)
    np.testing.assert_allclose(far_slope * scale, slope, atol=tolerance * np.abs(slope).max())


def test_polynomials_of_one_unknown():
    one = lambda x: jnp.full((1, 1), float(x))  # noqa: E731
    for coefficients in [(-1, 1, 2), (0.5, 1, 2), (3, 1, 2), (3, 1, 1, 2)]:
        found = np.asarray(linalg.polyeig(*map(one, coefficients)).eigenvalues)
        roots = np.roots(coefficients[::-1])
        assert np.abs(found[:, None] - roots[None, :]).min(0).max() < 1e-14
    # Of -1 + λ + 2 λ² the root 1/2 moves with the constant as -1/(1 + 4 λ).
    slope = jax.grad(lambda a: linalg.polyeig(a, one(1), one(2)).eigenvalues.real.max())(one(-1))
    np.testing.assert_allclose(slope, [[-1 / 3]], rtol=1e-14)


def test_close_and_multiple_eigenvalues_of_polynomials():
    turn, unit = np.array([[0.8, -0.6], [0.6, 0.8]]), np.eye(2)
    for gap in (1e-3, 1e-6, 0):
        found = linalg.polyeig(-turn @ np.diag([1, 1 + gap]) @ turn.T, unit).eigenvalues
        np.testing.assert_allclose(np.sort(found.real), [1, 1 + gap], rtol=1e-14)
    found = linalg.polyeig(-2 * unit, 0 * unit, unit).eigenvalues
    np.testing.assert_allclose(np.sort(found.real), 2**0.5 * np.array([-1, -1, 1, 1]), rtol=1e-14)


def test_small_and_empty_matrices():
    none = jnp.zeros((0, 0))
    for w in (lambda a: linalg.eigh(a).eigenvalues, lambda a: linalg.eigh(a, none).eigenvalues):
        assert jax.grad(lambda a, w=w: w(a).sum())(none).shape == (0, 0)
    assert jax.grad(lambda a: linalg.hessenberg(a)[0, 0])(jnp.ones((1, 1))) == 1


def test_integers_of_numpy():
    X, k = jnp.asarray(A), np.int64(2)
    np.testing.assert_array_equal(linalg.best_rank(X, k), linalg.best_rank(X, 2))
    np.testing.assert_array_equal(linalg.eigvalsh_sum(X, k), linalg.eigvalsh_sum(X, 2))
    np.testing.assert_array_equal(linalg.phim(k, X), linalg.phim(2, X))
    np.testing.assert_array_equal(
        linalg.null_projector(X, rank=k), linalg.null_projector(X, rank=2)
    )

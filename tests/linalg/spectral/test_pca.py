"""Principal components against NumPy's SVD of the samples, and in closed form at repeated variances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import pca
from mcjax.verify.differences import jvp as difference

from ...helpers import assert_lowers_for_cuda, assert_nan

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_as_numpy(kind):
    X = RNG.normal(size=(2, 9, 4)) * np.array([3.0, 2.0, 1.0, 0.5])
    X = X + 1j * X[:, ::-1] if kind == "complex" else X
    got = pca(X, 2)
    centred = X - X.mean(1, keepdims=True)
    _, s, Vh = np.linalg.svd(centred, full_matrices=False)
    P = Vh[:, :2].mT.conj() @ Vh[:, :2]
    np.testing.assert_allclose(got.mean, X.mean(1), atol=1e-15)
    np.testing.assert_allclose(got.projector, P, atol=1e-13)
    np.testing.assert_allclose(got.explained_variance, s[:, :2] ** 2 / 8, rtol=1e-13)
    ratio = s[:, :2] ** 2 / (s**2).sum(1, keepdims=True)
    np.testing.assert_allclose(got.explained_variance_ratio, ratio, rtol=1e-13)


def test_derivatives_at_repeated_variances():
    """Samples ±a_i e_i: C = diag(2 a_i²)/7, and E couples feature 0, of the pair 0, 1, with 2."""
    X = np.concatenate([np.diag([2.0, 2.0, 1.0, 1.0]), -np.diag([2.0, 2.0, 1.0, 1.0])])
    E = RNG.normal(size=X.shape)

    def along(X):
        return jax.jvp(lambda X: pca(X, 2), (X,), (E,))[1]

    moved = jax.jit(along)(X)
    dC = (E - E.mean(0)).T @ X / 7
    dC = dC + dC.T
    dP = np.zeros((4, 4))
    dP[:2, 2:] = dC[:2, 2:] / (6 / 7)
    np.testing.assert_allclose(moved.projector, dP + dP.T, atol=1e-14)
    np.testing.assert_allclose(moved.explained_variance.sum(), np.trace(dC[:2, :2]), atol=1e-14)

    def kept(X):
        return (pca(X, 2).explained_variance ** 2).sum()

    def by_projector(X):  # the same by P C P
        Xc = X - X.mean(0)[None, :]
        C = Xc.T @ Xc / 7
        P = pca(X, 2).projector
        return (P @ C * (C @ P)).sum()

    def orders(f):
        gradient = jax.grad(f)
        return jax.jit(lambda X: (gradient(X), jax.jvp(gradient, (X,), (E,))[1]))(X)

    for got, true in zip(orders(kept), orders(by_projector), strict=True):
        np.testing.assert_allclose(got, true, atol=1e-13)


def test_tie_at_the_cut_and_bad_input():
    assert_nan(pca(np.concatenate([np.eye(3), -np.eye(3)]), 2).projector)
    assert_nan(pca(np.full((3, 2), np.nan), 1).projector)
    np.testing.assert_array_equal(
        pca(RNG.normal(size=(3, 2)).astype("float32"), 2).projector.dtype, "float32"
    )
    with pytest.raises(ValueError, match="2 samples"):
        pca(np.ones((1, 3)), 1)
    with pytest.raises(ValueError, match=r"k must be one of 1\.\.3"):
        pca(np.ones((2, 3)), 4)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda X: pca(X, 1).projector, jnp.asarray(RNG.normal(size=(4, 2))))


def test_reverse_over_reverse_at_repeated_variances():
    """The part of two equal variances in all: the cotangents of the two move alike, with the trace."""
    X = np.concatenate([np.diag([4.0, 4.0, 1.0]), -np.diag([4.0, 4.0, 1.0])])
    E = RNG.normal(size=X.shape)

    def part(X):
        return pca(X, 2).explained_variance_ratio.sum()

    def plain(X):  # whose gradient needs no gaps
        centred = X - X.mean(0, keepdims=True)
        w = jnp.linalg.eigvalsh(centred.T @ centred)
        return w[-2:].sum() / w.sum()

    truth = difference(jax.jit(jax.grad(plain)), X, E)
    bar, size = np.linalg.norm(truth.error), np.linalg.norm(truth.value)
    assert bar < 1e-7 * size
    second = jax.jit(jax.grad(lambda X: (jax.grad(part)(X) * E).sum()))(X)
    np.testing.assert_allclose(second, truth.value, atol=bar + 1e-14 * size)

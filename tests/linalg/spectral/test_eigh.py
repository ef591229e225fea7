"""Eigenvectors: derivatives through their own gaps, and NaN for what depends on a basis of a tie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import eigh, spectral_projector

from ...helpers import assert_lowers_for_cuda, assert_nan, reflect, unitary_phases

PAIR, CLOSE = reflect(1.0, 1.0, 2.0, 4.0), reflect(1.0, 1.0 + 1e-12, 2.0, 4.0)
C, B = np.random.default_rng(0).normal(size=(2, 4, 4))


def plain(A):
    return jnp.linalg.eigh((A + A.mT.conj()) / 2, symmetrize_input=False)


def loss(eigh, A):
    """Of the phases of the columns it does not depend."""
    w, V = eigh(A)
    return (w * C[0]).sum() + (jnp.abs(V) ** 2 * C).sum()


@pytest.mark.parametrize("A", [B + B.T, unitary_phases(B + B.T)], ids=["real", "complex"])
def test_as_jax_where_eigenvalues_are_distinct(A):
    E = A @ A + 1

    def orders(eigh):
        def gradient(A):
            return jax.grad(lambda A: loss(eigh, A))(A)

        return jax.jit(
            lambda A: (
                *eigh(A),
                gradient(A),
                jax.jvp(gradient, (A,), (E,))[1],
                jax.vjp(gradient, A)[1](E)[0],
                jax.jvp(lambda A: loss(eigh, A), (A,), (E,))[1],
            )
        )

    for got, true in zip(orders(eigh)(A), orders(plain)(A), strict=True):
        np.testing.assert_allclose(got, true, atol=1e-12 * np.abs(true).max())


def invariant(A):
    w, V = eigh(A)
    P = V[:, :2] @ V[:, :2].T
    return (P * C).sum() + w[:2].sum() + V[0, 3] ** 2


def through_projectors(A):
    P = spectral_projector(A, slice(0, 2))
    return (P * C).sum() + (P * A).sum() + spectral_projector(A, slice(3, 4))[0, 0]


def test_audit():
    """Invariant losses pass and are right, others do not, mapped, and at any scale."""
    both = np.stack([PAIR, CLOSE])
    got, true = (jax.jit(jax.vmap(jax.grad(f)))(both) for f in (invariant, through_projectors))
    np.testing.assert_allclose(got, true, atol=1e-11)  # a gap of 1e-12 counts as none
    np.testing.assert_allclose(got[0], true[0], atol=1e-13)
    for scale in (1.0, 1e-6):
        turned = jax.grad(lambda A, s=scale: s * (eigh(A)[1] * C).sum())
        split = jax.grad(lambda A, s=scale: s * eigh(A)[0][0])
        for gradient in (turned, split):
            assert_nan(jax.vmap(gradient)(both))


def test_directions():
    w, V = jax.jvp(eigh, (PAIR,), (B + B.T,))[1]
    assert_nan(w[:2])
    assert_nan(V[:, :2])
    assert np.isfinite(w[2:]).all() and np.isfinite(V[:, 2:]).all()
    np.testing.assert_allclose(jax.jvp(eigh, (PAIR,), (PAIR,))[1][0], [1, 1, 2, 4], atol=1e-14)


def test_a_tie_elsewhere():
    A = np.diag([1.0, 1.0, 1.0, 4.0])
    slope = np.zeros((4, 4))
    slope[0, 3] = slope[3, 0] = 1 / 6
    gradient = jax.grad(lambda A: eigh(A).eigenvectors[0, 3])(A)
    np.testing.assert_allclose(np.abs(gradient), slope, atol=1e-15)


def test_projected():
    project = jax.grad(lambda A: eigh(A, degenerate="project").eigenvalues[0])
    P = spectral_projector(PAIR, slice(0, 2))
    np.testing.assert_allclose(project(PAIR), P / 2, atol=1e-15)
    slopes = jax.jvp(lambda A: eigh(A, degenerate="project").eigenvalues, (PAIR,), (B + B.T,))[1]
    np.testing.assert_allclose(slopes[:2], (P * (B + B.T)).sum() / 2, atol=1e-13)


def test_shapes_and_bad_input():
    w, V = eigh(PAIR, subset=(2, 3))
    assert w.shape == (2,) and V.shape == (4, 2)
    assert eigh(np.zeros((2, 0, 0)))[1].shape == (2, 0, 0)
    assert_nan(eigh(np.full((2, 2), np.nan))[1])
    with pytest.raises(ValueError, match="degenerate must be"):
        eigh(PAIR, degenerate="zero")
    with pytest.raises(ValueError, match="subset must be"):
        eigh(PAIR, subset=(2, 4))
    with pytest.raises(ValueError, match="square"):
        eigh(np.ones((2, 3)))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: loss(eigh, A), PAIR)

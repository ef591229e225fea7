"""The generalised Schur form against its identity, SciPy's eigenvalues, and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import qz
from mcjax.verify.differences import jvp as difference

from ...helpers import assert_close, assert_nan

RNG = np.random.default_rng(0)
A, B, E, F = RNG.normal(size=(4, 5, 5))
SINGULAR = B - np.outer(B[:, 0], [1, 0, 0, 0, 0])  # an infinite eigenvalue
UPPER = np.triu(np.ones((5, 5)), 1)
PENCILS = {
    "real": (A, B),
    "complex": (A + 1j * E, B - 2j * F),
    "B singular": (A, SINGULAR),
    "A singular": (SINGULAR, A),
    "both singular": (np.diag([0.0, 1, 2, 3, 4]) + UPPER, np.diag([1.0, 0, 2, 1, 1])),
    "complex, B singular": (A + 1j * E, (B - 2j * F) @ np.diag([1, 0, 1, 1, 1])),
    "badly scaled": (1e-9 * A, 1e9 * B),
}


@pytest.mark.parametrize("name", PENCILS)
def test_identity(name):
    """To 100 eps: the turned matrix is well conditioned; eigenvalues to 1e-10, with κ below 1e5."""
    A, B = PENCILS[name]
    AA, BB, Q, Z = jax.jit(qz, static_argnames="output")(A, B, output="complex")
    eye, tolerance = np.eye(5), 100 * np.finfo(float).eps
    for X, T in ((A, AA), (B, BB)):
        assert_close(Q @ T @ Z.conj().T, X, tolerance * np.linalg.norm(X))
        np.testing.assert_array_equal(np.tril(T, -1), 0)
    for U in (Q, Z):
        assert_close(U.conj().T @ U, eye, tolerance)
    alpha, beta = scipy.linalg.eigvals(A, B, homogeneous_eigvals=True)
    ours, theirs = (_on_sphere(*x) for x in ((np.diag(AA), np.diag(BB)), (alpha, beta)))
    distances = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    assert distances.min(1).max() < 1e-10 and distances.min(0).max() < 1e-10


def _on_sphere(alpha, beta):
    """Eigenvalues α/β as points of the sphere, of which infinity is one like any other."""
    scale = np.abs(alpha) ** 2 + np.abs(beta) ** 2
    product = 2 * alpha * beta.conj() / scale
    height = (np.abs(alpha) ** 2 - np.abs(beta) ** 2) / scale
    return np.stack([product.real, product.imag, height], -1)


def test_real_form():
    """Blocks of two for conjugate pairs, nothing below them, and all real."""
    AA, BB, Q, Z = qz(A, B)
    pairs = np.abs(np.linalg.eigvals(np.linalg.solve(B, A)).imag) > 1e-12
    assert 0 < pairs.sum() < 5
    for X, T in ((A, AA), (B, BB)):
        assert T.dtype == Q.dtype == Z.dtype == np.float64
        assert_close(Q @ T @ Z.T, X, 100 * np.finfo(float).eps * np.linalg.norm(X))
        np.testing.assert_array_equal(np.tril(T, -2), 0)
    assert (np.diag(AA, -1) != 0).sum() == pairs.sum() // 2


@pytest.mark.parametrize("name", ["complex", "complex, B singular"])
def test_derivatives(name):
    """All four factors along a direction in both matrices, forwards and backwards, and its derivative."""
    A, B = PENCILS[name]
    direction = E + 1j * F, F - 1j * E

    def factors(A, B):
        stacked = jnp.stack(qz(A, B, "complex"))
        return jnp.stack([stacked.real, stacked.imag])

    def tangent(A, B):
        return jax.jvp(factors, (A, B), direction)[1]

    for f in (factors, tangent):
        value = jax.jit(lambda A, B, f=f: jax.jvp(f, (A, B), direction)[1])(A, B)
        truth = difference(jax.jit(lambda x, f=f: f(*x)), (A, B), direction)
        bar, size = np.linalg.norm(truth.error), np.linalg.norm(truth.value)
        assert bar < 1e-6 * size
        assert_close(value, truth.value, bar + 1e-12 * size)
    w = RNG.normal(size=value.shape)
    back = jax.jit(lambda A, B: jax.vjp(factors, A, B)[1](w))(A, B)
    along = sum((g * d).sum().real for g, d in zip(back, direction, strict=True))
    terms = np.abs(w * tangent(A, B)).sum()
    assert_close(along, (w * tangent(A, B)).sum(), 1e4 * np.finfo(float).eps * terms)


def test_batches_and_bad_input():
    """A batch is what its elements are; a singular pencil and one not finite are NaN alone."""
    stack = np.stack([A, A, np.nan * A])
    others = np.stack([B, 0 * B, B])
    stack[1] = np.diag([0.0, 1, 1, 1, 1])
    found = qz(stack, others, "complex")
    for X, Y in zip(found, qz(A, B, "complex"), strict=True):
        assert_close(X[0], Y, 1e-12)
        assert_nan(X[1]), assert_nan(X[2])
    for X in jax.vmap(lambda A: jnp.stack(qz(A, B, "complex")))(stack[:1]):
        assert X.shape == (4, 5, 5)
    for n in (0, 1):
        for X in qz(np.ones((n, n)), np.ones((n, n))):
            assert X.shape == (n, n)
    assert qz(A.astype(np.float32), B.astype(np.float32))[0].dtype == np.float32
    with pytest.raises(ValueError, match="qz: a pencil is of two matrices of one size"):
        qz(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="output must be"):
        qz(A, B, "triangular")

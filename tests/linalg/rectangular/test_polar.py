"""Polar factors and Procrustes rotations: smooth at any equal singular values, NaN below full rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import orthogonal_procrustes, polar

from ...helpers import (
    along,
    assert_close,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    pull,
    reflect,
)
from ...helpers._truth_rectangular import flat, true_isometry, true_polar, true_procrustes

RNG = np.random.default_rng(0)
GENERIC = RNG.normal(size=(3, 3))
COMPLEX = RNG.normal(size=(4, 2)) + 1j * RNG.normal(size=(4, 2))
ROTATION = (np.eye(4) - 0.5)[:, [1, 2, 0, 3]]


def vector(arrays):
    """Several results as one vector, after the batch of the first."""
    batch = arrays[0].shape[:-2]
    return jnp.concatenate([x.reshape(*batch, -1).astype(arrays[0].dtype) for x in arrays], -1)


def both(A):
    return vector(polar(A))


def true_both(A):
    return flat(true_polar("right", A))


def both_left(A):
    return vector(polar(A, "left"))


def true_both_left(A):
    return flat(true_polar("left", A))


def procrustes(A, B):
    return vector(orthogonal_procrustes(A, B))


def factor(A):
    return polar(A)[0]


CASES = {
    "generic": GENERIC,
    "identity": np.eye(3),
    "tiny": 1e-9 * np.eye(3)[[1, 0, 2]],
    "complex, tall": COMPLEX,
}


@pytest.mark.parametrize("name", CASES)
def test_promise(name):
    assert_promise(both, CASES[name], truth=true_both)


@pytest.mark.parametrize("A", [np.eye(2, 3), RNG.normal(size=(2, 3))], ids=["[I 0]", "generic"])
def test_promise_left_and_wide(A):
    assert_promise(both_left, A, truth=true_both_left)


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-7, 1e-3])
def test_third_derivative_at_gaps(gap):
    A = reflect(1.0, 1.0 + gap, 0.5, 0.5 - gap) @ ROTATION
    directions = [(RNG.normal(size=(4, 4)),) for _ in range(3)]
    truth = derivative(true_isometry, (A,), *directions)
    assert_relative(_third(A, *directions), truth, 1e-12)


@jax.jit
def _third(A, d, e, f):
    return along(along(along(factor, d), e), f)(A)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5)], ids=str)
def test_scipy(shape, side):
    """jax: wide matrices, and side="left" of others, are not implemented by default."""
    for A in (RNG.normal(size=shape), RNG.normal(size=shape) + 1j * RNG.normal(size=shape)):
        for got, truth in zip(polar(A, side), scipy.linalg.polar(A, side), strict=True):
            assert_close(got, truth, 1e-13)


@pytest.mark.parametrize("Q", [np.eye(3), ROTATION[:3, :3] * 1.0, np.eye(3)[[2, 0, 1]]], ids=str)
def test_gradient_of_orthogonal_matrices(Q):
    """jax: NaN. At a rotation Q, D U[E] = Q skew(QᵀE) and D P[E] = sym(QᵀE)."""
    U, _ = np.linalg.qr(Q)
    w, v = RNG.normal(size=(2, 3, 3))
    gradient = jax.grad(lambda A: (w * polar(A)[0]).sum() + (v * polar(A)[1]).sum())(U)
    K, S = U.T @ w, (v + v.T) / 2
    assert_relative(gradient, U @ ((K - K.T) / 2 + S), 1e-14)


def test_wide_rotations():
    """jax: wrong numbers. D U[E] of orthonormal rows U is E - sym(E Uᵀ) U."""
    U, E = ROTATION[:2], RNG.normal(size=(2, 4))
    K = E @ U.T
    truth = E - (K + K.T) / 2 @ U
    assert_relative(jax.jvp(factor, (U,), (E,))[1], truth, 1e-14)
    assert_relative(pull(factor, E)(U)[0], truth, 1e-14)  # it is a projector


def test_reverse_mode_of_the_default():
    """jax: ValueError, reverse-mode differentiation of a while_loop."""
    gradient = jax.jit(jax.grad(lambda A: polar(A)[1].trace()))(GENERIC)
    assert_relative(gradient, factor(GENERIC), 1e-13)  # tr P is the nuclear norm


@pytest.mark.parametrize(
    "A", [np.diag([1.0, 1.0, 0.0]), np.ones((3, 2)), np.zeros((2, 3))], ids=str
)
def test_rank_deficient(A):
    """Some isometry and the one P, and no derivative of either, for that matrix alone."""
    U, P = polar(A)
    k = min(A.shape)
    assert_close((U @ U.T if len(A) == k else U.T @ U), np.eye(k), 1e-14)
    assert_close(U @ P, A, 1e-14)
    batch = np.stack([A, A + np.eye(*A.shape)])
    for i in range(2):
        gradient = jax.grad(lambda A, i=i: (polar(A)[i] ** 2).sum() + polar(A)[i].sum())(batch)
        assert_nan(gradient[0])
        assert np.isfinite(gradient[1]).all()


def test_ill_conditioned():
    A = ROTATION @ np.diag([1.0, 1e-3, 1e-6, 1e-9])
    assert_close(factor(A), ROTATION, 1e-6)
    E = RNG.normal(size=(4, 4))
    truth = derivative(true_isometry, (A,), (E,))
    assert_relative(jax.jvp(factor, (A,), (E,))[1], truth, 1e-6)


def test_side():
    for side in ("both", None, 0):
        with pytest.raises(ValueError, match=r"polar: side must be one of"):
            polar(GENERIC, side)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(both, COMPLEX.real)


def test_tall_costs_no_square_matrix():
    """All that is large in a derivative has the shape of A, or twice its width."""
    A = np.ones((1000, 2))
    text = jax.jit(jax.grad(lambda A: both(A).sum())).lower(A).as_text()
    assert "1000x1000" not in text


# Procrustes ------------------------------------------------------------------------------------------

POINTS = RNG.normal(size=(2, 5, 3))


@pytest.mark.parametrize("moved", ["generic", "itself"])
def test_promise_procrustes(moved):
    """`itself`: AᵀB is orthogonal up to a factor, where jax's polar factor has no gradient."""
    A = np.vstack([2 * np.eye(3)[[1, 0, 2]], np.zeros((2, 3))])
    args = (POINTS[0], POINTS[1]) if moved == "generic" else (A, A)
    assert_promise(procrustes, *args, truth=lambda A, B: flat(true_procrustes(A, B)))


def test_procrustes_scipy():
    A, B = POINTS + 1j * RNG.normal(size=(2, 5, 3))
    for X, Y in ((A.real, B.real), (A, B)):
        R, scale = orthogonal_procrustes(X, Y)
        U, s, Vh = np.linalg.svd(X.conj().T @ Y)
        assert_close(R, U @ Vh, 1e-13)
        np.testing.assert_allclose(scale, s.sum(), rtol=1e-14)
    for got, truth in zip(
        orthogonal_procrustes(A.real, B.real),
        scipy.linalg.orthogonal_procrustes(A.real, B.real),
        strict=True,
    ):
        assert_close(got, truth, 1e-13)


def test_procrustes_singular():
    gradients = jax.grad(lambda A, B: orthogonal_procrustes(A, B)[1], (0, 1))(
        np.ones((3, 2)), np.ones((3, 2))
    )
    for gradient in gradients:
        assert_nan(gradient)


def test_procrustes_batches():
    R, scale = orthogonal_procrustes(np.stack([POINTS[0], POINTS[1]]), POINTS[0])
    assert R.shape == (2, 3, 3) and scale.shape == (2,)
    assert_close(R[0], np.eye(3), 1e-14)
    with pytest.raises(ValueError, match="orthogonal_procrustes: A and B must have one shape"):
        orthogonal_procrustes(POINTS[0], POINTS[0].T)

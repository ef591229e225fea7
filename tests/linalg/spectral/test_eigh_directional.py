"""Branches of A + t E against eigenpairs at 90 digits, for t = 1e-12 and its multiples."""

import jax
import mpmath
import numpy as np
import pytest

from mcjax.linalg import eigh_directional

from ...helpers import assert_nan, reflect, unitary_phases

X = np.random.default_rng(0).normal(size=(5, 5))
X = X + X.T
T = mpmath.mpf(10) ** -12


def block(inside):
    """X with another block in front."""
    E = X.copy()
    E[: len(inside), : len(inside)] = inside
    return E


def third():
    """0 and 0 couple alike to 1 and 1, which split: the tie at 0 is lifted by t³."""
    E = np.diag([0, 0, 0.5, -0.5, 1.0])
    E[0, 2] = E[2, 0] = E[1, 3] = E[3, 1] = 1
    E[2, 4] = E[4, 2] = 0.25
    E[3, 4] = E[4, 3] = 0.125
    return E


CASES = {
    "first order": (reflect(1.0, 1.0, 2.0, 4.0), X[:4, :4], [1, 1, 0, 0]),
    "complex": (unitary_phases(reflect(1.0, 1.0, 2.0, 2.0)), X[:4, :4] + 0j, [1, 1, 1, 1]),
    "second order": (np.diag([0.0, 0, 1, 2, 3]), block(0.5 * np.eye(2)), [2, 2, 0, 0, 0]),
    "first and second": (np.diag([0.0, 0, 0, 2, 3]), block(np.diag([1, 1, 2])), [2, 2, 1, 0, 0]),
    "third order": (np.diag([0.0, 0, 1, 1, 3]), third(), [3, 3, 1, 1, 0]),
}


def eigenpairs(A, E, t):
    w, V = mpmath.eighe(mpmath.matrix(A.tolist()) + t * mpmath.matrix(E.tolist()))
    return np.array(list(w)), np.array(V.tolist())


def aligned(V, reference):
    phases = (reference.conj() * V).sum(0)
    return V * np.array([mpmath.conj(p) / abs(p) for p in phases])


def branch(A, E):
    """w' at 0, V and V', extrapolated from t, 2t and 3t to order t²."""
    (w1, V1), (w2, V2), (w3, V3) = (eigenpairs(A, E, k * T) for k in (1, 2, 3))
    V2, V3 = aligned(V2, V1), aligned(V3, V1)
    slopes = [(-5 * x1 + 8 * x2 - 3 * x3) / (2 * T) for x1, x2, x3 in ((w1, w2, w3), (V1, V2, V3))]
    return [np.array(x, complex) for x in (slopes[0], 3 * V1 - 3 * V2 + V3, slopes[1])]


@pytest.mark.parametrize("case", CASES)
def test_branches(case):
    A, E, order = CASES[case]
    with mpmath.workdps(90):
        slopes, V, turns = branch(A, E)
    got = jax.tree.map(np.asarray, jax.jit(eigh_directional)(A, E))
    np.testing.assert_array_equal(got.order, order)
    scale = np.abs(turns).max()
    np.testing.assert_allclose(got.eigenvalue_slopes, slopes.real, atol=1e-14 * scale)
    phases = (V.conj() * got.eigenvectors).sum(0)
    np.testing.assert_allclose(got.eigenvectors, V * phases, atol=1e-14 * scale)
    np.testing.assert_allclose(got.eigenvector_slopes, turns * phases, atol=1e-13 * scale)


def test_either_side():
    """|t|: the slopes are -1 and 1 for t > 0, and for t < 0 on the other way."""
    A, E = np.zeros((2, 2)), np.diag([1.0, -1.0])
    np.testing.assert_array_equal(eigh_directional(A, E).eigenvalue_slopes, [-1, 1])
    np.testing.assert_array_equal(eigh_directional(A, -E).eigenvalue_slopes, [-1, 1])


def test_a_tie_that_stays():
    got = eigh_directional(np.diag([1.0, 1.0, 2.0]), np.diag([3.0, 3.0, 1.0]))
    np.testing.assert_array_equal(got.order, [-1, -1, 0])
    np.testing.assert_array_equal(got.eigenvalue_slopes, [3, 3, 1])
    assert_nan(got.eigenvector_slopes[:, :2])
    np.testing.assert_array_equal(got.eigenvector_slopes[:, 2], 0)


def test_derivatives_without_ties():
    """w' = diag(Vᵀ E V) is linear in E, at E = 0 as anywhere, where it does not depend on A."""
    A, E = reflect(1.0, 2.0, 4.0, 8.0), X[:4, :4]

    def slopes(A, E):
        return eigh_directional(A, E).eigenvalue_slopes

    for derivative in (jax.jacfwd, jax.jacrev):
        at_zero = derivative(slopes, 1)(A, 0 * E)
        np.testing.assert_allclose(np.tensordot(at_zero, E, 2), slopes(A, E), atol=1e-14)
        np.testing.assert_array_equal(derivative(slopes)(A, 0 * E), 0)


def test_derivatives_at_ties():
    """In E of the split tie, and in A of what leaves it as it is; elsewhere slopes and vectors jump."""
    A, E = np.diag([1.0, 1.0, 4.0]), X[:3, :3]
    F = np.array([[0.3, 0.2, 0.1], [0.2, -0.4, 0.5], [0.1, 0.5, 0.6]])

    def slopes(A, E):
        return eigh_directional(A, E).eigenvalue_slopes

    _, moved = jax.jvp(lambda E: slopes(A, E), (E,), (F,))
    _, W = np.linalg.eigh(E[:2, :2])
    truth = [*np.diag(W.T @ F[:2, :2] @ W), F[2, 2]]
    np.testing.assert_allclose(moved, truth, atol=1e-14)
    assert_nan(jax.jvp(lambda A: slopes(A, E), (A,), (F,))[1][:2])
    assert_nan(jax.grad(lambda A: slopes(A, E)[0])(A)[0, 0])
    _, still = jax.jvp(lambda A: slopes(A, E), (A,), (np.diag([0.0, 0, 1]),))
    np.testing.assert_allclose(still, 0, atol=1e-15)
    stays = jax.jvp(lambda E: slopes(A, E), (np.diag([3.0, 3, 1]),), (F,))[1]
    assert_nan(stays[:2])  # a tie of the slopes themselves
    np.testing.assert_allclose(stays[2], F[2, 2], atol=1e-15)


def test_batches_and_bad_input():
    A, E, _ = CASES["first order"]
    many = jax.vmap(eigh_directional)(np.stack([A, A]), np.stack([E, -E]))
    np.testing.assert_allclose(many.eigenvalue_slopes[0, :2], -many.eigenvalue_slopes[1, 1::-1])
    single = eigh_directional(A.astype(np.float32), E.astype(np.float32))
    np.testing.assert_allclose(
        single.eigenvalue_slopes, many.eigenvalue_slopes[0], atol=1e-5, rtol=1e-5
    )
    assert eigh_directional(np.zeros((0, 0)), np.zeros((0, 0))).order.shape == (0,)
    assert_nan(eigh_directional(A * np.nan, E).eigenvalue_slopes)
    with pytest.raises(ValueError, match="differ in shape"):
        eigh_directional(A, np.eye(3))
    with pytest.raises(ValueError, match="order must be"):
        eigh_directional(A, E, order=0)

"""Eigenvectors: derivatives through their own gaps, and NaN for what depends on a basis of a tie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import eigh, eigvalsh, gauge_report, spectral_projector

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


COEFFICIENTS = np.random.default_rng(1).normal(size=(1000, 4))
TURNS = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)
MATRICES = np.random.default_rng(2).normal(size=(1000, 2, 4, 4))


def smooth(P, s, Q, c, M):
    """A polynomial of the projectors onto the tie and the third vector, and of power sums of the tie."""
    traces = [(X.real * Y).sum() for X in (P, Q) for Y in M]
    return traces[0] * traces[3] + traces[1] * s[1] + c[0] * s[0] ** 2 + c[1:] @ s[1:] * traces[2]


def through_eigh(A, *parameters):
    w, V = eigh(A)
    P, Q = (jnp.matmul(V[:, i:j], V[:, i:j].conj().T) for i, j in ((0, 2), (2, 3)))
    return smooth(P, (w[None, :2] ** jnp.arange(4.0)[:, None]).sum(1), Q, *parameters)


def through_contours(A, *parameters):
    """Trapezoidal sums over circles that are twice as far from the rest: 2⁻⁶⁴ away from the integral."""

    def around(center, power):
        z = center + TURNS / 2
        resolvent = jnp.linalg.inv(z[:, None, None] * np.eye(4) - A.astype(complex)[None])
        return (TURNS * z**power)[:, None, None] / 128 * resolvent

    total = lambda *at: around(*at).sum(0)  # noqa: E731
    s = jnp.stack([jnp.trace(total(1.0, k)).real for k in range(4)])
    P, Q = total(1.0, 0), total(2.0, 0)
    return smooth(P, s, Q, *parameters)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_thousand_invariant_losses(kind):
    """Finite and right, all of them, at a tie and near one, mapped, jitted, and summed under `grad`."""
    ties = np.stack([PAIR, CLOSE] if kind == "real" else [unitary_phases(PAIR)])

    def all_gradients(loss):
        def total(A, *p):
            return jax.vmap(jax.vmap(loss), (0, None, None))(A, *p).sum()

        return jax.jit(jax.grad(total))(many, COEFFICIENTS, MATRICES)

    many = jnp.broadcast_to(ties[:, None], (len(ties), 1000, 4, 4))
    got, true = all_gradients(through_eigh), all_gradients(through_contours)
    true = (true + true.mT.conj()) / 2
    assert np.abs(got - true).max() <= 1e-13 * np.abs(true).max()
    each = jax.jit(jax.vmap(jax.grad(through_eigh), (None, 0, 0)))
    alone = each(ties[0], COEFFICIENTS, MATRICES)
    np.testing.assert_allclose(alone, got[0], atol=1e-14 * np.abs(true).max())


def test_thousand_losses_without_a_gradient():
    def turned(A, scale, coefficients, matrices):
        return scale * (eigh(A).eigenvectors * matrices[0]).sum()

    def split(A, scale, coefficients, matrices):
        return scale * (eigh(A).eigenvalues * coefficients).sum()

    for loss in (turned, split):
        gradients = jax.jit(jax.vmap(jax.grad(loss), (None, None, 0, 0)))
        for A in (PAIR, CLOSE):
            for scale in (1.0, 1e-6):
                assert_nan(gradients(A, scale, COEFFICIENTS, MATRICES))
    many = jnp.broadcast_to(PAIR, (1000, 4, 4))
    each = jax.vmap(turned, (0, None, 0, 0))
    total = lambda A: each(A, 1e-6, COEFFICIENTS, MATRICES).sum()  # noqa: E731
    assert_nan(jax.jit(jax.grad(total))(many))


def test_gauge_report():
    w, V = eigh(PAIR)
    w_bar, V_bar = jax.grad(lambda w, V: w[0] + (V[:, :2] @ V[:, :2].T * C).sum(), (0, 1))(w, V)
    report = jax.jit(gauge_report)(PAIR, V_bar, w_bar)
    np.testing.assert_array_equal(report.cluster, [0, 0, 1, 2])
    np.testing.assert_allclose(report.gap, [1, 1, 1, 2], rtol=1e-14)
    np.testing.assert_allclose(report.condition, [4, 4, 4, 2], rtol=1e-14)
    np.testing.assert_allclose(report.turn, 0, atol=1e-15)
    np.testing.assert_allclose(report.spread, [0.5, 0.5, 0, 0], atol=1e-15)
    np.testing.assert_array_equal(report.exists, [False, False, True, True])
    turned = gauge_report(PAIR, C, np.ones(4))
    assert (turned.turn[:2] > 0.01).all() and not turned.spread.any()
    with pytest.raises(ValueError, match="w_bar"):
        gauge_report(PAIR, C, np.ones(3))


S, M = reflect(2.0, 1.0, 1.0, 3.0), B @ B.T + np.eye(4)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_pencil_as_scipy(kind):
    for phases in (lambda A: A, unitary_phases):
        A, N = phases(B + B.T), phases(M)
        w, V = jax.jit(lambda A, N: eigh(A, N, type=kind))(A, N)
        true, W = scipy.linalg.eigh(A, N, type=kind)
        near = 1e-13 * np.linalg.cond(M)
        np.testing.assert_allclose(w, true, atol=near)
        np.testing.assert_allclose(eigvalsh(A, N, type=kind), true, atol=near)
        np.testing.assert_allclose(np.abs(V), np.abs(W), atol=near)
    subset = eigh(A, N, type=kind, subset=(1, 2))
    np.testing.assert_array_equal(subset.eigenvectors, V[:, 1:3])


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_gradient_of_a_pencil_at_a_tie(kind):
    """Σ λ² and V Vᴴ are rational functions of A and B, which have a tie."""
    X = np.linalg.cholesky(M)
    A = X @ S @ X.T if kind == 1 else np.linalg.inv(X).T @ S @ np.linalg.inv(X)

    def function(A, N):
        w, V = eigh(A, N, type=kind)
        return V @ V.T, (w**2).sum()  # B⁻¹, or B for type 3

    def rational(A, N):
        I = jnp.linalg.inv(N)  # noqa: E741
        Y = I @ A if kind == 1 else N @ A
        return N if kind == 3 else I, (Y * Y.T).sum()

    def loss(f, A, N):
        X, s = f(A, N)
        return (X * C).sum() + s

    def gradients(f):
        return jax.jit(jax.grad(lambda A, N: loss(f, A, N), (0, 1)))(A, M)

    rounding = 1e-14 * np.linalg.cond(M) ** 2
    for got, true in zip(gradients(function), gradients(rational), strict=True):
        true = (true + true.T) / 2
        np.testing.assert_allclose(got, true, atol=rounding * np.abs(true).max())


def test_hessian_of_a_pencil_at_a_tie():
    """Row 29 of the peers: Σ λ² = tr B⁻¹ A B⁻¹ A."""
    X = np.linalg.cholesky(M)
    A = X @ S @ X.T

    def trace(A, N):
        Y = jnp.linalg.solve(N, A)
        return (Y * Y.T).sum()

    def hessian(f):
        return jax.jit(jax.hessian(lambda x: f(symmetric(x[:16]), symmetric(x[16:]))))(x)

    x = np.concatenate([A.ravel(), M.ravel()])
    symmetric = lambda x: (x.reshape(4, 4) + x.reshape(4, 4).T) / 2  # noqa: E731
    got, true = hessian(lambda A, N: (eigvalsh(A, N) ** 2).sum()), hessian(trace)
    np.testing.assert_allclose(got, true, atol=1e-14 * np.linalg.cond(M) ** 2 * np.abs(true).max())


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
    with pytest.raises(ValueError, match="type must be"):
        eigh(PAIR, PAIR, type=4)
    with pytest.raises(ValueError, match="one size"):
        eigh(PAIR, np.eye(3))
    with pytest.raises(ValueError, match="pass B"):
        eigh(PAIR, type=2)
    assert_nan(eigh(PAIR, -np.eye(4)).eigenvalues)
    assert eigh(np.eye(3), np.ones((2, 1, 1)) * np.eye(3)).eigenvectors.shape == (2, 3, 3)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A, N: loss(lambda A: eigh(A, N), A), PAIR, M)

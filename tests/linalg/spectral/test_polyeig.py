"""Polynomials X diag(p_i(λ)) Y, whose eigenpairs are roots of p_i and columns of Y⁻¹."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import polyeig

from ...helpers import assert_lowers_for_cuda, assert_nan

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)[None]
P = np.array([[2.0, -3.0, 1.0], [1.0, 2.0, 5.0], [3.0, 1.0, -2.0]])  # P[k, i]: λᵏ of p_i
E = RNG.normal(size=(3, 3, 3))


def matrices(P):
    return X @ (P[..., :, None] * np.eye(3)) @ Y


def closed_form(P, Y):
    """Of X diag(p) Y: λ, and v vᴴ."""
    c, b, a = P.astype(complex)
    root = jnp.sqrt(b * b - 4 * a * c)
    w = jnp.concatenate([(-b + root) / (2 * a), (-b - root) / (2 * a)])
    V = jnp.linalg.inv(Y)
    V = V / jnp.sqrt((V**2).sum(0))[None, :]
    lines = jnp.einsum("ij,kj->jik", V, V)
    return w, jnp.concatenate([lines, lines])


def by_polyeig(P, Y):
    A = [jnp.matmul(X * P[k][None, :], Y) for k in range(3)]
    w, V = polyeig(*A)
    return w, jnp.einsum("ij,kj->jik", V, V.conj())


polyeig_jit = jax.jit(polyeig)


def assert_same_set(got, true, atol):
    distances = np.abs(np.asarray(got)[:, None] - np.asarray(true)[None, :])
    assert distances.min(0).max() <= atol and distances.min(1).max() <= atol, (got, true)


def test_as_the_closed_form():
    """Eigenpairs in some order, so what is compared are sums over them, to second order."""
    dP, dY = RNG.normal(size=(2, 3, 3))
    weight = RNG.normal(size=(3, 3))

    def loss(pairs, P, Y):
        w, lines = pairs(P, Y)
        along = (lines.real * weight[None]).sum((1, 2))
        return (jnp.abs(w) ** 2 * along).sum() + jnp.sin(w.real).sum()

    def orders(pairs):
        gradient = jax.grad(lambda *at: loss(pairs, *at), (0, 1))
        along = lambda f: lambda *at: jax.jvp(f, at, (dP, dY))[1]  # noqa: E731
        return jax.jit(
            lambda *at: (
                loss(pairs, *at),
                gradient(*at),
                along(lambda *at: loss(pairs, *at))(*at),
                along(gradient)(*at),
                jax.vjp(gradient, *at)[1]((dP, dY)),
            )
        )(P, Y)

    got, true = (jax.tree.leaves(orders(pairs)) for pairs in (by_polyeig, closed_form))
    for x, y in zip(got, true, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12 * np.abs(y).max())


def test_residuals_and_order():
    w, V = map(np.asarray, polyeig_jit(*matrices(P)))
    true = np.concatenate([np.roots(p[::-1]) for p in P.T])
    assert_same_set(w, true, 1e-14)
    assert np.abs(np.linalg.norm(V, axis=0) - 1).max() < 1e-15
    residual = sum(w[None, :] ** k * (A @ V) for k, A in enumerate(matrices(P)))
    assert np.abs(residual).max() < 1e-13


def test_pencil_and_batch():
    A, B = RNG.normal(size=(2, 2, 4, 4))
    for got, a, b in zip(polyeig_jit(A, -B)[0], A, B, strict=True):
        true = scipy.linalg.eigvals(a, b)
        assert_same_set(got, true, 1e-12 * np.abs(true).max())


def test_scales():
    """Mass 1e-6 and stiffness 1e8: the damped oscillators of engineers."""
    K, M = np.diag([1e8, 4e8]), np.diag([1e-6, 1e-6])
    w = polyeig_jit(K, np.zeros((2, 2)), M)[0]
    np.testing.assert_allclose(np.sort(np.abs(w)), [1e7, 1e7, 2e7, 2e7], rtol=1e-14)


def test_infinite_multiple_and_singular():
    lower = P.copy()
    lower[2, 0] = 0
    w, V = map(np.asarray, polyeig_jit(*matrices(lower)))
    finite = np.isfinite(w)
    assert (~finite).sum() == 1 and np.isposinf(w.real[~finite]).all() and np.isfinite(V).all()
    condition = 10  # of -2: what relative changes of the coefficients are multiplied by
    assert np.abs(w[finite] + 2).min() < 50 * condition * np.finfo(float).eps

    @jax.jit
    def along(*A):
        return jax.jvp(lambda *A: polyeig(*A).eigenvalues, A, tuple(E))[1]

    moved = np.asarray(along(*matrices(lower)))
    np.testing.assert_array_equal(np.isnan(moved), ~finite)
    twice = P.copy()
    twice[:, 1] = [1.0, -2.0, 1.0]  # (λ - 1)²
    w, moved = (
        np.asarray(polyeig(*matrices(twice))[0]),
        np.asarray(jax.jit(along)(*matrices(twice))),
    )
    np.testing.assert_array_equal(np.isnan(moved), np.abs(w - 1) < 1e-6)
    assert_nan(polyeig(np.diag([1.0, 0.0]), np.diag([2.0, 0.0])).eigenvalues)
    assert_nan(polyeig(np.full((2, 2), np.nan), np.eye(2)).eigenvalues)


CHAIN = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])
MASSES = np.diag([1.0, 2.0, 1.0])


@jax.jit
def free_chain(k):
    """λ of three masses that nothing holds: ω² = 0 twice, k and 2 k."""
    return polyeig(k * CHAIN, np.zeros((3, 3)), MASSES).eigenvalues


def test_multiple_pairs_do_not_spoil_the_others():
    """All orders and modes of √k + √(2 k), beside the rigid motion, whose λ is double and defective."""
    k, c = 2.0, 1 + np.sqrt(2)
    frequencies = lambda k: jnp.sort(free_chain(k).imag)[-2:].sum()  # noqa: E731
    first, second = c / (2 * np.sqrt(k)), -c / (4 * k**1.5)
    slopes = jax.grad(frequencies)(k), jax.jvp(frequencies, (k,), (1.0,))[1]
    np.testing.assert_allclose(slopes, [first, first], rtol=1e-14)
    curves = jax.hessian(frequencies)(k), jax.grad(jax.grad(frequencies))(k)
    np.testing.assert_allclose(curves, [second, second], rtol=1e-13)


def test_derivatives_of_multiple_pairs_are_nan():
    """In both modes, both parts, and to second order, of those pairs alone."""
    k = 2.0
    rigid = np.abs(free_chain(k)) < 1e-6
    assert rigid.sum() == 2
    for part in (jnp.real, jnp.imag):
        moved = lambda k: part(free_chain(k))  # noqa: B023, E731
        derivatives = jax.jacfwd(moved), jax.jacrev(moved), jax.jacfwd(jax.jacfwd(moved))
        for derivative in (*derivatives, jax.jacrev(jax.jacfwd(moved))):
            np.testing.assert_array_equal(np.isnan(derivative(k)), rigid)


def test_semisimple_pairs_do_not_spoil_the_others():
    """diag(k, 2, 2) - λ I: a Jacobian that is singular exactly."""

    def values(k):
        return polyeig(jnp.diag(jnp.stack([k, 2.0, 2.0])), -np.eye(3)).eigenvalues.real

    least = lambda k: jnp.sort(values(k))[0]  # noqa: E731
    np.testing.assert_allclose(
        [jax.grad(least)(1.0), jax.jacfwd(least)(1.0)], 1, rtol=20 * float(jnp.finfo(float).eps)
    )
    np.testing.assert_array_equal(np.isnan(jax.jacrev(values)(1.0)), values(1.0) == 2)


def test_vectors_beside_multiple_and_infinite_pairs():
    """Gradients in all coefficients of v vᴴ of λ = k: diag(k, 2, 2, 1) - λ diag(1, 1, 1, 0)."""

    def along(A):
        w, V = polyeig(A, -np.diag([1.0, 1.0, 1.0, 0.0]))
        v = V[:, jnp.argmin(jnp.where(jnp.isfinite(w), w.real, jnp.inf))]
        return (v[0] * v.conj()).real.sum()

    A = np.diag([1.0, 2.0, 2.0, 1.0])
    true = np.zeros((4, 4))
    true[1:3, 0], true[3, 0] = -1, -1  # v' = -(A - λ B)⁻¹ A' v outside of v
    np.testing.assert_allclose(jax.grad(along)(A), true, atol=1e-14)


def test_shapes_and_bad_input():
    assert polyeig(np.zeros((2, 0, 0)), np.zeros((0, 0))).eigenvectors.shape == (2, 0, 0)
    w = polyeig_jit(*matrices(P).astype(np.float32)).eigenvalues
    assert w.dtype == np.complex64
    assert_same_set(w, polyeig_jit(*matrices(P)).eigenvalues, 1e-5)
    with pytest.raises(ValueError, match="pass A0 and A1"):
        polyeig(np.eye(2))
    with pytest.raises(ValueError, match="one size"):
        polyeig(np.eye(2), np.eye(3))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A, B: jnp.abs(polyeig(A, B)[0]), np.eye(2), np.eye(2))

"""Eigenvectors of general matrices and pencils, in LAPACK's scale, and condition numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax import lax

from mcjax.linalg.spectral._eig import eig
from mcjax.linalg.spectral._eig_condition import eigvals_cond

from ...helpers import (
    along,
    assert_lowers_for_cuda,
    assert_nan,
    assert_relative,
    derivative,
    grcar,
    reflect,
)
from .test_eigvals import COMPLEX, E, F, jordan, similar, true_pairs

EPS = np.finfo(float).eps
C, D = np.random.default_rng(1).normal(size=(2, 4, 4))
CC = C.astype(complex)


def plain(A):
    """Stock JAX, which is right where eigenvalues are distinct; the largest entries positive."""
    w, Y, V = lax.linalg.eig(A, enable_eigvec_derivs=True)

    def positive(X):
        largest = jnp.argmax(jnp.abs(X), 0, keepdims=True)
        sign = jnp.sign(jnp.take_along_axis(X, largest, 0).real)
        return X * lax.stop_gradient(sign).astype(X.dtype)

    return w, positive(V), positive(Y)


@jax.jit
def all_of(A):
    return eig(A, left=True)


@jax.jit
def all_of_pencil(A, B):
    return eig(A, B, left=True)


def loss(results):
    """Of the phases too."""
    w, V, Y = results
    return (
        (w * (C[0] + 1j * C[1])).sum() + (V**2 * (C + 1j * D)).sum() + (Y * (D + 1j)).sum()
    ).real


def ours(A):
    return loss(eig(A, left=True))


def test_as_jax_where_eigenvalues_are_distinct():
    """PEERS row 17: `jnp.linalg.eig` has no derivative."""
    A = grcar(4) + E  # real, with complex pairs
    got, true = (jax.jit(jax.grad(f))(A) for f in (ours, lambda A: loss(plain(A))))
    assert_relative(got, true, 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "A, K", [(grcar(4) + E, F), (COMPLEX, E + 1j * F)], ids=["real", "complex"]
)
def test_all_orders_as_jax_where_eigenvalues_are_distinct(A, K):
    def orders(f):
        gradient = jax.grad(f)
        forward = lambda A: (f(A), gradient(A), along(f, (K,))(A), along(gradient, (K,))(A))  # noqa: E731
        return jax.jit(lambda A: (*forward(A), jax.vjp(gradient, A)[1](K)[0]))

    for got, true in zip(orders(ours)(A), orders(lambda A: loss(plain(A)))(A), strict=True):
        assert_relative(got, true, 1e-12)


def test_scale():
    A = grcar(4) + F
    w, V, Y = map(np.asarray, all_of(A))
    assert_relative(A @ V, V * w[None, :], 1e-14)
    assert_relative(Y.conj().T @ A, w[:, None] * Y.conj().T, 1e-14)
    for X in (V, Y):
        np.testing.assert_allclose(np.linalg.norm(X, axis=0), 1, rtol=1e-15)
        largest = X[np.abs(X).argmax(0), range(4)]
        np.testing.assert_allclose(largest, np.abs(largest), rtol=1e-14)
    np.testing.assert_array_equal(all_of(np.diag([3.0, 1, 5, 2])).eigenvectors, np.eye(4))


def test_eigenvector_beside_a_defective_eigenvalue():
    """All its derivatives have the digits that its own gap leaves; those of the others are NaN."""
    J = jordan(3)
    A = similar(J)

    def ratios(A, j):
        V = eig(A).eigenvectors
        v = jnp.where(jnp.arange(4)[None, :] == j, V, 0).sum(-1)
        return ((v / v[0]) * CC[0]).sum().real

    def true(A):
        v = true_pairs(A, [3.0])[0][1]
        return np.array([(v * (1 / v[0]) * C[0]).sum()], object)

    w = jax.jit(lambda A: jax.jvp(eig, (A,), (A,)))(A)[0].eigenvalues
    j = jnp.argmax(w.real)
    f = jax.jit(lambda A, j: jax.jvp(lambda A: jax.grad(ratios)(A, j), (A,), (E,)))
    gradient, bend = f(A, j)
    slope, second = (derivative(true, (A,), *d).real[0] for d in (((F,),), ((E,), (F,))))
    np.testing.assert_allclose((gradient * F).sum(), slope, rtol=1e-12)
    np.testing.assert_allclose((bend * F).sum(), second, rtol=1e-11)
    assert_nan(f(A, (j + 1) % 4)[0])


def test_function_of_a_matrix_through_its_eigenvectors():
    """PEERS row 17c: V f(w) V⁻¹ is right, or NaN at ties, where stock JAX is wrong by 1e8."""

    def spectral(A):
        w, V = eig(A)
        return ((V * jnp.exp(w)[None, :]) @ jnp.linalg.inv(V) * C.astype(V.dtype)).sum().real

    gaps = [(0.0, 0.0), (1e-8, 0.0), (1e-8, 1.0), (1e-13, 1.0), (1e-2, 1.0)]
    A = np.stack(
        [similar(np.diag([2.0, 2 + g, 3.0, 5.0]) + np.diag([c, 0, 0], 1)) for g, c in gaps]
    )
    gradient = jax.jit(jax.vmap(jax.grad(spectral)))(A)
    truth = jax.jit(jax.vmap(jax.grad(lambda A: (jax.scipy.linalg.expm(A) * C).sum())))(A)
    for i in (0, 2, 3):
        assert_nan(gradient[i])
    for i, gap in ((1, 1e-8), (4, 1e-4)):  # eps over the gap, or, of a block, over its square
        assert_relative(gradient[i], truth[i], 1e4 * EPS / gap)


def test_ties():
    """What does not depend on the basis of a tie is right, all else is NaN; one elsewhere is none."""
    A = np.diag([2.0, 2.0, 3.0, 5.0])
    V_slope = np.zeros((4, 4))
    V_slope[1, 2] = 1.0  # D v_3 = v_2 E_23 / (3 - 2)
    run = jax.jit(
        lambda A: (
            jax.grad(lambda A: eig(A).eigenvectors[1, 2].real)(A),
            jax.grad(lambda A: eig(A).eigenvectors[1, 0].real)(A),
            jax.jvp(eig, (A,), (A,))[1],
            jax.jvp(eig, (A,), (E,))[1],
        )
    )
    right, wrong, along_itself, along_any = run(A)
    np.testing.assert_allclose(right, V_slope, atol=1e-15)
    assert_nan(wrong)
    np.testing.assert_allclose(along_itself.eigenvalues, np.diag(A), atol=1e-14)
    np.testing.assert_allclose(along_itself.eigenvectors, 0 * A, atol=1e-14)
    assert_nan(along_any.eigenvectors[:, :2])
    assert np.isfinite(along_any.eigenvectors[:, 2:]).all()


def check_pencil(A, B, tolerance=1e-13):
    (alpha, beta), V, Y = jax.device_get(all_of_pencil(A, B))
    size = np.linalg.norm(A) + np.linalg.norm(B)
    right = (A @ V) * beta[None, :] - (B @ V) * alpha[None, :]
    left = beta[:, None] * (Y.conj().T @ A) - alpha[:, None] * (Y.conj().T @ B)
    assert max(np.abs(right).max(), np.abs(left).max()) <= tolerance * size
    np.testing.assert_allclose(np.abs(alpha) ** 2 + np.abs(beta) ** 2, 1, rtol=1e-14)
    return alpha, beta


def test_tie_beside_a_defective_eigenvalue():
    """A direction that splits the tie has no derivative of its vectors, however the other one moves."""
    A = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 5, 1], [0, 0, 0, 5]])
    k = slice(0, 2)  # the tie
    others = np.diag([0, 0, 0.3, -0.2]) + np.diag([0, 0, 0.7], 1) + np.diag([0, 0, 0.5], -1)
    moved = jax.jit(lambda D: jax.jvp(eig, (A,), (D,))[1].eigenvectors[:, k])
    for size in (1.0, 1e-8):
        split, moves = (others + size * np.pad(X, (0, 2)) for X in ([[1, 1], [0, -1]], np.eye(2)))
        assert_nan(moved(split))
        # T_cc is a multiple of I, and the blocks are apart.
        assert np.abs(moved(moves)).max() < 100 * EPS
    # Turned, T_cc is rounding alone, and that is no split; κ of the others is 1e8.
    Q = np.linalg.qr(E)[0]
    turned = jax.jvp(eig, (Q @ A @ Q.T,), (Q @ others @ Q.T,))[1].eigenvectors
    tie = np.abs(eig(Q @ A @ Q.T).eigenvalues - 1) < 0.5
    assert np.abs(turned[:, tie]).max() < 100 * EPS


def test_pencils():
    alpha, beta = check_pencil(C, D)
    true = scipy.linalg.eigvals(C, D)
    np.testing.assert_allclose(np.sort_complex(alpha / beta), np.sort_complex(true), rtol=1e-12)
    alpha, beta = check_pencil(C, np.diag([1.0, 2.0, 0.0, 0.0]))  # two infinite eigenvalues
    np.testing.assert_allclose(np.sort(np.abs(beta))[:2], 0, atol=1e-13)
    assert (np.sort(np.abs(beta))[2:] > 0.1).all()
    alpha, beta = check_pencil(np.eye(4), np.zeros((4, 4)))
    np.testing.assert_allclose(beta, 0, atol=1e-15)
    singular = np.diag([1.0, 2.0, 0.0, 1.0]), np.diag([1.0, 1.0, 0.0, 0.0])
    assert_nan(all_of_pencil(*singular).eigenvalues.beta)


@pytest.mark.slow
def test_derivatives_of_pencils():
    """As those of B⁻¹ A where B is regular."""

    def ours(A, B):
        (alpha, beta), V = eig(A, B)
        return (alpha / beta * CC[0]).sum().real + (V**2 * CC).sum().real

    def theirs(A, B):
        w, V, _ = plain(jnp.linalg.solve(B, A))
        return (w * CC[0]).sum().real + (V**2 * CC).sum().real

    B = np.eye(4) + D / 8
    for got, true in zip(
        *(jax.jit(jax.grad(f, (0, 1)))(C, B) for f in (ours, theirs)), strict=True
    ):
        assert_relative(got, true, 1e-12)


def test_infinite_eigenvalues_move():
    """β/α = 0 with x = y = e₄, whose derivative is yᴴ E x / (yᴴ A x)."""

    def nearest_to_infinity(B):
        alpha, beta = eig(C, B).eigenvalues
        return (beta / alpha)[jnp.argmin(jnp.abs(beta))].real

    slope = jax.jit(along(nearest_to_infinity, (E,)))(np.diag([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(slope, E[3, 3] / C[3, 3], rtol=1e-12)


def test_conditions():
    def sheared(c):
        return jnp.zeros((2, 2)) + jnp.array([[1.0, 0.0], [0.0, 2.0]]) + c * jnp.eye(2, k=1)

    run = jax.jit(lambda c: jax.jvp(lambda c: eigvals_cond(sheared(c)), (c,), (1.0,)))
    kappa, slope = run(1e3)
    np.testing.assert_allclose(kappa, np.sqrt(1 + 1e6), rtol=1e-12)
    np.testing.assert_allclose(slope, 1e3 / np.sqrt(1 + 1e6), rtol=1e-10)
    plane = jax.jit(jax.vmap(eigvals_cond))
    defective, normal = plane(np.stack([jordan(2), reflect(1.0, 1.0, 2.0, 4.0)]))
    np.testing.assert_array_equal(np.isinf(defective), np.abs(all_of(jordan(2))[0] - 2) < 0.5)
    assert (normal < 100).all() and np.isclose(normal, 1).sum() >= 2


@pytest.mark.slow
def test_conditions_of_a_pencil():
    """With B = I an angle, shorter than the distance by 1 + λ², of a longer pair of matrices."""
    A = np.array([[1.0, 1e3], [0.0, 2.0]])
    pencil = np.sort(jax.jit(eigvals_cond)(A, np.eye(2)))
    np.testing.assert_allclose(pencil, np.sort(np.sqrt(1 + 1e6) / np.sqrt([2.0, 5.0])), rtol=1e-12)


def test_shapes_and_bad_input():
    w, V, Y = eig(np.zeros((2, 0, 0)), left=True)
    assert w.shape == (2, 0) and V.shape == Y.shape == (2, 0, 0)
    assert jax.eval_shape(eig, np.eye(2, dtype="float32")).eigenvectors.dtype == "complex64"
    np.testing.assert_array_equal(jax.jit(eig)(np.array([[3]])).eigenvectors, [[1]])
    for X in all_of(np.full((4, 4), np.inf)):
        assert_nan(X)
    with pytest.raises(ValueError, match="eig: expected square"):
        eig(np.ones((2, 3)))
    with pytest.raises(ValueError, match="eig: a pencil is of two matrices of one size"):
        eig(np.eye(2), np.eye(3))


def test_a_matrix_that_balancing_harms():
    """LAPACK's own eigenvectors are wrong by 0.2 where a block of A is rounding."""
    A = np.diag([0.0, 0.0, 6e-17, 6e-17])
    A[:2, :2], A[2:, :2] = [[0.35, 0.55], [1.7, -0.41]], [[-3.6, 0.1], [4.5, -1.8]]
    A[:2, 2:] = [[-2.4e-34, 2.4e-34], [2.6e-33, -2.6e-33]]
    w, V, Y = map(np.asarray, all_of(A))
    assert_relative(A @ V, V * w[None, :], 1e-13)
    assert_relative(Y.conj().T @ A, w[:, None] * Y.conj().T, 1e-13)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: eig(A, left=True).left_eigenvectors, C)


@pytest.mark.slow
def test_pencil_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A, B: eig(A, B).eigenvalues.beta, C, D)


def test_pencils_under_vmap():
    A, B = np.random.default_rng(5).normal(size=(2, 2, 3, 3))
    (alpha, _), V = jax.jit(jax.vmap(eig))(A, B)
    for i in range(2):
        alone = eig(A[i], B[i])
        np.testing.assert_allclose(alpha[i], alone.eigenvalues.alpha, atol=1e-13)
        np.testing.assert_allclose(V[i], alone.eigenvectors, atol=1e-13)

"""Partial eigenpairs: values, all modes of differentiation, ties in and at the edge, and honest flags.

Truth: closed forms of the discrete Laplacian, and JAX's own dense eigh where eigenvalues are distinct.
Tolerance: a pair is right to δ/gap, δ = 64 eps ‖S‖, and every derivative divides by a gap once more.
"""

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest

from mcjax.linalg.spectral._eigsh import eigsh

from ...helpers import assert_lowers_for_cuda, assert_nan, assert_relative, reflect

N = 40
rng = np.random.default_rng(0)
C, E = rng.normal(size=(2, N, N))
Q = np.linalg.qr(rng.normal(size=(N, N)))[0]
LEVELS = np.arange(N) + 0.25 * np.sin(np.arange(N))  # gaps about 1


def pencil(dtype):
    """A with the eigenvalues LEVELS in a random basis, and a well conditioned B."""
    phases = np.exp(1j * np.arange(N)) if np.dtype(dtype).kind == "c" else np.ones(N)
    A, B = (
        phases[:, None] * X * phases.conj() for X in (Q * LEVELS @ Q.T, np.eye(N) + E @ E.T / 80)
    )
    return A.astype(dtype), B.astype(dtype)


def loss(w, V):
    """Of the phases of the columns it does not depend."""
    k = w.shape[0]
    weights = C[:k, :k].sum(0).astype(w.dtype)
    return (w**2 * weights).sum() + (jnp.abs(V) ** 2 * C[: V.shape[0], :k].astype(w.dtype)).sum()


def dense(A, B, chosen):
    """By Cholesky and JAX's eigh."""
    if B is None:
        w, V = jnp.linalg.eigh((A + A.mT.conj()) / 2, symmetrize_input=False)
        return w[chosen], V[:, chosen]
    L = jnp.linalg.cholesky((B + B.mT.conj()) / 2)
    M = jnp.linalg.inv(L)
    w, V = jnp.linalg.eigh(M @ (A + A.mT.conj()) @ M.mT.conj() / 2, symmetrize_input=False)
    return w[chosen], (M.mT.conj() @ V)[:, chosen]


def forwards(pairs, args, directions):
    """Value and gradient of a loss of the pairs, and their tangents."""
    both = jax.value_and_grad(lambda args: loss(*pairs(*args)[:2]))
    return jax.jvp(both, (args,), (directions,))


def backwards(pairs, args, directions):
    """The Hessian of the loss along directions, reverse over reverse."""
    gradient = jax.grad(lambda args: loss(*pairs(*args)[:2]))
    return jax.vjp(gradient, args)[1](directions)


def compare(orders, ours, theirs, args, relative):
    directions = tuple(E.astype(a.dtype) + 1 for a in args)
    got, true = (
        jax.jit(lambda a, d, f=f: orders(f, a, d))(args, directions) for f in (ours, theirs)
    )
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(true), strict=True):
        assert_relative(x, y, relative)


@pytest.mark.parametrize("orders", [forwards, pytest.param(backwards, marks=pytest.mark.slow)])
def test_complex_pencil_around_a_shift(orders):
    A, B = pencil(complex)
    w = np.sort(np.linalg.eigvals(np.linalg.solve(B, A)).real)
    sigma = 0.75 * w[9] + 0.25 * w[10]
    compare(
        orders,
        lambda A, B: eigsh(A, 2, B=B, sigma=sigma),
        lambda A, B: dense(A, B, slice(9, 11)),
        (A, B),
        1e-10,
    )


@pytest.mark.slow
@pytest.mark.parametrize("orders", [forwards, backwards])
def test_largest_of_a_real_matrix(orders):
    A, _ = pencil(float)
    compare(
        orders,
        lambda A: eigsh(A, 2, which="LA"),
        lambda A: dense(A, None, slice(N - 2, N)),
        (A,),
        1e-10,
    )


@pytest.mark.slow
def test_a_batch_of_pencils_in_single_precision():
    """The smallest, with B. One is not finite, and hurts no other."""
    A, B = pencil(np.float32)
    stack = np.stack([A, -A, np.nan * A])

    @jax.jit
    @jax.grad
    def gradient(A):
        return jax.vmap(loss)(*eigsh(A, 2, which="SA", B=B)[:2]).sum()

    got = gradient(stack)
    truth = jax.grad(lambda A: loss(*dense(A, B.astype(float), slice(0, 2))))
    for A, g in zip(stack[:2], got, strict=False):
        assert_relative(g, truth(A.astype(float)), 1e-3)
    assert_nan(got[2])


# The membrane: -cx ∂²/∂x² - cy ∂²/∂y² on a grid of 12 x 12 squares, a function of vectors. The eigenvalues
# cx μ_i + cy μ_j have the derivatives μ_i and μ_j; cx = cy ties (i, j) to (j, i).
M = 12
MU = 4 * np.sin(np.pi * np.arange(1, M + 1) / (2 * M + 2)) ** 2


def membrane(c):
    def multiply(x):
        X = jnp.pad(x.reshape(M, M), 1)
        inner = X[1:-1, 1:-1]
        along = 2 * inner - X[2:, 1:-1] - X[:-2, 1:-1]
        across = 2 * inner - X[1:-1, 2:] - X[1:-1, :-2]
        return (c[0] * along + c[1] * across).reshape(-1)

    return multiply


def test_a_tie_of_a_function():
    """Three modes, the second and third tied: their sum has a gradient, each alone has none."""

    def modes(c):
        w, _, residuals, converged = eigsh(membrane(c), 3, which="SA", v0=np.zeros(M * M))
        return w, (residuals, converged)

    @jax.jit
    def run(c):
        w, move, flags = jax.linearize(modes, c, has_aux=True)
        rows = jnp.array([[1.0, 0, 0], [0, 1, 1], [0, 1, 0]])
        return w, flags, jax.vmap(jax.linear_transpose(move, c))(rows)[0], move(c)

    w, (residuals, converged), rows, slopes = run(jnp.ones(2))
    np.testing.assert_allclose(w, [2 * MU[0], MU[0] + MU[1], MU[0] + MU[1]], rtol=1e-13)
    assert converged.all() and residuals.max() < 64 * np.finfo(float).eps * 8
    np.testing.assert_allclose(rows[0], [MU[0], MU[0]], rtol=1e-12)
    np.testing.assert_allclose(rows[1], [MU[0] + MU[1]] * 2, rtol=1e-12)
    assert_nan(rows[2])
    np.testing.assert_allclose(slopes, w, rtol=1e-12)  # along c itself nothing splits
    rows = run(jnp.array([1.0, 1.25]))[2]  # apart, each has its own
    np.testing.assert_allclose(rows[2], [MU[1], MU[0]], rtol=1e-12)


def test_a_tie_at_the_edge():
    """Two of four, the second tied to the third, or apart: a derivative of the second is NaN, or not."""
    stack = np.stack([reflect(1.0, 2.0, 2.0, 4.0), reflect(1.0, 2.0, 3.0, 4.0)])

    @jax.jit
    @jax.vmap
    def run(A):
        w, pull = jax.vjp(lambda A: eigsh(A, 2, which="SA").eigenvalues, A)
        return w, jax.vmap(pull)(jnp.eye(2))[0]

    w, rows = run(stack)
    np.testing.assert_allclose(w, [[1, 2], [1, 2]], rtol=1e-14)
    np.testing.assert_allclose(rows[:, 0], [reflect(1.0, 0.0, 0.0, 0.0)] * 2, atol=1e-13)
    np.testing.assert_allclose(rows[1, 1], reflect(0.0, 1.0, 0.0, 0.0), atol=1e-13)
    assert_nan(rows[0, 1])


def test_what_lobpcg_cannot():
    """n = 12, k = 2, complex, and a gradient."""
    A = C[:12, :12] + 1j * E[:12, :12]
    A = A + A.conj().T
    got, true = (
        jax.jit(jax.value_and_grad(lambda A, f=f: loss(*f(A)[:2])))(A)
        for f in (lambda A: eigsh(A, 2, which="LA"), lambda A: dense(A, None, slice(10, 12)))
    )
    assert_relative(got[0], true[0], 1e-13)
    assert_relative(got[1], true[1], 1e-12)


def test_audit():
    """The lowest three of four, two tied: losses that do not see the basis of the tie pass, others do
    not, at any scale. (JAX: `subset_by_index` is not supported on CPU and GPU.)"""
    A = reflect(1.0, 1.0, 2.0, 4.0)
    P, S = reflect(1.0, 1.0, 0.0, 0.0), reflect(0.0, 0.0, 1.0, 1 / 3)
    W = C[:4, :4] + C[:4, :4].T

    def projector(A):
        V = eigsh(A, 3, which="SA").eigenvectors[:, :2]
        return V @ V.T

    @jax.jit
    def run(s):
        P, pull = jax.vjp(projector, A)
        turned = jax.grad(lambda A: s * (eigsh(A, 3, which="SA").eigenvectors * C[:4, :3]).sum())
        along = jax.jvp(lambda A: eigsh(A, 3, which="SA")[:2], (A,), (W,))[1]
        return P, pull(s * W)[0], turned(A), along

    for s in (1.0, 1e-6):
        value, through, turned, (w, V) = run(s)
        np.testing.assert_allclose(value, P, atol=1e-14)
        # Ṗ = -P E S - S E P with S = Σ v_j v_jᴴ / (λ_j - 1)
        np.testing.assert_allclose(through, -s * (P @ W @ S + S @ W @ P), atol=1e-13 * s)
        assert_nan(turned)
    assert_nan(w[:2]), assert_nan(V[:, :2])
    np.testing.assert_allclose(w[2], (reflect(0.0, 0.0, 1.0, 0.0) * W).sum(), rtol=1e-12)
    assert np.isfinite(V[:, 2]).all()


def test_not_converged_is_nan():
    """One restart finds the eigenvalue far from the others, not those that are close."""
    d = np.append(np.linspace(0.0, 1.0, 399), 100.0)

    def pairs(d):
        r = eigsh(lambda x: d * x, 2, which="LA", v0=np.zeros(400), maxiter=1)
        return r[:2], r[2:]

    @jax.jit
    def run(d):
        r, pull, flags = jax.vjp(pairs, d, has_aux=True)
        cotangents = jnp.eye(2), jnp.zeros((2, 400, 2))
        return r, flags, jax.vmap(pull)(cotangents)[0]

    (w, V), (residuals, converged), (close, far) = run(d)
    assert not converged[0] and converged[1]
    assert_nan(w[0]), assert_nan(V[:, 0]), assert_nan(close)
    assert residuals[0] > 1e-6
    np.testing.assert_allclose(w[1], 100.0, rtol=1e-14)
    np.testing.assert_allclose(far, d == 100.0, atol=1e-12)


@pytest.mark.slow
def test_a_solver_of_the_user():
    """Exact, it gives the eigenvalues; wrong by percents, it is found out."""
    A, _ = pencil(float)
    S = A - 3.3 * np.eye(N)

    def near(S):
        return eigsh(A, 2, sigma=3.3, solve=lambda x: jnp.linalg.solve(S, x))

    w, V, _, converged = jax.jit(jax.vmap(near))(np.stack([S, S * (1 + 0.01 * E * E.T)]))
    np.testing.assert_allclose(w[0], LEVELS[3:5], rtol=1e-12)
    assert converged[0].all() and not converged[1].any()
    assert_nan(w[1]), assert_nan(V[1])


@pytest.mark.slow
def test_lineax_operators_and_a_solver():
    """K v = w² m v; m scales every eigenvalue: Σ_i m_i ∂w²/∂m_i = -w²."""
    d, e, m = np.linspace(2.0, 3.0, N), -np.ones(N - 1), np.linspace(1.0, 2.0, N)
    K = lineax.TridiagonalLinearOperator(jnp.asarray(d), jnp.asarray(e), jnp.asarray(e))

    @jax.jit
    @jax.value_and_grad
    def lowest(m):
        B = lineax.DiagonalLinearOperator(m)
        r = eigsh(K, 1, B=B, sigma=0.0, solve=lambda b: lineax.linear_solve(K, b).value)
        return r.eigenvalues[0]

    w, slope = lowest(m)
    dense = np.asarray(K.as_matrix()) / np.sqrt(m[:, None] * m)
    np.testing.assert_allclose(w, np.linalg.eigvalsh(dense)[0], rtol=1e-12)
    np.testing.assert_allclose((m * slope).sum(), -w, rtol=1e-12)
    assert (slope < 0).all()


@pytest.mark.slow
def test_many_equal_eigenvalues():
    """What S leaves in the basis is replaced by other vectors: three twos among ones; zeros only."""
    d = np.stack([np.where(np.arange(50) < 3, 2.0, 1.0), np.zeros(50)])
    w, V, _, converged = jax.jit(lambda d: eigsh(jax.vmap(jnp.diag)(d), 3, which="LA"))(d)
    np.testing.assert_allclose(w, d[:, :3], rtol=1e-14)
    np.testing.assert_allclose(V.mT @ V, np.stack([np.eye(3)] * 2), atol=1e-13)
    assert converged.all()


def test_all_pairs_of_a_pencil():
    """Outside all vectors there is rounding alone: gradients were NaN, as it pleased."""
    A, B = reflect(1.0, 2.0, 3.0, 4.0), reflect(1.0, 1.5, 1.25, 2.0)
    B = B + np.diag([0, 0, 0, 1.0])

    def of(pairs):
        return jax.jit(jax.grad(lambda A, B: loss(*pairs(A, B)), (0, 1)))(A, B)

    for got, want in zip(
        of(lambda A, B: eigsh(A, 4, B=B)[:2]), of(lambda A, B: dense(A, B, slice(4))), strict=True
    ):
        assert_relative(got, (want + want.T) / 2, 1e-12)
    slopes = jax.grad(lambda A, B: (eigsh(A, 1, B=B).eigenvectors ** 2).sum(), (0, 1))
    for got, want in zip(slopes(A[:1, :1], B[:1, :1]), (0, -1 / B[0, 0] ** 2), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-14)


def test_shapes_and_bad_input():
    A = reflect(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(ValueError, match="B is complex, but A acts on real vectors"):
        eigsh(lambda x: 2 * x, 1, B=A + 0j, v0=np.ones(4))
    stack = np.stack([A, 2 * A, np.full((4, 4), np.nan), np.full((4, 4), np.inf), A])
    B = np.stack([np.eye(4)] * 4 + [-A])
    w, V, residuals, converged = jax.jit(lambda A, B: eigsh(A, 2, B=B))(stack, B)
    assert (w.shape, V.shape, residuals.shape, converged.shape) == (
        (5, 2),
        (5, 4, 2),
        (5, 2),
        (5, 2),
    )
    np.testing.assert_allclose(w[:2], [[3, 4], [6, 8]], rtol=1e-14)
    np.testing.assert_array_equal(converged, [[True] * 2] * 2 + [[False] * 2] * 3)
    assert_nan(w[2:]), assert_nan(V[2:])
    assert eigsh(np.zeros((2, 0, 0)), 0).eigenvectors.shape == (2, 0, 0)
    assert eigsh(A, 0).eigenvectors.shape == (4, 0)


@pytest.mark.parametrize(
    ("match", "args", "options"),
    [
        ("which must be one of", (np.eye(4), 1), {"which": "SM"}),
        ("k must be between", (np.eye(4), 5), {}),
        ("square", (np.ones((2, 3)), 1), {}),
        ("pass a start vector v0", (lambda x: x, 1), {}),
        ("must map vectors", (lambda x: x[1:], 1), {"v0": np.zeros(4)}),
        ("pass sigma or B", (np.eye(4), 1), {"solve": lambda x: x}),
        ("B has shape", (np.eye(4), 1), {"B": np.eye(3)}),
    ],
)
def test_errors_name_the_remedy(match, args, options):
    with pytest.raises(ValueError, match=match):
        eigsh(*args, **options)


@pytest.mark.slow
def test_one_by_one():
    np.testing.assert_allclose(eigsh(np.full((1, 1), 3), 1).eigenvalues, [3.0])


@pytest.mark.slow
def test_lowers_for_cuda():
    A, _ = pencil(float)
    assert_lowers_for_cuda(lambda A: loss(*eigsh(A, 2, sigma=0.5)[:2]), A)

"""Singular vectors: derivatives through their own gaps, and NaN for what depends on a basis of a tie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import svd

from ...helpers import assert_lowers_for_cuda, assert_nan

RNG = np.random.default_rng(0)
H = np.eye(4) - 0.5
TURN = H[[2, 0, 3, 1]] * np.array([1, -1, 1, 1])
PAIR = H @ np.diag([4.0, 2.0, 1.0, 1.0]) @ TURN
CLOSE = H @ np.diag([4.0, 2.0, 1.0 + 1e-12, 1.0]) @ TURN
RANK_TWO = H[:, :3] @ np.diag([2.0, 1.0, 0.0]) @ (np.eye(3) - 2 / 3)
EPS = np.finfo(float).eps
TURNS = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)


def plain(A):
    return jnp.linalg.svd(A, full_matrices=False)


def thin(A):
    return svd(A, full_matrices=False)


def leading(A):
    U, s, Vh = svd(A)
    return U[:, : len(s)], s, Vh[: len(s)]


def weights(shape):
    rng = np.random.default_rng(1)
    k = min(shape)
    return [rng.normal(size=s) for s in ((shape[0], k), (k, shape[1]), (k,), shape)]


def loss(svd, A):
    """Of the phases of the pairs it does not depend."""
    U, s, Vh = svd(A)
    left, right, middle, whole = weights(A.shape)
    rebuilt = jnp.matmul(U * jnp.sin(s).astype(U.dtype)[None, :], Vh)
    separate = (jnp.abs(U) ** 2 * left).sum() + (jnp.abs(Vh) ** 2 * right).sum()
    return separate + (s * middle).sum() + (rebuilt.real * whole).sum()


@pytest.mark.parametrize(
    "shape, kind",
    [
        ((5, 3), "complex"),
        ((3, 5), "real"),
        pytest.param((4, 4), "real", marks=pytest.mark.slow),
        pytest.param((3, 5), "complex", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_as_jax_where_singular_values_are_distinct(shape, kind):
    A, E = RNG.normal(size=(2, *shape))
    if kind == "complex":
        A, E = A + 1j * E, E + 1j * A[::-1, ::-1]

    def orders(svd):
        def gradient(A):
            return jax.grad(lambda A: loss(svd, A))(A)

        return jax.jit(
            lambda A: (
                loss(svd, A),
                gradient(A),
                jax.jvp(gradient, (A,), (E,))[1],
                jax.vjp(gradient, A)[1](E)[0],
                jax.jvp(lambda A: loss(svd, A), (A,), (E,))[1],
            )
        )

    for got, true in zip(orders(thin)(A), orders(plain)(A), strict=True):
        np.testing.assert_allclose(got, true, atol=1e-12 * np.abs(true).max())
    full = jax.jit(jax.grad(lambda A: loss(leading, A)))(A)
    np.testing.assert_allclose(full, jax.grad(lambda A: loss(plain, A))(A), atol=1e-12)


def smooth(P, s, M):
    """A polynomial of U Uᵀ, V Vᵀ and U Vᵀ of the tie, and of its power sums."""
    traces = jnp.einsum("ij,mij->m", P, M)
    return traces[0] * s[1] + traces[1] ** 2 + s @ M[0, 0, :4]


def through_svd(A, M):
    U, s, Vh = svd(A)
    Z = jnp.concatenate([U[:, 2:], Vh.T[:, 2:]]) / np.sqrt(2)
    return smooth(Z @ Z.T, (s[None, 2:] ** jnp.arange(4.0)[:, None]).sum(1), M)


def through_contours(A, M):
    """The spectral projector of [0, A; Aᵀ, 0] for the eigenvalues about 1, by trapezoidal sums."""
    D = jnp.block([[jnp.zeros((4, 4)), A], [A.T, jnp.zeros((4, 4))]])
    z = 1 + TURNS / 2
    resolvent = jnp.linalg.inv(z[:, None, None] * np.eye(8) - D.astype(complex)[None])
    powers = jnp.stack([(TURNS * z**k)[:, None, None] / 128 * resolvent for k in range(4)]).sum(1)
    return smooth(powers[0].real, jnp.trace(powers, axis1=1, axis2=2).real, M)


def test_thousand_invariant_losses():
    M = np.random.default_rng(2).normal(size=(1000, 2, 8, 8))
    got, true = (
        jax.jit(jax.vmap(jax.vmap(jax.grad(f), (None, 0)), (0, None)))(np.stack([PAIR, CLOSE]), M)
        for f in (through_svd, through_contours)
    )
    assert np.abs(got - true).max() <= 1e-13 * np.abs(true).max()


def test_thousand_losses_without_a_gradient():
    C, c = RNG.normal(size=(1000, 4, 4)), RNG.normal(size=(1000, 4))
    losses = (
        lambda A, scale, C, c: scale * (svd(A).U * C).sum(),
        lambda A, scale, C, c: scale * (svd(A).S * c).sum(),
        lambda A, scale, C, c: scale * (svd(A).Vh * C).sum(),
    )
    for f in losses:
        gradients = jax.jit(jax.vmap(jax.grad(f), (None, None, 0, 0)))
        for A in (PAIR, CLOSE):
            for scale in (1.0, 1e-6):
                assert_nan(gradients(A, scale, C, c))


def test_rows_of_the_peers():
    """4: the norm of the product; 4b: matrices with orthonormal columns; jvp of both."""

    def rebuilt(A):
        U, s, Vh = thin(A)
        return jnp.linalg.norm((U * s[None, :]) @ Vh)

    @jax.jit
    def derivatives(A):
        return jax.grad(rebuilt)(A), jax.jvp(rebuilt, (A,), (A,))[1]

    for A in (np.stack([np.diag([1.0, 1, 2, 3]), np.eye(4), TURN]), H[None, :, :2], H[None, :3]):
        gradient, slope = jax.vmap(derivatives)(A)
        sizes = np.linalg.norm(A, axis=(1, 2))
        np.testing.assert_allclose(gradient, A / sizes[:, None, None], atol=1e-14)
        np.testing.assert_allclose(slope, sizes, atol=1e-14)


def test_a_tie_elsewhere():
    """The leading pair beside a tie, to second order, and what of it is in closed form."""
    A, E = np.diag([3.0, 1.0, 1.0]), RNG.normal(size=(3, 3))
    gradient = jax.grad(lambda A: thin(A).U[1, 0] ** 2 + thin(A).S[0])
    first = jax.jit(gradient)(A)
    np.testing.assert_allclose(first, np.diag([1.0, 0, 0]), atol=1e-15)
    second = jax.jit(lambda A: jax.jvp(gradient, (A,), (E,))[1])(A)
    # u₁ = t (3 E₁₀ + E₀₁)/8 and σ = 3 + t E₀₀ + t²/2 Σ_i (3 E_i0² + 2 E_i0 E_0i + 3 E_0i²)/8
    a, b = E[1:, 0], E[0, 1:]
    true = np.zeros((3, 3))
    true[1:, 0], true[0, 1:] = (3 * a + b) / 8, (a + 3 * b) / 8
    u = (3 * a[0] + b[0]) / 8
    true[1, 0] += 2 * u * 3 / 8
    true[0, 1] += 2 * u / 8
    np.testing.assert_allclose(second, true, atol=1e-14)


def test_vanishing_singular_values():
    """Rank 2 of 3: σ₃ = 0 is tied with -σ₃ and the null space of Aᵀ."""
    A = RANK_TWO
    np.testing.assert_allclose(jax.grad(lambda A: (thin(A).S ** 2).sum())(A), 2 * A, atol=1e-15)

    def leading(A):
        U, s, Vh = thin(A)
        return (U[:, :2] @ U[:, :2].T)[0, 1] + s[0] * s[1] + (U[:, :2] @ Vh[:2])[0, 0]

    def null(A):  # v₃ is alone: it does not depend on u₃
        return (thin(A).Vh[2] ** 2)[0]

    E, t = RNG.normal(size=A.shape), 1e-5
    for f in (leading, null):
        gradient, slope = jax.jit(lambda A, f=f: (jax.grad(f)(A), jax.jvp(f, (A,), (E,))[1]))(A)
        difference = (f(A + t * E) - f(A - t * E)) / (2 * t)
        np.testing.assert_allclose((gradient * E).sum(), difference, atol=1e-8)
        if f is null:
            assert_nan(slope)  # forwards it is a direction that lifts σ₃
        else:
            np.testing.assert_allclose(slope, difference, atol=1e-8)

    def without(A):
        U, s, _ = thin(A)
        return s[2], U[:, 2] @ np.arange(4.0), s.sum()

    for gradient in jax.jit(jax.jacrev(without))(A):
        assert_nan(gradient)
    inside = A @ RNG.normal(size=(3, 3)) @ (np.eye(3) - null_projector(A))  # keeps the rank
    assert np.isfinite(jax.jit(lambda E: jax.jvp(thin, (A,), (E,))[1].S)(inside)).all()


def null_projector(A):
    return np.eye(3) - np.linalg.pinv(A) @ A


def test_null_space():
    """Row 15: columns beyond n by their projector, to second order both ways."""
    A, E, C = RNG.normal(size=(3, 5, 3))
    C = C @ C.T

    def by_basis(A):
        U2 = svd(A).U[:, 3:]
        return ((U2 @ U2.T) * C).sum()

    def by_inverse(A):
        return -((A @ jnp.linalg.solve(A.T @ A, A.T)) * C).sum()

    def orders(f):
        gradient = jax.grad(f)
        return jax.jit(
            lambda A: (
                gradient(A),
                jax.jvp(f, (A,), (E,))[1],
                jax.jvp(gradient, (A,), (E,))[1],
                jax.vjp(gradient, A)[1](E)[0],
                jax.grad(lambda A: jax.jvp(f, (A,), (E,))[1])(A),
            )
        )

    rounding = 1e-14 * np.linalg.cond(A) ** 4
    for got, true in zip(orders(by_basis)(A), orders(by_inverse)(A), strict=True):
        np.testing.assert_allclose(got, true, atol=rounding * np.abs(true).max())
    assert_nan(jax.jit(jax.grad(lambda A: svd(A).U[0, 4]))(A))


@pytest.mark.parametrize("degenerate", ["nan", "project"])
def test_values_are_those_of_lapack_at_any_scale(degenerate):
    """The audit is of derivatives: it leaves values alone, at ties and at zero."""
    values = jax.jit(lambda A: svd(A, full_matrices=False, degenerate=degenerate))
    for A in (PAIR, CLOSE, np.pad(RANK_TWO, [(0, 0), (0, 1)])):
        for scale in (1e-8, 1.0, 1e8):
            U, s, Vh = values(scale * A)
            true = np.linalg.svd(scale * A)[1]
            np.testing.assert_allclose(s, true, rtol=0, atol=8 * EPS * true[0])
            rebuilt = np.asarray(U) * np.asarray(s) @ np.asarray(Vh)
            np.testing.assert_allclose(rebuilt, scale * A, rtol=0, atol=32 * EPS * true[0])


def test_directions():
    @jax.jit
    def along(E):
        return jax.jvp(thin, (PAIR,), (E,))[1]

    _, s, Vh = along(RNG.normal(size=(4, 4)))
    assert_nan(s[2:])
    assert_nan(Vh[2:])
    assert np.isfinite(s[:2]).all() and np.isfinite(Vh[:2]).all()
    np.testing.assert_allclose(along(PAIR).S, [4, 2, 1, 1], atol=1e-14)


def test_projected():
    def third(A):
        return svd(A, full_matrices=False, degenerate="project").S[2]

    E = RNG.normal(size=(4, 4))
    gradient, slope = jax.jit(lambda A: (jax.grad(third)(A), jax.jvp(third, (A,), (E,))[1]))(PAIR)
    U, _, Vh = np.linalg.svd(PAIR)
    np.testing.assert_allclose(gradient, U[:, 2:] @ Vh[2:] / 2, atol=1e-15)
    np.testing.assert_allclose(slope, (gradient * E).sum(), atol=1e-14)
    nuclear = jax.grad(lambda A: svd(A, full_matrices=False, degenerate="project").S.sum())
    U, _, Vh = np.linalg.svd(RANK_TWO)
    np.testing.assert_allclose(jax.jit(nuclear)(RANK_TWO), U[:, :2] @ Vh[:2], atol=1e-15)


def test_shapes_and_bad_input():
    many = RNG.normal(size=(2, 3, 5, 4))
    largest = jax.value_and_grad(lambda A: (svd(A).S[..., 0].sum(), svd(A)), has_aux=True)
    (_, (U, s, Vh)), double = jax.jit(largest)(many)
    assert (U.shape, s.shape, Vh.shape) == ((2, 3, 5, 5), (2, 3, 4), (2, 3, 4, 4))
    U, s, Vh = map(np.asarray, (U, s, Vh))
    np.testing.assert_allclose((U[..., :4] * s[..., None, :]) @ Vh, many, atol=1e-14)
    np.testing.assert_allclose(U @ U.mT, np.broadcast_to(np.eye(5), U.shape), atol=1e-14)
    single = jax.jit(largest)(many.astype(np.float32))[1]
    np.testing.assert_allclose(single, double, atol=1e-5)
    for shape in ((0, 0), (3, 0), (0, 3), (2, 0, 3)):
        for full in (True, False):
            want = np.linalg.svd(np.zeros(shape), full_matrices=full)
            got = jax.eval_shape(lambda full=full, shape=shape: svd(np.zeros(shape), full))
            assert [x.shape for x in got] == [x.shape for x in want]
    np.testing.assert_array_equal(svd(np.zeros((3, 0))).U, np.eye(3))
    assert_nan(svd(np.full((2, 2), np.inf)).U)
    np.testing.assert_allclose(jax.grad(lambda A: svd(A).S[0])(np.array([[-2.0]])), [[-1.0]])
    with pytest.raises(ValueError, match="degenerate must be"):
        svd(PAIR, degenerate="zero")
    with pytest.raises(ValueError, match="svd: expected"):
        svd(np.ones(3))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: loss(leading, A), RNG.normal(size=(3, 2)))

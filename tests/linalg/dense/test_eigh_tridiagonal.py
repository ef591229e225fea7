"""Eigenpairs of tridiagonal matrices: jax.scipy's have a wrong forward and no reverse derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import det, eigh_tridiagonal

from ...helpers import assert_close, assert_nan

RNG = np.random.default_rng(0)
WILKINSON = np.abs(np.arange(-10.0, 11.0)), np.ones(20)  # the largest two agree to 1e-15


def values(d, e):
    return eigh_tridiagonal(d, e, eigvals_only=True)


def dense(d, e):
    return jnp.diag(d) + jnp.diag(e, 1) + jnp.diag(e, -1)


def test_the_sum_is_the_trace():
    d, e = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0])
    trace = lambda d, e: values(d, e).sum()  # noqa: E731
    both = jax.jit(lambda d, e: [D(trace, (0, 1))(d, e) for D in (jax.grad, jax.jacfwd)])
    for along_d, along_e in both(d, e):
        assert_close(along_d, [1.0, 1.0, 1.0], 1e-15)
        assert_close(along_e, [0.0, 0.0], 1e-15)


def test_scipy_and_batches():
    d, e = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 4))
    w, V = (np.asarray(x) for x in jax.jit(eigh_tridiagonal)(d, e))
    some = jax.jit(lambda d, e: eigh_tridiagonal(d, e, select="i", select_range=(1, 2)))
    w_some, V_some = (np.asarray(x) for x in some(d, e))
    for i in range(2):
        assert_close(w[i], scipy.linalg.eigh_tridiagonal(d[i], e[i])[0], 1e-14)
        T = np.asarray(dense(d[i], e[i]))
        assert_close(T @ V[i], V[i] * w[i], 1e-14)
        assert_close(T @ V_some[i], V_some[i] * w_some[i], 1e-14)
    assert_close(values(d, e), w, 1e-14)
    assert_close(w_some, w[:, 1:3], 1e-14)
    assert_close(values(np.array([3]), np.zeros(0)), [3.0], 0.0)


def test_some_far_from_one_and_close():
    """Bisection squares entries, and inverse iteration leaves close vectors at an angle of 1e-10."""
    d, e = WILKINSON
    some = jax.jit(lambda d, e: eigh_tridiagonal(d, e, select="i", select_range=(17, 20)))
    for scale in (1e-200, 1.0, 1e200):
        w, V = (np.asarray(x) for x in some(d * scale, e * scale))
        assert_close(w / scale, scipy.linalg.eigh_tridiagonal(d, e)[0][17:], 1e-13)
        assert_close(V.T @ V, np.eye(4), 1e-14)
        assert_close(np.asarray(dense(d, e)) @ V, V * (w / scale), 1e-13)


def test_orders_against_a_sum_over_powers():
    """Σ λ⁴ = tr T⁴, and ∏ λ = det T: polynomials, of which every derivative is known."""
    d, e = RNG.normal(size=4), RNG.normal(size=3)

    def fourth(d, e):
        T = dense(d, e)
        return jnp.trace(T @ T @ T @ T)

    pairs = [
        (lambda d, e: (values(d, e) ** 4).sum(), fourth),
        (lambda d, e: values(d, e).prod(), lambda d, e: det(dense(d, e))),
    ]
    hessians = [
        jax.jit(lambda d, e, k=k: [jax.hessian(f[k], (0, 1))(d, e) for f in pairs])(d, e)
        for k in (0, 1)
    ]
    for x, y in zip(*map(jax.tree.leaves, hessians), strict=True):
        assert_close(x, y, 1e-11)


def test_derivative_of_each_eigenvalue():
    d, e = RNG.normal(size=4), RNG.normal(size=3)
    _, V = eigh_tridiagonal(d, e)
    along_d, along_e = jax.jit(jax.jacrev(values, (0, 1)))(d, e)
    assert_close(along_d, V.T**2, 1e-14)
    assert_close(along_e, 2 * (V[:-1] * V[1:]).T, 1e-14)


@pytest.mark.parametrize(
    "some", [pytest.param(slice(0, 6), marks=pytest.mark.slow), slice(2, 4)], ids=["all", "some"]
)
def test_vectors_against_the_dense_rule(some):
    """Gradient, and its derivatives in both modes, of a loss that signs of vectors do not change."""
    d, e, D = RNG.normal(size=6), RNG.normal(size=5), RNG.normal(size=6)
    E, C = RNG.normal(size=5), RNG.normal(size=(6, 6))[:, some]
    select = {} if some == slice(0, 6) else dict(select="i", select_range=(2, 3))

    def orders(pairs):
        def loss(d, e):
            w, V = pairs(d, e)
            return (C * V**2).sum() + (V[0] * V[3] * w**2).sum()

        gradient = jax.grad(loss, (0, 1))
        (value, slope), over = jax.jvp(lambda d, e: (loss(d, e), gradient(d, e)), (d, e), (D, E))
        return value, slope, over, jax.vjp(gradient, d, e)[1]((D, E))

    def plain(d, e):
        w, V = jnp.linalg.eigh(dense(d, e))
        return w[some], V[:, some]

    got = jax.jit(lambda: orders(lambda d, e: eigh_tridiagonal(d, e, **select)))()
    true = jax.jit(lambda: orders(plain))()
    gaps = np.diff(scipy.linalg.eigh_tridiagonal(d, e)[0]).min()
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(true), strict=True):
        assert_close(x, y, 100 * np.finfo(float).eps / gaps**3)


def test_cost_of_a_pair():
    """A gradient of one pair holds no matrix: n² memory would be 3 GB here."""
    n = 20_000
    d, e = jnp.linspace(0.0, 1.0, n), jnp.full(n - 1, 0.25)

    def loss(d, e):
        _, V = eigh_tridiagonal(d, e, select="i", select_range=(0, 0))
        return (V[:, 0] ** 4).sum()

    compiled = jax.jit(jax.grad(loss, (0, 1))).trace(d, e).lower().compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1000 * n


def test_ties():
    """What is alike in tied eigenvalues has a gradient; what tells them apart has none."""

    @jax.jit
    def gradients(d, e):
        (w, V), pull = jax.vjp(eigh_tridiagonal, d, e)
        one, none = jnp.zeros_like(w), jnp.zeros_like(V)
        neighbour = dict(select="i", select_range=(20, 20))  # whose twin is not selected
        alone = lambda d: eigh_tridiagonal(d, e, eigvals_only=True, **neighbour)[0]  # noqa: E731
        lost = (
            pull((one.at[-1].set(1), none)),
            pull((one, none.at[2, -1].set(1))),
            jax.grad(alone)(d),
        )
        apart = pull((one.at[0].set(1), none.at[2, 0].set(1)))
        slopes, turns = jax.jvp(eigh_tridiagonal, (d, e), (d, 0 * e))[1]
        return pull((2 * w, none)), lost, apart, (slopes, turns.mT)

    d, e = WILKINSON
    (along_d, along_e), lost, apart, moved = gradients(d, e)
    assert_close(along_d, 2 * d, 1e-12)
    assert_close(along_e, 4 * e, 1e-12)
    for x in jax.tree.leaves(lost):
        assert_nan(x)
    for x in apart:
        assert np.isfinite(x).all()
    for x in moved:
        assert_nan(x[-2:])
        assert np.isfinite(x[:5]).all()


def test_smallest():
    for n in (1, 2):
        d = np.arange(1.0, n + 1)
        along = jax.jit(
            lambda d, n=n: jax.jvp(lambda d: eigh_tridiagonal(d, np.zeros(n - 1)), (d,), (d**2,))[1]
        )
        w, V = along(d)
        assert_close(w, d**2, 1e-15)
        assert_close(V, np.zeros((n, n)), 1e-15)


@pytest.mark.parametrize(
    "d, e, options",
    [
        (np.ones(3), np.ones(3), {}),
        (np.ones(2) * 1j, np.ones(1), {}),
        (1.0, 1.0, {}),
        (np.ones(3), np.ones(2), {"select": "v", "select_range": (0.0, 1.0)}),
        (np.ones(3), np.ones(2), {"select": "i", "select_range": (1, 3)}),
        (np.ones(3), np.ones(2), {"select": "i"}),
    ],
)
def test_bad_arguments(d, e, options):
    with pytest.raises(ValueError, match="eigh_tridiagonal: "):
        eigh_tridiagonal(d, e, **options)


def test_not_finite():
    assert_nan(eigh_tridiagonal(np.array([1.0, np.inf]), np.ones(1))[1])


def test_lowers_for_cuda():
    d, e = np.ones(4), np.ones(3)
    for options in ({}, {"select": "i", "select_range": (1, 2)}):
        loss = lambda d, e, o=options: eigh_tridiagonal(d, e, **o)[1][0].sum()  # noqa: E731
        jax.jit(jax.hessian(loss)).trace(d, e).lower(lowering_platforms=("cuda",))

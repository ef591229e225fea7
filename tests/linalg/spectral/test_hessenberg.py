"""A = Q H Qᴴ against Arnoldi's process in 60 digits, with the signs of SciPy's form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg.spectral._hessenberg import hessenberg

from ...helpers import assert_close, assert_lowers_for_cuda, assert_nan, judge, mp, random_like
from ...helpers._jets import _jet
from ...helpers._truth import identity
from ...helpers._truth_dense import conj, sqrt

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4))


def both(A):
    return jnp.concatenate(hessenberg(A, calc_q=True), -2)


def true_both(A):
    """Q has the Krylov basis of e₁; the signs are those of the numbers that SciPy finds."""
    n = len(A)
    values = np.vectorize(lambda x: complex(_jet(x).value))(A)
    values = values.real if not values.imag.any() else values
    signs = np.sign(np.diagonal(scipy.linalg.hessenberg(values), -1).real)
    Q, H = identity(n), identity(n) * mp.zero
    for j in range(n):
        w = A @ Q[:, j]
        for _ in range(2):
            for i in range(j + 1):
                c = (conj(Q[:, i]) * w).sum()
                H[i, j], w = H[i, j] + c, w - Q[:, i] * c
        if j < n - 1:
            H[j + 1, j] = sqrt((conj(w) * w).sum()) * mp.mpf(signs[j])
            Q[:, j + 1] = w / H[j + 1, j]
    return np.concatenate([H, Q])


def along(f, E):
    return lambda A: jax.jvp(f, (A,), (E,))[1]


@jax.jit
def orders(A, E, F, w):
    """Value, D[E], D²[E, F], and of Σ w f the gradient and its derivative along E in both modes."""
    gradient = lambda A: jax.vjp(both, A)[1](w)[0]  # noqa: E731
    (value, g), (first, over) = jax.jvp(lambda A: (both(A), gradient(A)), (A,), (E,))
    second = along(along(both, E), F)(A)
    return value, first, second, g, over, jax.vjp(gradient, A)[1](E)[0]


def check(A):
    E, F, w = (random_like(RNG, X) for X in (A, A, np.concatenate([A, A])))
    value, first, second, gradient, over, twice = orders(A, E, F, w)
    directions = ((), ((E,),), ((E,), (F,)))
    for got, d in zip((value, first, second), directions, strict=True):
        assert_close(got, *judge(true_both, (A,), *d))
    true_first, limit = judge(true_both, (A,), (E,))
    assert_close((gradient * E).sum().real, (w * true_first).sum().real, 8 * limit)
    true_second, limit = judge(true_both, (A,), (E,), (F,))
    for hessian in (over, twice):
        assert_close((hessian * F).sum().real, (w * true_second).sum().real, 8 * limit)
    assert_close(over, twice, limit)


def test_real():
    check(A)


def test_complex():
    """The subdiagonal is real, so that its last entry has a condition of its own."""
    check(A[:3, :3] + 1j * RNG.normal(size=(3, 3)))


@pytest.mark.parametrize("kind", ["float64", "complex128", "float32"])
def test_scipy(kind):
    """jax.lax.linalg.hessenberg has no derivative and no GPU. Batched, and with columns to skip."""
    X = RNG.normal(size=(2, 3, 4, 4)).astype(kind)
    X = X + 1j * X.swapaxes(-1, -2) if kind == "complex128" else X
    X[0, 0, 2:, 0] = 0
    H, Q = map(np.asarray, jax.jit(lambda X: hessenberg(X, calc_q=True))(X))
    assert H.dtype == Q.dtype == kind
    for i in np.ndindex(2, 3):
        H0, Q0 = scipy.linalg.hessenberg(X[i], calc_q=True)
        tolerance = 100 * np.finfo(kind).eps * np.abs(X[i]).max()
        assert_close(H[i], H0, tolerance)
        assert_close(Q[i], Q0, tolerance)


def test_batch_of_derivatives():
    X, E = RNG.normal(size=(2, 2, 4, 4))
    batched = jax.jit(lambda X, E: jax.jvp(both, (X,), (E,))[1])(X, E)
    mapped = jax.jit(jax.vmap(lambda X, E: jax.jvp(both, (X,), (E,))[1]))(X, E)
    single = [orders(x, e, e, np.ones((8, 4)))[1] for x, e in zip(X, E, strict=True)]
    assert_close(batched, single, 1e-12)
    assert_close(mapped, single, 1e-12)


def test_where_there_is_no_derivative():
    """A reduced form, but for the last entry of a real one. A tangent of entries that stay is one."""
    E, w = np.ones((4, 4)), np.ones((8, 4))
    first, gradient = (orders(np.diag([1.0, 2, 3, 4]), E, E, w)[k] for k in (1, 3))
    assert_nan(first[1:3, 1:])
    assert_close(first[0, 0], 1.0, 0.0)
    assert_nan(gradient)
    reduced_last = np.triu(A, -1)
    reduced_last[3, 2] = 0
    assert np.isfinite(orders(reduced_last, E, E, w)[1]).all()


def test_shapes_and_bad_input():
    for n in (0, 1):
        H, Q = hessenberg(np.ones((2, n, n)), calc_q=True)
        assert H.shape == (2, n, n)
        assert_close(Q, np.ones((2, n, n)), 0.0)
    assert_nan(hessenberg(np.diag([1.0, np.inf])))
    assert hessenberg(np.ones((2, 2), int)).dtype == float
    with pytest.raises(ValueError, match="hessenberg: expected square"):
        hessenberg(np.ones((2, 3)))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(both, A)

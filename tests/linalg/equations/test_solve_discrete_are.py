"""The discrete Riccati equation against Hewer's iteration in 60 digits."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import solve_discrete_are

from ...helpers import assert_close, assert_nan, assert_promise, assert_relative, grcar, judge
from ...helpers._heavy import heavy_but
from ...helpers._truth_equations import true_solve_discrete_are

compiled = jax.jit(solve_discrete_are)
R = np.array([[2.0, 0.5], [0.1, 1.0]])  # its symmetric part counts
B = np.array([[1.0, 0.2], [-0.3, 1.0]])
TWO = {
    "generic": (np.array([[1.0, 2.0], [-0.5, 0.3]]), B, np.array([[2.0, 1.0], [0.0, 1.0]]), R),
    "repeated": (np.eye(2), np.eye(2), np.eye(2), np.eye(2)),
    "singular": (np.array([[0.0, 1.0], [0.0, 0.0]]), B, np.eye(2), R),
    "1e-9": (1e-9 * np.eye(2), np.eye(2), 1e-9 * np.eye(2), 1e-9 * np.eye(2)),
}


def gradients(*args):
    return jax.grad(lambda *args: solve_discrete_are(*args).sum(), (0, 1, 2, 3))(*args)


@pytest.mark.parametrize("name", heavy_but(TWO, ["generic", "1e-9"]))
def test_promise(name):
    assert_promise(solve_discrete_are, *TWO[name], truth=true_solve_discrete_are)


@pytest.mark.slow
def test_promise_complex():
    A, Q = (x + 0.5j * x[::-1] for x in (TWO["generic"][0], np.eye(2)))
    args = (A, B + 0j, Q @ Q.conj().T, R + 0.2j * np.eye(2, k=1))
    assert_promise(solve_discrete_are, *args, truth=true_solve_discrete_are)


def test_one_by_one():
    """a = b = q = r = 1: x = x / (1 + x) + 1, the golden ratio."""
    one, x = np.ones((1, 1)), (1 + 5**0.5) / 2
    assert_relative(compiled(one, one, one, one), np.full((1, 1), x), 1e-15)
    # x = a² x / (1 + g x) + q with g = b²/r, so (1 - c²) dx = 2 a c x da - (c x)² dg + dq, c = 1/(1 + x).
    c = 1 / (1 + x)
    expected = [2 * c * x, -2 * (c * x) ** 2, 1.0, (c * x) ** 2]
    for g, e in zip(gradients(one, one, one, one), expected, strict=True):
        assert_relative(g, np.full((1, 1), e / (1 - c**2)), 1e-14)


UNSEEN = {  # by Q, of which the doubling alone never learns
    "all": (np.array([[1.5, 2.0], [-0.5, 1.3]]), B, np.zeros((2, 2)), R),
    "one": (np.array([[1.5, 2.0], [0.0, -0.3]]), B, np.diag([0.0, 1.0]), R),
    "beside a stable one": (np.diag([2, 0.5]), np.eye(2)[:, :1], np.diag([0, 1.0]), np.eye(1)),
}


@pytest.mark.parametrize("name", heavy_but(UNSEEN, ["one"]))
def test_unstable_and_unseen(name):
    assert_promise(solve_discrete_are, *UNSEEN[name], truth=true_solve_discrete_are)


@pytest.mark.parametrize("n, m", [(3, 1), (24, 24)])
def test_unstable_and_unseen_by_its_inverse(n, m):
    """With Q = 0 and A unstable throughout, Y = X⁻¹ solves A Y Aᴴ = Y + G, a Stein equation."""
    A, C = random_problem(n, m)[:2]
    inverse = A / 2 / np.abs(np.linalg.eigvals(A)).max()
    A, eye = np.linalg.inv(inverse), np.eye(n)
    Y = scipy.linalg.solve_discrete_lyapunov(inverse, inverse @ C @ C.T @ inverse.T)
    X = np.asarray(compiled(A, C, np.zeros((n, n)), np.eye(m)))
    closed = np.linalg.solve(eye + C @ C.T @ X, A)
    stein = np.eye(n * n) - np.kron(closed.T, closed.T)
    condition = np.linalg.cond(Y) + 2 * np.linalg.norm(A, 2) ** 2 / np.linalg.norm(stein, -2)
    assert_relative(X, np.linalg.inv(Y), 10 * np.finfo(float).eps * condition)


@pytest.mark.slow
def test_derivatives_at_size_five():
    """Beyond the Kronecker form: a symmetric Hessian, and both modes agree."""
    rng = np.random.default_rng(3)
    A, E = grcar(5), rng.normal(size=(5, 5))
    C, Q, K = rng.normal(size=(5, 2)), np.eye(5), R

    def loss(A):
        return (solve_discrete_are(A, C, Q, K) * (E + E.T)).sum()

    hessian = jax.jit(jax.hessian(loss))(A)
    np.testing.assert_allclose(
        hessian, hessian.transpose(2, 3, 0, 1), atol=1e-11 * np.abs(hessian).max()
    )
    forward = jax.jit(jax.jvp, static_argnums=0)(loss, (A,), (E,))[1]
    terms = np.asarray(jax.grad(loss)(A)) * E  # their sum cancels: rounding is of the terms
    assert_close(terms.sum(), forward, 100 * np.finfo(float).eps * np.abs(terms).sum())


def test_n_zero():
    args = [np.zeros(shape) for shape in ((0, 0), (0, 2), (0, 0))]
    assert solve_discrete_are(*args, np.eye(2)).shape == (0, 0)


def test_float32():
    args = [x.astype(np.float32) for x in TWO["generic"]]
    truth, tolerance = judge(true_solve_discrete_are, args)
    X = compiled(*args)
    assert X.dtype == np.float32
    assert_close(X, truth, tolerance)


def random_problem(n, m, batch=()):
    rng = np.random.default_rng(n)
    A, B = rng.normal(size=(*batch, n, n)) / n**0.5, rng.normal(size=(*batch, n, m))
    E = np.eye(n) + 0.3 * rng.normal(size=(*batch, n, n)) / n**0.5
    S = 0.1 * rng.normal(size=(*batch, n, m)) / n
    return A, B, np.eye(n), np.eye(m), E, S


@pytest.mark.parametrize("n", [2, 64])
def test_residual(n):
    """At most 1e-13 of the size of its terms, Hermitian, and SciPy's X."""
    args = A, C, Q, R, E, S = random_problem(n, n)
    X = np.asarray(compiled(*args))
    assert_relative(X, scipy.linalg.solve_discrete_are(*args), 1e-10)
    np.testing.assert_array_equal(X, X.T)
    norm, F = np.linalg.norm, A.T @ X @ C + S
    residual = A.T @ X @ A - E.T @ X @ E - F @ np.linalg.solve(R + C.T @ X @ C, F.T) + Q
    assert norm(residual) <= 1e-13 * (norm(X) * (norm(A) ** 2 + norm(E) ** 2) + norm(Q))


def test_batches_broadcast():
    A, C, Q, R, E, S = random_problem(3, 2, (3, 2))
    X = compiled(A, C[0], Q, R, E[:, :1], S)
    assert X.shape == (3, 2, 3, 3)
    for i, j in np.ndindex(3, 2):
        one = scipy.linalg.solve_discrete_are(A[i, j], C[0, j], Q, R, E[i, 0], S[i, j])
        assert_relative(X[i, j], one, 1e-10)


@pytest.mark.parametrize("scale", [1e-100, 1e-9, 1e100])
def test_scale(scale):
    """Q and R times c make it c X."""
    A, C, Q, R = random_problem(5, 2)[:4]
    X = compiled(A, C, Q, R)
    assert_relative(compiled(A, C, scale * Q, scale * R) / scale, X, 1e-12)


BAD = {
    "unstable and out of reach": (2 * np.eye(3), np.eye(3)[:, :1], np.eye(3), np.eye(1)),
    "on the circle": (np.diag([1.0, 0.5, 0.2]), np.eye(3), np.diag([0.0, 1, 1]), np.eye(3)),
    "rotating": (np.array([[0.0, 1], [-1, 0]]), np.eye(2), np.zeros((2, 2)), np.eye(2)),
    "R singular": (np.eye(2) / 2, np.eye(2), np.eye(2), np.ones((2, 2))),
    "not finite": (np.array([[np.nan, 1], [0, 1]]), np.eye(2), np.eye(2), np.eye(2)),
    "infinite": (np.eye(2), np.eye(2), np.array([[np.inf, 1], [0, 1]]), np.eye(2)),
}


@pytest.mark.parametrize("name", BAD)
def test_no_solution(name):
    """NaN, values and gradients, for that element alone."""
    C = BAD[name][1]
    n, m = C.shape
    good = np.eye(n) / 2, np.ones((n, m)), np.eye(n), np.eye(m)
    batch = [np.stack(pair) for pair in zip(BAD[name], good, strict=True)]
    X, slopes = compiled(*batch), gradients(*batch)
    assert_nan(X[0])
    assert np.isfinite(X[1]).all()
    for g in slopes:
        assert np.isnan(g[0]).any() and not np.isfinite(g[0]).all()
        assert np.isfinite(g[1]).all()


@pytest.mark.parametrize("which, shape", [*enumerate([(3, 2), (2, 3), (3, 3), (2, 2)])])
def test_shapes_that_do_not_fit(which, shape):
    args = [np.eye(2), np.ones((2, 1)), np.eye(2), np.eye(1)]
    args[which] = np.ones(shape)
    with pytest.raises(ValueError, match="solve_discrete_are: "):
        solve_discrete_are(*args)


def test_singular_to_rounding():
    """E has an inverse of size 1e16, of rounding alone; R is regular, in units far apart."""
    A, C, Q = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0, 1], [0, 1, 2]]), np.eye(2)
    E, R = np.array([[0.1, 0.3], [0.3, 0.9]]), np.diag([1e-20, 1, 1e10])
    X, info = solve_discrete_are(A, C, Q, np.eye(3), E, with_info=True)
    assert_nan(X)
    assert not info.solved
    X, info = solve_discrete_are(A, C, Q, R, with_info=True)
    assert info.solved and info.residual < 1e-13

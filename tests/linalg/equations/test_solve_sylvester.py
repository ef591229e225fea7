"""A X + X B = Q against elimination in the Kronecker form, in 60 digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import solve_sylvester

from ...helpers import (
    GENERAL,
    SYMMETRIC,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    hidden_jordan,
    judge,
    true_solve_sylvester,
)
from ...helpers._heavy import heavy_but

compiled = jax.jit(solve_sylvester)
B = np.array([[2.0, -1.0], [1.0, 3.0]])
Q = np.random.default_rng(0).normal(size=(4, 2))


def case(name):
    """(A, B, Q) of one dtype and one batch, with the matrix of the name as A."""
    A = GENERAL[name]
    n = A.shape[-1]
    stacks = (A, B, Q[:n] if n else np.zeros((0, 2)))
    return tuple(np.broadcast_to(X, (*A.shape[:-2], *X.shape[-2:])).astype(A.dtype) for X in stacks)


@pytest.mark.parametrize(
    "name",
    heavy_but(
        [name for name in GENERAL if name != "batched"],
        ["defective", "badly scaled", "complex", "n=0"],
    ),
)
def test_promise(name):
    assert_promise(solve_sylvester, *case(name), truth=true_solve_sylvester)


def test_complex_beside_real():
    """SciPy takes the real Schur form of B beside the complex one of A: a residual of 17."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    B, Q = rng.normal(size=(5, 5)), rng.normal(size=(4, 5))
    X = np.asarray(compiled(A, B, Q))
    assert_relative(A @ X + X @ B, Q + 0j, 1e-13)


@pytest.mark.slow
def test_promise_batched():
    A = np.stack([GENERAL["spd"], GENERAL["non-normal"], hidden_jordan()])
    batch = (A, np.stack([B, B.T, 2 * B]), np.stack([Q, -Q, Q + 1]))
    assert_promise(solve_sylvester, *batch, truth=true_solve_sylvester)


def test_promise_both_defective():
    """A and B with one Jordan block each: eigenvectors are parallel, X is as good as ever."""
    A = np.array([[3.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 0.0, 3.0]])
    P = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    A = P @ A @ np.array([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [1.0, -1.0, 1.0]])
    assert_promise(
        solve_sylvester, A, np.array([[1.0, 1.0], [0.0, 1.0]]), Q[:3], truth=true_solve_sylvester
    )


@pytest.mark.parametrize("n", [4, 6, 8])
def test_a_large_jordan_block(n):
    """A Jordan block under a random orthogonal similarity: eigenvalues are right to eps^{1/n}."""
    V = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    A = V @ (2 * np.eye(n) + np.eye(n, k=1)) @ V.T
    C = np.random.default_rng(1).normal(size=(n, 2))
    truth, tolerance = judge(true_solve_sylvester, (A, B, C))
    assert_close(compiled(A, B, C), truth, tolerance)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scale(scale):
    A = GENERAL["spd"]
    assert_relative(compiled(scale * A, scale * B, scale * Q), compiled(A, B, Q), 1e-13)
    assert_relative(compiled(A, B, scale * Q) / scale, compiled(A, B, Q), 1e-13)


def test_agrees_with_scipy_on_larger_matrices(key):
    A, C = np.asarray(jax.random.normal(key, (2, 30, 30)))
    A = A / 30 + np.eye(30)
    B, Q = A[:20, :20], C[:, :20]
    assert_relative(compiled(A, B, Q), scipy.linalg.solve_sylvester(A, B, Q), 1e-12)


def test_batches_broadcast():
    A, one = np.stack([GENERAL["spd"], GENERAL["non-normal"]]), jnp.asarray(B)
    X = solve_sylvester(A, one, Q)
    for i in range(2):
        assert_relative(X[i], scipy.linalg.solve_sylvester(A[i], B, Q), 1e-13)
    gradients = jax.grad(lambda *args: solve_sylvester(*args).sum(), (0, 1, 2))(A, one, Q)
    assert [g.shape for g in gradients] == [A.shape, B.shape, Q.shape]


def test_many_right_hand_sides_share_the_factors():
    """vmap over Q alone decomposes A and B once."""
    A, stack = GENERAL["spd"], np.stack([Q, 2 * Q, Q + 1])
    mapped = jax.jit(jax.vmap(solve_sylvester, (None, None, 0)))
    for X, C in zip(mapped(A, B, stack), stack, strict=True):
        assert_relative(X, scipy.linalg.solve_sylvester(A, B, C), 1e-13)
    text = mapped.lower(A, B, stack).as_text()
    assert "tensor<3x4x4xf64>" not in text


@pytest.mark.parametrize(
    "A, B",
    [
        (np.diag([1.0, 2.0, 3.0, 4.0]), np.diag([-2.0, 5.0])),
        (np.zeros((4, 4)), np.zeros((2, 2))),
        (SYMMETRIC["repeated"], -np.eye(2)),
        (np.eye(4), -np.eye(2) + 1e-17),
    ],
    ids=["one pair", "zero", "repeated", "to rounding"],
)
def test_not_unique(A, B):
    """An eigenvalue of A is one of -B: NaN, and so are all gradients, for that element alone."""
    gradient = jax.grad(lambda *args: solve_sylvester(*args).sum(), (0, 1, 2))
    assert_nan(compiled(A, B, Q))
    for g in gradient(A, B, Q):
        assert_nan(g)
    batch = (np.stack([A, A + 10 * np.eye(4)]), np.stack([B, B]), np.stack([Q, Q]))
    X, gradients = solve_sylvester(*batch), gradient(*batch)
    assert_nan(X[0])
    assert np.isfinite(X[1]).all()
    for g in gradients:
        assert_nan(g[0])
        assert np.isfinite(g[1]).all()


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(which, bad):
    batch = [np.stack([X, X]) for X in (GENERAL["spd"], B, Q)]
    batch[which][0, 1, 1] = bad
    X = compiled(*batch)
    assert np.isnan(X[0]).any() and not np.isfinite(X[0]).all()
    assert np.isfinite(X[1]).all()
    gradients = jax.grad(lambda *args: solve_sylvester(*args).sum(), (0, 1))(*batch)
    for g in gradients:
        assert not np.isfinite(g[0]).all()
        assert np.isfinite(g[1]).all()


@pytest.mark.parametrize("shapes", [((0, 0), (2, 2), (0, 2)), ((2, 2), (0, 0), (2, 0))])
def test_empty(shapes):
    args = [jnp.zeros(shape) for shape in shapes]
    assert solve_sylvester(*args).shape == shapes[2]
    gradients = jax.grad(lambda *args: solve_sylvester(*args).sum(), (0, 1, 2))(*args)
    assert [g.shape for g in gradients] == list(shapes)


def test_dtypes_mix():
    """A real, B complex, Q of integers: one dtype, whatever promotion the user has set."""
    X = solve_sylvester(GENERAL["spd"], B.astype(complex), np.ones((4, 2), int))
    assert X.dtype == complex
    assert_relative(X, scipy.linalg.solve_sylvester(GENERAL["spd"], B, np.ones((4, 2))), 1e-13)


@pytest.mark.parametrize("phase", [1, 1j])
def test_more_than_one_block(phase):
    """No line parts the spectra, so columns are solved for, in blocks of rows that do not divide n."""
    n, m = 100, 35
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(n, n)) / 10 * phase, rng.normal(size=(m, m)) / 6
    Q = rng.normal(size=(n, m)) + 0 * A[0, 0]
    X = np.asarray(compiled(A, B, Q))
    sizes = np.abs(A) @ np.abs(X) + np.abs(X) @ np.abs(B)
    assert (np.abs(A @ X + X @ B - Q) <= 64 * np.finfo(float).eps * sizes.max()).all()

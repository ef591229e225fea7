"""A X Aᴴ - X + Q = 0 against elimination in the Kronecker form, in 60 digits."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import solve_discrete_lyapunov

from ...helpers import (
    GENERAL,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    grcar,
    judge,
)
from ...helpers._truth_equations import true_solve_discrete_lyapunov

compiled = jax.jit(solve_discrete_lyapunov)
rng = np.random.default_rng(0)
Q = rng.normal(size=(4, 4))
NAMES = ["spd", "defective", "complex"]
FIVE = {  # beyond the size of the Kronecker form: doubling, triangularisation
    "stable": grcar(5) / 3,
    "defective": np.diag([0.5, 0.5, 0.5, -0.3, -0.3]) + np.diag([1.0, 1.0, 0.0, 1.0], 1),
    "both sides": grcar(5) - 3 * np.diag([1.0, 0.0, 0.0, 1.0, 0.0]),
}


def gradients(*args):
    return jax.grad(lambda *args: solve_discrete_lyapunov(*args).sum(), (0, 1))(*args)


@pytest.mark.parametrize("name", NAMES)
def test_promise(name):
    A = GENERAL[name]
    assert_promise(
        solve_discrete_lyapunov,
        A,
        Q[: len(A), : len(A)].astype(A.dtype),
        truth=true_solve_discrete_lyapunov,
        reference=scipy.linalg.solve_discrete_lyapunov if len(A) else None,
    )


@pytest.mark.slow
def test_promise_at_size_five():
    C = np.random.default_rng(5).normal(size=(5, 5))
    assert_promise(solve_discrete_lyapunov, FIVE["stable"], C, truth=true_solve_discrete_lyapunov)


def test_complex_of_size_five():
    C = np.random.default_rng(6).normal(size=(5, 5)) + 1j
    for name in ("stable", "both sides"):
        A = FIVE[name] * np.exp(1j)
        truth, tolerance = judge(true_solve_discrete_lyapunov, (A + 0.1j, C))
        assert_close(compiled(A + 0.1j, C), truth, tolerance)


@pytest.mark.parametrize("scale", [1e-200, 1e150])
def test_scale(scale):
    for A in (GENERAL["spd"], *FIVE.values()):
        X = compiled(A, scale * np.eye(len(A)))
        assert_relative(X / scale, compiled(A, np.eye(len(A))), 1e-13)


def test_next_to_nothing():
    """A far below or above 1, where X is Q or -A⁻¹ Q A⁻ᴴ."""
    for n in (3, 5):
        assert_relative(compiled(1e-9 * np.eye(n), np.eye(n)), np.eye(n) / (1 - 1e-18), 1e-15)
        assert_relative(compiled(1e9 * np.eye(n), np.eye(n)), -1e-18 * np.eye(n), 1e-15)


@pytest.mark.parametrize("n", [2, 64])
@pytest.mark.parametrize("size", [0.5, 0.9])
def test_residual(n, size):
    """‖A X Aᴴ - X + Q‖ <= 1e-13 (‖A‖²‖X‖ + ‖X‖ + ‖Q‖), and SciPy's X."""
    A, C = np.random.default_rng(n).normal(size=(2, n, n)) / n**0.5
    A = size * A
    X = np.asarray(compiled(A, C))
    norm = np.linalg.norm
    assert norm(A @ X @ A.T - X + C) <= 1e-13 * (norm(A) ** 2 * norm(X) + norm(X) + norm(C))
    assert_relative(X, scipy.linalg.solve_discrete_lyapunov(A, C), 1e-12)


def test_in_a_batch_each_takes_its_own_way():
    A = np.stack(list(FIVE.values()))
    X = jax.jit(jax.vmap(solve_discrete_lyapunov, (0, None)))(A, np.eye(5))
    for x, a in zip(X, A, strict=True):
        assert_relative(x, scipy.linalg.solve_discrete_lyapunov(a, np.eye(5)), 1e-13)


@pytest.mark.parametrize("n", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_not_unique(n):
    """λ and 1/λ̄: NaN, values and gradients, for that element alone."""
    A = np.diag(np.arange(n) + 1.0)
    assert_nan(compiled(A, np.eye(n)))
    for g in gradients(A, np.eye(n)):
        assert_nan(g)
    batch = np.stack([A, A + 10 * np.eye(n)])
    X, (g, _) = compiled(batch, np.eye(n)), gradients(batch, np.eye(n))
    assert_nan(X[0])
    assert_nan(g[0])
    assert np.isfinite(X[1]).all() and np.isfinite(g[1]).all()


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"solve_discrete_lyapunov: .*\(3, 3\).*\(3, 2\)"):
        solve_discrete_lyapunov(np.eye(3), np.ones((3, 2)))


def test_dtypes_mix():
    X = solve_discrete_lyapunov(2 * np.eye(3, dtype=int), 3j * np.eye(3))
    assert X.dtype == complex
    assert_relative(X, -1j * np.eye(3), 1e-15)


def test_more_than_one_block():
    """Eigenvalues on both sides of the circle, so columns are solved for, in blocks of rows."""
    n = 100
    A, Q = np.random.default_rng(0).normal(size=(2, n, n)) / 8
    X = np.asarray(jax.jit(solve_discrete_lyapunov)(A, Q))
    sizes = np.abs(X) + np.abs(A) @ np.abs(X) @ np.abs(A.T) + np.abs(Q)
    assert (np.abs(X - A @ X @ A.T - Q) <= 64 * np.finfo(float).eps * sizes.max()).all()

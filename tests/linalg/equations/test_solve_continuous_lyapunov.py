"""A X + X Aᴴ = Q against elimination in the Kronecker form, in 60 digits."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import solve_continuous_lyapunov

from ...helpers import (
    GENERAL,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    grcar,
    hidden_jordan,
    judge,
)
from ...helpers._heavy import heavy_but
from ...helpers._truth_equations import true_solve_continuous_lyapunov

compiled = jax.jit(solve_continuous_lyapunov)
rng = np.random.default_rng(0)
Q = rng.normal(size=(4, 4))
NAMES = ["spd", "defective", "badly scaled", "complex", "float32", "n=1", "n=0"]
FIVE = {  # beyond the size of the Kronecker form: doubling, doubling of -A, triangularisation
    "right half-plane": grcar(5) + np.eye(5),
    "stable": -np.diag([1.0, 1.0, 1.0, 2.0, 2.0]) + np.diag([1.0, 1.0, 0.0, 1.0], 1),
    "both sides": grcar(5) - 3 * np.diag([1.0, 0.0, 0.0, 1.0, 0.0]),
}


def gradients(*args):
    return jax.grad(lambda *args: solve_continuous_lyapunov(*args).sum(), (0, 1))(*args)


@pytest.mark.parametrize("name", heavy_but(NAMES, ["complex", "n=0"]))
def test_promise(name):
    A = GENERAL[name]
    assert_promise(
        solve_continuous_lyapunov,
        A,
        Q[: len(A), : len(A)].astype(A.dtype),
        truth=true_solve_continuous_lyapunov,
        reference=scipy.linalg.solve_continuous_lyapunov if len(A) else None,
    )


@pytest.mark.slow
def test_promise_batched():
    A = np.stack([GENERAL["spd"], -GENERAL["non-normal"], hidden_jordan()])
    batch = (A, np.stack([Q, -Q, Q + Q.T]))
    assert_promise(solve_continuous_lyapunov, *batch, truth=true_solve_continuous_lyapunov)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIVE)
def test_promise_at_size_five(name):
    C = np.random.default_rng(5).normal(size=(5, 5))
    assert_promise(solve_continuous_lyapunov, FIVE[name], C, truth=true_solve_continuous_lyapunov)


def test_complex_of_size_five():
    A = FIVE["both sides"] + 0.5j * FIVE["stable"]
    C = np.random.default_rng(6).normal(size=(5, 5)) + 1j
    truth, tolerance = judge(true_solve_continuous_lyapunov, (A, C))
    assert_close(compiled(A, C), truth, tolerance)
    assert_close(compiled(-A, C), -truth, tolerance)


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("value", [2.0, -2.0])
def test_a_large_jordan_block(n, value):
    V = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    A = V @ (value * np.eye(n) + np.eye(n, k=1)) @ V.T
    X = compiled(A, np.eye(n))
    assert_relative(X, scipy.linalg.solve_continuous_lyapunov(A, np.eye(n)), 1e-13)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1e150])
@pytest.mark.parametrize("A", [GENERAL["spd"], *FIVE.values()], ids=["small", *FIVE])
def test_scale(scale, A):
    n = len(A)
    C = np.random.default_rng(n).normal(size=(n, n))
    assert_relative(compiled(scale * A, scale * C), compiled(A, C), 1e-13)


def test_of_identities_times_1e_9():
    A, C = 1e-9 * np.eye(4), 2e-9 * np.eye(4)
    assert_relative(compiled(A, C), np.eye(4), 1e-15)
    for x, y in zip(gradients(A, C), gradients(np.eye(4), 2 * np.eye(4)), strict=True):
        assert_relative(x * 1e-9, y, 1e-14)


@pytest.mark.parametrize("n", [2, 64])
@pytest.mark.parametrize("sign", [1, -1])
def test_residual(n, sign):
    """‖A X + X Aᴴ - Q‖ <= 1e-13 (‖A‖‖X‖ + ‖Q‖), and SciPy's X."""
    A, C = np.random.default_rng(n).normal(size=(2, n, n)) / n**0.5
    A = A + 2 * sign * np.eye(n)
    X = np.asarray(compiled(A, C))
    norm = np.linalg.norm
    assert norm(A @ X + X @ A.T - C) <= 1e-13 * (norm(A) * norm(X) + norm(C))
    assert_relative(X, scipy.linalg.solve_continuous_lyapunov(A, C), 1e-12)


def test_in_a_batch_each_takes_its_own_way():
    A = np.stack(list(FIVE.values()))
    X = jax.jit(jax.vmap(solve_continuous_lyapunov, (0, None)))(A, np.eye(5))
    for x, a in zip(X, A, strict=True):
        assert_relative(x, scipy.linalg.solve_continuous_lyapunov(a, np.eye(5)), 1e-13)


@pytest.mark.parametrize("n", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_not_unique(n):
    """λ and -λ̄: NaN, values and gradients, for that element alone."""
    A = np.diag(np.arange(n) - 1.0)
    assert_nan(compiled(A, np.eye(n)))
    for g in gradients(A, np.eye(n)):
        assert_nan(g)
    batch = np.stack([A, A + 10 * np.eye(n)])
    X, (g, _) = compiled(batch, np.eye(n)), gradients(batch, np.eye(n))
    assert_nan(X[0])
    assert_nan(g[0])
    assert np.isfinite(X[1]).all() and np.isfinite(g[1]).all()


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"solve_continuous_lyapunov: .*\(3, 3\).*\(3, 2\)"):
        solve_continuous_lyapunov(np.eye(3), np.ones((3, 2)))


def test_dtypes_mix():
    X = solve_continuous_lyapunov(np.eye(3, dtype=int), 1j * np.eye(3))
    assert X.dtype == complex
    assert_relative(X, 0.5j * np.eye(3), 1e-15)

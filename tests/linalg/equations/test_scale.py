"""Coefficients in any unit: squares of norms overflow from 1e±19 in float32, from 1e±154 in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov, solve_sylvester

N = 6
A, B, Q = np.random.default_rng(0).normal(size=(3, N, N)) / np.sqrt(N)
SCALES = [(np.float32, 1e-25), (np.float32, 1e25), (np.float64, 1e-220), (np.float64, 1e220)]


def _close(X, truth, dtype, M):
    assert np.isfinite(X).all()
    error = np.linalg.norm(X - truth)
    assert error <= 10 * np.finfo(dtype).eps * np.linalg.cond(M) * np.linalg.norm(truth)


def _sylvester(A, B):
    """X ↦ A X + X B as a matrix."""
    return np.kron(A, np.eye(len(B))) + np.kron(np.eye(len(A)), B.T)


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("phase", [1, 1 + 1j])
def test_solve_sylvester(dtype, scale, shift, phase):
    """A, B and Q together, A and B alone, and Q alone; with a line between the spectra and without."""
    left, right = A * phase + shift * np.eye(N), B + shift * np.eye(N)
    truth = scipy.linalg.solve_sylvester(left, right + 0 * left, Q + 0 * left)
    solve = jax.jit(solve_sylvester)
    t = np.result_type(dtype, np.complex64) if phase != 1 else dtype
    for both, rhs in ((scale, scale), (scale, 1), (1, scale)):
        X = solve((left * both).astype(t), (right * both).astype(t), (Q * rhs).astype(t))
        _close(
            np.asarray(X, np.result_type(t, float)) * (both / rhs),
            truth,
            dtype,
            _sylvester(left, right),
        )


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("shift", [0, 2])
def test_solve_continuous_lyapunov(dtype, scale, shift):
    left = A + shift * np.eye(N)
    truth = scipy.linalg.solve_continuous_lyapunov(left, Q)
    X = jax.jit(solve_continuous_lyapunov)((left * scale).astype(dtype), Q.astype(dtype))
    _close(np.asarray(X, float) * scale, truth, dtype, _sylvester(left, left.T))


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
def test_gradient(dtype, scale):
    """The gradient of the sum of X in Q solves the transposed equation, with a Q of ones."""
    truth = scipy.linalg.solve_sylvester(A.T, B.T, np.ones((N, N)))

    def total(Q):
        return (
            solve_sylvester(jnp.asarray(A * scale, dtype), jnp.asarray(B * scale, dtype), Q)
        ).sum()

    gradient = jax.jit(jax.grad(total))(Q.astype(dtype))
    _close(np.asarray(gradient, float) * scale, truth, dtype, _sylvester(A, B))


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("expanding", [0.5, 4])
def test_solve_discrete_lyapunov(dtype, scale, expanding):
    M = np.eye(N * N) - expanding**2 * np.kron(A, A)
    truth = scipy.linalg.solve_discrete_lyapunov(expanding * A, Q)
    X = jax.jit(solve_discrete_lyapunov)((expanding * A).astype(dtype), (scale * Q).astype(dtype))
    _close(np.asarray(X, float) / scale, truth, dtype, M)


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
def test_singular(dtype, scale):
    """A and -A: every eigenvalue is shared."""
    X = jax.jit(solve_sylvester)(
        (A * scale).astype(dtype), (-A * scale).astype(dtype), Q.astype(dtype)
    )
    assert np.isnan(X).all()


def test_nothing_on_the_right():
    X = jax.jit(solve_sylvester)(A, B, 0 * Q)
    assert (np.asarray(X) == 0).all()
    assert np.isnan(solve_sylvester(A, -A, 0 * Q)).all()

"""Roots of scalar equations in closed form, and a delay equation at 50 digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from mcjax.linalg import nonlinear_eig

from ...helpers import assert_lowers_for_cuda, assert_nan

A = np.array([[-5.0, 1.0], [2.0, -6.0]])
B = np.array([[-2.0, 1.0], [4.0, -1.0]])
E = np.array([[1.0, 2.0], [-1.0, 0.5]])
START = -1.5


def delay(s, A, B, tau):
    """x' = A x + B x(t - τ): λ I - A - B exp(-λ τ) (Jarlebring 2008)."""
    return s * np.eye(2) - A.astype(s.dtype) - B.astype(s.dtype) * jnp.exp(-s * tau)


def exact(A, B, tau):
    """λ near -1.5, at 50 digits."""
    M = lambda s: s * mpmath.eye(2) - A - B * mpmath.exp(-s * tau)  # noqa: E731
    return mpmath.findroot(lambda s: mpmath.det(M(s)), START)


def test_delay():
    """λ, and its derivatives along a curve of A and τ against differences at 50 digits."""

    def value(t):
        return nonlinear_eig(delay, START, A + t * E, B, 1 + t / 2).eigenvalue

    @jax.jit
    def orders(t):
        found = nonlinear_eig(delay, START, A, B, 1.0)
        slopes = jax.grad(value)(t), jax.jvp(value, (t,), (1.0,))[1]
        return found, slopes, jax.hessian(value)(t)

    found, slopes, curve = orders(0.0)
    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -12
        a, b, e = (mpmath.matrix(X.tolist()) for X in (A, B, E))
        left, middle, right = (exact(a + t * e, b, 1 + t / 2) for t in (-h, 0, h))
        first, second = (right - left) / (2 * h), (right - 2 * middle + left) / h**2
    assert found.converged and found.residual < 1e-15
    np.testing.assert_allclose(found.eigenvalue, float(middle), rtol=1e-14)
    image = delay(found.eigenvalue, A, B, 1.0) @ found.eigenvector
    assert np.abs(image).max() < 1e-14
    np.testing.assert_allclose(slopes, float(first), rtol=1e-13)
    np.testing.assert_allclose(curve, float(second), rtol=1e-12)


def test_lambert():
    """λ + a exp(-λ τ) = 0: λ τ = W(-a τ), complex; all derivatives in closed form."""

    def scalar(s, a, tau):
        return (s + a * jnp.exp(-s * tau)).reshape(1, 1)

    def value(tau):
        return nonlinear_eig(scalar, -0.3 + 1.3j, 1.0, tau).eigenvalue

    w = complex(mpmath.lambertw(-1))
    got = jax.jit(lambda tau: (value(tau), jax.jvp(value, (tau,), (1.0,))[1]))(1.0)
    np.testing.assert_allclose(got[0], w, rtol=1e-15)
    # λ' (1 - a τ exp(-λ τ)) = a λ exp(-λ τ), with a exp(-λ τ) = -λ
    np.testing.assert_allclose(got[1], -(w**2) / (1 + w), rtol=1e-14)
    second = jax.jit(jax.hessian(lambda tau: value(tau).imag))(1.0)
    h = 1e-4
    near = [complex(mpmath.lambertw(-t) / t).imag for t in (1 - h, 1, 1 + h)]
    np.testing.assert_allclose(second, (near[0] - 2 * near[1] + near[2]) / h**2, rtol=1e-6)


def test_several_guesses_and_closures():
    K = jnp.diag(jnp.array([1.0, 4.0, 9.0]))

    def near(guess, scale):
        return nonlinear_eig(lambda s: scale * K - s**2 * np.eye(3), guess).eigenvalue

    guesses = np.array([0.9, 2.2, 3.1])
    both = jax.value_and_grad(near, 1)
    w, slopes = jax.jit(jax.vmap(both, (0, None)))(guesses, 1.0)
    np.testing.assert_allclose(w, [1, 2, 3], rtol=1e-15)
    np.testing.assert_allclose(slopes, [0.5, 1, 1.5], rtol=1e-14)


def test_no_root_and_double_root():
    lost = nonlinear_eig(lambda s: (s**2 + 1).reshape(1, 1), 0.3)
    assert not lost.converged
    assert_nan(lost.eigenvalue)

    def double(t):
        return nonlinear_eig(lambda s: ((s - 1) ** 2 - t).reshape(1, 1), 1.1, maxiter=100)

    found = double(0.0)
    np.testing.assert_allclose(found.eigenvalue, 1, atol=1e-7)
    assert_nan(jax.grad(lambda t: double(t).eigenvalue)(0.0))


def test_bad_input():
    with pytest.raises(ValueError, match="guess is a number"):
        nonlinear_eig(lambda s: jnp.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="must be a matrix"):
        nonlinear_eig(lambda s: jnp.ones((2, 3)), 1.0)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: nonlinear_eig(delay, START, A, B, 1.0).eigenvalue, A)

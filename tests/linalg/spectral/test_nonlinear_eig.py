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

EPS = float(jnp.finfo(float).eps)


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


SPRINGS = (np.diag([1.0, 2.0]), -np.fliplr(np.eye(2)))


@jax.jit
def coupled(k, unit):
    """λ/i of [[k + x², -1], [-1, 2 k + x²]], x = λ / unit, in that unit, and its derivative in k."""

    def value(k):
        stiffness = k * SPRINGS[0] + SPRINGS[1]
        inertia = lambda s: (s / unit.astype(complex)) ** 2 * np.eye(2, dtype=complex)  # noqa: E731
        M = lambda s: stiffness.astype(complex) + inertia(s)  # noqa: E731
        return nonlinear_eig(M, jax.lax.complex(0.0, 1.8 * unit)).eigenvalue.imag / unit

    return jax.value_and_grad(value)(k)


def test_any_unit():
    """-x² = (3 k - r)/2, r² = k² + 4, whatever the unit of λ."""
    k = 3.0
    r = np.sqrt(k * k + 4)
    x = np.sqrt((3 * k - r) / 2)
    for unit in 10.0 ** np.array([-150, -30, -12, -9, -8, 0, 8, 15, 30, 150]):
        np.testing.assert_allclose(coupled(k, unit), [x, (3 - k / r) / (4 * x)], rtol=20 * EPS)


def test_circuit():
    """R + L s + 1/(C s) of 1 Ω, 1 nH and 1 pF: ω² = 1/(L C) - (R / 2L)² to second order in C."""
    R, L, C = 1.0, 1e-9, 1e-12

    def resonance(C):
        impedance = lambda s: (R + L * s + 1 / (C * s)).reshape(1, 1)  # noqa: E731
        return nonlinear_eig(impedance, 3.4785e10j).eigenvalue.imag

    def closed_form(C):
        return jnp.sqrt(4 * L / C - R * R) / (2 * L)

    def orders(f):
        return f(C), jax.grad(f)(C), jax.jvp(jax.grad(f), (C,), (1.0,))[1]

    np.testing.assert_allclose(orders(resonance), orders(closed_form), rtol=1e-14)


def test_garbage_is_no_root():
    """M falls by far more than 1/eps on the way, nowhere singular in its own units."""
    P, Q = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([[0.3, 1.0], [-1.0, 0.2]])
    cases = [
        (lambda s: s * np.eye(2) - P - Q * jnp.exp(-s), -60.0),
        (lambda s: jnp.exp(s).reshape(1, 1), 1.0),
        (lambda s: (1 / (1 + s**2)).reshape(1, 1), 1.0),
        (lambda s: (jnp.abs(s) + 1).reshape(1, 1), 0.5),  # M'' = 0
        (lambda s: (2 + 0 * s).reshape(1, 1), 0.5),  # M' = 0
    ]
    for M, guess in cases:
        found = nonlinear_eig(M, guess)
        assert not found.converged and not found.residual <= 0.01
        assert_nan(found.eigenvalue)
        assert_nan(found.eigenvector)


def test_no_steps_no_root():
    """Of a line M tells what is left, and has no second unit."""
    found = nonlinear_eig(lambda s: (s - 2).reshape(1, 1), 1.0, maxiter=0)
    assert not found.converged and found.residual >= 0.5


def test_null_direction_that_falls_for_ever():
    """M is singular to rounding from λ = -36 on, and has no root: Newton's steps stay as long as they are."""
    found = nonlinear_eig(lambda s: jnp.diag(jnp.stack([jnp.exp(s), 1.0])), -1.0)
    assert found.residual < 1e-15 and not found.converged
    assert_nan(found.eigenvalue)


def test_roots_at_zero():
    """λ = 0 exactly, has no unit: sin λ, what cancels only to rounding, and a singular matrix."""
    found = nonlinear_eig(lambda s: jnp.sin(s).reshape(1, 1), 0.1)
    assert found.converged and found.eigenvalue == 0

    def balance(a):
        return nonlinear_eig(lambda s: (jnp.exp(s) * (0.1 + s + a - 0.3)).reshape(1, 1), 0.1)

    found = balance(0.2)
    assert found.converged and abs(found.eigenvalue) < 1e-16
    np.testing.assert_allclose(jax.grad(lambda a: balance(a).eigenvalue)(0.2), -1, rtol=20 * EPS)
    V = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    singular = V @ np.diag([0.0, 1.0, 2.0, 3.0]) @ V.T
    for guess in (0.0, 0.1):
        M = lambda X, s: s * np.eye(4) - X  # noqa: E731
        near = lambda X: nonlinear_eig(lambda s: M(X, s), guess)  # noqa: B023, E731
        found, slopes = near(singular), jax.grad(lambda X: near(X).eigenvalue)(singular)  # noqa: B023
        assert found.converged and abs(found.eigenvalue) < 1e-15
        np.testing.assert_allclose(slopes, np.outer(V[:, 0], V[:, 0]), atol=1e-15)


def test_multiple_roots_have_values_only():
    """To a half and a third of the digits where λ is defective, to all where it is not."""
    rng = np.random.default_rng(0)
    for J, digits in (
        (np.eye(2), 1),
        (np.eye(2) + np.eye(2, k=1), 2),
        (np.eye(3) + np.eye(3, k=1), 3),
    ):
        n = len(J)
        V = np.linalg.qr(rng.normal(size=(n, n)))[0]

        def near(X, n=n):
            return nonlinear_eig(lambda s: s * np.eye(n) - X, 0.9)

        found = near(V @ J @ V.T)
        assert found.converged
        largest = found.eigenvector[jnp.argmax(jnp.abs(found.eigenvector))]
        assert largest.real > 0 and largest.imag == 0
        assert abs(found.eigenvalue - 1) < 10 * (n * 2.2e-16) ** (1 / digits)
        assert_nan(jax.grad(lambda X: near(X).eigenvalue)(V @ J @ V.T))


def test_lost_guesses_do_not_spoil_the_others():
    """A sum over those that converged has a gradient."""

    def total(a):
        M = lambda s: (jnp.exp(s) * (s - a)).reshape(1, 1)  # noqa: E731
        found = jax.vmap(lambda guess: nonlinear_eig(M, guess))(np.array([1.9, -60.0]))
        return jnp.where(found.converged, found.eigenvalue, 0).sum(), found.converged

    (value, converged), slope = jax.value_and_grad(total, has_aux=True)(2.0)
    np.testing.assert_array_equal(converged, [True, False])
    np.testing.assert_allclose([value, slope], [2, 1], rtol=20 * EPS)


def test_bad_input():
    with pytest.raises(ValueError, match="guess is a number"):
        nonlinear_eig(lambda s: jnp.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="must be a matrix"):
        nonlinear_eig(lambda s: jnp.ones((2, 3)), 1.0)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: nonlinear_eig(delay, START, A, B, 1.0).eigenvalue, A)

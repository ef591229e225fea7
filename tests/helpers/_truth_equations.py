"""Matrix equations by plain algorithms, for arrays of any kind of number."""

import numpy as np
import scipy.linalg

from ._jets import _jet, exact, mp
from ._truth import _adjoint, identity, true_solve, true_solve_sylvester


def true_solve_continuous_lyapunov(A, Q):
    return true_solve_sylvester(A, _adjoint(A), Q)


def true_solve_stein(A, B, Q):
    """(I - A ⊗ Bᵀ) vec X = vec Q, rows stacked."""
    n, m = Q.shape
    if not Q.size:
        return Q
    K = identity(n * m) - np.multiply.outer(A, B.T).transpose(0, 2, 1, 3).reshape(n * m, n * m)
    return true_solve(K, Q.reshape(n * m, 1)).reshape(n, m)


def true_solve_discrete_lyapunov(A, Q):
    return true_solve_stein(A, _adjoint(A), Q)


def true_solve_continuous_are(A, B, Q, R):
    """Kleinman's iteration: each step a Lyapunov equation of the closed loop."""

    def step(X):
        K = true_solve(R, _adjoint(B) @ X)
        closed = A - B @ K
        return true_solve_sylvester(_adjoint(closed), closed, -(Q + _adjoint(K) @ R @ K))

    Q, R = _part(Q), _part(R)
    return _iterated(step, scipy.linalg.solve_continuous_are, A, B, Q, R)


def true_solve_discrete_are(A, B, Q, R):
    """Hewer's iteration: each step a Stein equation of the closed loop."""

    def step(X):
        BX = _adjoint(B) @ X
        K = true_solve(R + BX @ B, BX @ A)
        closed = A - B @ K
        return true_solve_stein(_adjoint(closed), closed, Q + _adjoint(K) @ R @ K)

    Q, R = _part(Q), _part(R)
    return _iterated(step, scipy.linalg.solve_discrete_are, A, B, Q, R)


def true_solve_quadratic(A, B, C):
    """Newton's iteration from -B⁻¹ C, for a large B: each step a Stein equation."""

    def step(X):
        M = A @ X + B
        return X - true_solve_stein(-true_solve(M, A), X, true_solve(M, M @ X + C))

    X = -true_solve(B, C)
    for _ in range(12):
        X = step(X)
    return X


def _iterated(step, start, *matrices):
    """From SciPy's 12 digits, and then twice more for the jets; each step doubles the digits."""
    X = numbers(start(*map(numbers, matrices)))
    for _ in range(2 + 2 + 1):
        X = step(X)
    return X


def numbers(X):
    """The values of jets as floating-point numbers, or such numbers as exact ones."""
    if X.dtype != object:
        return np.vectorize(exact, otypes=[object])(X)
    values = [_jet(x).value for x in X.flat]
    kind = complex if any(isinstance(x, mp.mpc) for x in values) else float
    return np.array([kind(x) for x in values]).reshape(X.shape)


def _part(X):
    return (X + _adjoint(X)) * mp.mpf(0.5)

"""Matrix equations at n = 64, in all orders, against 120 digits (`helpers/_blocks`)."""

import numpy as np
import pytest

import mcjax.linalg as la

from ...helpers._blocks import CLOSE, DOUBLE, N, assert_right_when_large, thin
from ...helpers._large import ONE, divided, eye, inverse, solved, symmetric, times

pytestmark = pytest.mark.slow


def test_sylvester():
    def problem(blocks):
        A, B = blocks.general(CLOSE), blocks.general(DOUBLE[::-1] + 0.125, seed=1)
        invert = divided(A, B, lambda x, y: x + y)

        def truth(A, B, Q):
            return solved(lambda X: A @ X + X @ B - Q, eye(N) * 0, invert)

        return (A.matrix, B.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_sylvester, problem)


def test_continuous_lyapunov():
    def problem(blocks):
        A = blocks.general(CLOSE)
        invert = divided(A, A.T, lambda x, y: x + y)

        def truth(A, Q):
            return solved(lambda X: A @ X + X @ A.T - Q, eye(N) * 0, invert)

        return (A.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_continuous_lyapunov, problem)


def test_discrete_lyapunov():
    def problem(blocks):
        A = blocks.general(CLOSE / 4)
        invert = divided(A, A.T, lambda x, y: ((x * y) // ONE) - ONE)

        def truth(A, Q):
            return solved(lambda X: A @ X @ A.T - X + Q, eye(N) * 0, invert)

        return (A.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_discrete_lyapunov, problem)


def test_quadratic():
    """A = I: X² + B X + C = (X + Y)(X - S) + .. with the solvent S and Y = S + B of larger eigenvalues."""

    def problem(blocks):
        S, Y = blocks.general(DOUBLE / 4), blocks.general(DOUBLE + 1, seed=1)
        invert = divided(Y, S, lambda x, y: x + y)

        def truth(A, B, C):
            return solved(lambda X: (A @ X + B) @ X + C, S.matrix, invert)

        A = eye(N)
        return (A, Y.matrix - S.matrix, -times(Y.matrix, S.matrix)), truth

    assert_right_when_large(la.solve_quadratic, problem)


def closed_loop(blocks, values):
    """The closed loop, X, B and R = I; what the first two have in common keeps products exact."""
    X = blocks.symmetric(0.5 + DOUBLE / 4).matrix
    return blocks.symmetric(values), X, thin(blocks, N, 8) >> 2, blocks.matrix(np.eye(8))


def test_continuous_are():
    """C = A - B Bᵀ X gives A, and the equation Q."""

    def problem(blocks):
        closed, X, B, R = closed_loop(blocks, -DOUBLE - 1)
        C, G = closed.matrix, times(B, B.T)
        Q = -(times(C.T, X) + times(X, C) + times(X, times(G, X)))
        invert = divided(closed.T, closed, lambda x, y: x + y)

        def truth(A, B, Q, R):
            G = B @ inverse(symmetric(R)) @ B.T
            return solved(lambda X: A.T @ X + X @ A - X @ G @ X + symmetric(Q), X, invert)

        return (C + times(G, X), B, Q, R), truth

    assert_right_when_large(la.solve_continuous_are, problem)


def test_discrete_are():
    """C = W⁻¹ A with W = I + B Bᵀ X gives A, and the equation Q = X - Aᵀ X C."""

    def problem(blocks):
        closed, X, B, R = closed_loop(blocks, DOUBLE / 4)
        C = closed.matrix
        A = C + times(B, times(B.T, times(X, C)))
        invert = divided(closed.T, closed, lambda x, y: ((x * y) // ONE) - ONE)

        def truth(A, B, Q, R):
            def residual(X):
                XA, XB = X @ A, X @ B
                K = inverse(symmetric(R) + B.T @ XB) @ B.T @ XA
                return A.T @ XA - A.T @ XB @ K + symmetric(Q) - X

            return solved(residual, X, invert)

        return (A, B, X - times(A.T, times(X, C)), R), truth

    assert_right_when_large(la.solve_discrete_are, problem)

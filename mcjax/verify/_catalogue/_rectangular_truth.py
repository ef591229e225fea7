"""Functions of rectangular matrices, exactly. Derivatives are those of rational expressions and roots."""

import numpy as np

from ._exact import embed, identity, of_stacks, product, read, solve
from ._functions_truth import sqrtm


def _right_divide(B, A):
    """B A⁻¹."""
    return solve(A.T, B.T).T


@of_stacks
def lorentz(A):
    """A (I + AᴴA)⁻¹, which is U f(Σ) Vᴴ for f = σ / (1 + σ²)."""
    X = embed(A)
    return read(_right_divide(X, identity(X.shape[1]) + product(X.T, X)), A)


def lorentz_jvp(primals, tangents):
    """(E - F (AᴴE + EᴴA)) (I + AᴴA)⁻¹, F the value."""
    return _lorentz_jvp(*primals, *tangents)


@of_stacks
def _lorentz_jvp(A, E):
    X, D = embed(A), embed(E)
    M = identity(X.shape[1]) + product(X.T, X)
    change = product(X.T, D) + product(D.T, X)
    return read(_right_divide(D - product(_right_divide(X, M), change), M), A)


def polar(A):
    """U and P = (AᴴA)^{1/2}, of full column rank."""
    P = sqrtm.value(_gram(A, A))
    return _quotient(A, P), P


def polar_jvp(primals, tangents):
    """dP from that of the square root, and dU = (E - U dP) P⁻¹."""
    (A,), (E,) = primals, tangents
    U, P = polar(A)
    dP = sqrtm.jvp((_gram(A, A),), (_gram(A, E) + _gram(E, A),))
    return _quotient(E - U @ dP, P), dP


@of_stacks
def _gram(A, B):
    return read(product(embed(A).T, embed(B)), A)


@of_stacks
def _quotient(A, P):
    return read(_right_divide(embed(A), embed(P)), A)


@of_stacks
def lstsq(A, b):
    """(AᴴA)⁻¹ Aᴴ b, of full column rank, or Aᴴ (AAᴴ)⁻¹ b, of full row rank."""
    X, y = embed(A), embed(b)
    if len(X) < X.shape[1]:
        return read(product(X.T, solve(product(X, X.T), y)), A)
    return read(solve(product(X.T, X), product(X.T, y)), A)


def lstsq_jvp(primals, tangents):
    """A⁺ (db - E x) + A⁺ A⁺ᴴ Eᴴ r + (I - A⁺ A) Eᴴ A⁺ᴴ x."""
    (A, b), (E, db) = primals, tangents
    x, adjoint = lstsq(A, b), A.swapaxes(-1, -2).conj()
    pushed = E.swapaxes(-1, -2).conj() @ lstsq(adjoint, x)
    first = lstsq(A, db - E @ x) + pushed - lstsq(A, A @ pushed)
    return first + lstsq(A, lstsq(adjoint, E.swapaxes(-1, -2).conj() @ (b - A @ x)))


@of_stacks
def orth_projector(A):
    """A (AᴴA)⁻¹ Aᴴ."""
    X = embed(A)
    return read(product(X, solve(product(X.T, X), X.T)), np.zeros((len(A), len(A)), A.dtype))


def orth_projector_jvp(primals, tangents):
    """(I - P) E A⁺ and its adjoint."""
    (A,), (E,) = primals, tangents
    P = orth_projector(A)
    A_plus = lstsq(A, np.broadcast_to(np.eye(A.shape[-2], dtype=A.dtype), P.shape))
    change = (E - P @ E) @ A_plus
    return change + change.swapaxes(-1, -2).conj()

"""Functions of rectangular matrices by plain algorithms, for arrays of any kind of number."""

import numpy as np

from ._jets import Jet, _jet, mp
from ._truth import _adjoint, identity, true_solve, true_sqrtm


def true_lorentz(A):
    """U f(Σ) Vᴴ for f = σ / (1 + σ²): A (I + AᴴA)⁻¹."""
    if not A.size:
        return A
    K = identity(A.shape[1]) + _adjoint(A) @ A
    return true_solve(K.T, A.T).T


def true_isometry(A):
    """The polar factor: A (AᴴA)^{-1/2}, or of the transpose if A is wide."""
    m, n = A.shape
    if m < n:
        return true_isometry(A.T).T
    if not A.size:
        return A
    return true_solve(true_sqrtm(_adjoint(A) @ A).T, A.T).T


def true_polar(side, A):
    """U and P."""
    U = true_isometry(A)
    return U, _adjoint(U) @ A if side == "right" else A @ _adjoint(U)


def true_procrustes(A, B):
    """R and the scale, the real part of tr(Rᴴ AᴴB)."""
    M = _adjoint(A) @ B
    R = true_isometry(M)
    return R, real((_adjoint(R).T * M).sum())


def true_range(A):
    """A (AᴴA)⁻¹ Aᴴ, of full column rank."""
    return A @ true_solve(_adjoint(A) @ A, _adjoint(A))


def true_lstsq(L, R, b):
    """x for A = L R with L of full column rank and R of full row rank."""
    y = true_solve(_adjoint(L) @ L, _adjoint(L) @ b)
    return _adjoint(R) @ true_solve(R @ _adjoint(R), y)


def real(x):
    return Jet({s: mp.re(c) for s, c in _jet(x).c.items()})


def flat(arrays):
    """Several results as one vector."""
    return np.concatenate([np.ravel(np.asarray(x, object)) for x in arrays])

"""Determinants' relatives, norms and factorisations by plain algorithms, for any kind of number."""

import numpy as np

from ._jets import Jet, _jet, mp
from ._truth import identity, size, true_det, true_solve


def true_adjugate(A):
    """Cofactors, transposed: no division."""
    n = len(A)
    result = np.full((n, n), mp.zero, object)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(A, j, 0), i, 1)
        result[i, j] = true_det(minor) * (-1) ** (i + j)
    return result


def true_charpoly(A):
    """Faddeev and LeVerrier, which is stable enough in 60 digits."""
    n = len(A)
    M, c = identity(n) * mp.zero, [mp.one]
    for k in range(1, n + 1):
        M = A @ M + identity(n) * c[-1]
        c.append((A @ M).trace() * (-mp.one / k))
    return np.array(c, object)


def conj(X):
    """The complex conjugate, entry by entry: of a jet, that of its coefficients."""
    each = np.vectorize(
        lambda x: Jet({s: mp.conj(y) for s, y in _jet(x).c.items()}), otypes=[object]
    )
    return each(X) if X.size else X


def sqrt(x):
    """The root of a jet with a positive value: Newton's steps double the order that is right."""
    x = _jet(x)
    y = Jet({0: mp.sqrt(x.value)})
    for _ in range(2):
        y = (y + x / y) * mp.mpf(0.5)
    return y


def true_ky_fan(k):
    """tr(P H) over the k largest eigenvalues of H = [0, A; Aᴴ, 0], P = (I + sign(H - c))/2."""

    def function(A):
        m, n = A.shape
        H = np.full((m + n, m + n), mp.zero, object)
        H[:m, m:], H[m:, :m] = A, conj(A.T)
        values = np.linalg.eigvalsh(np.vectorize(lambda x: complex(_jet(x).value))(H))
        X = H - identity(m + n) * mp.mpf((values[-k] + values[-k - 1]) / 2)
        for _ in range(60):
            previous, X = X, (X + true_solve(X, identity(m + n))) * mp.mpf(0.5)
            if size(X - previous) < mp.mpf(10) ** -25:
                break
        for _ in range(3):
            X = (X + true_solve(X, identity(m + n))) * mp.mpf(0.5)
        trace = _jet(((X + identity(m + n)) @ H).trace() * mp.mpf(0.5))
        return Jet({s: mp.re(c) for s, c in trace.c.items()})

    return function


def true_schatten_four(A):
    """(tr (Aᴴ A)²)^{1/4}."""
    M = conj(A.T) @ A
    trace = _jet((M @ M).trace())
    return sqrt(sqrt(Jet({s: mp.re(c) for s, c in trace.c.items()})))


def true_cholesky(A):
    """Column by column, of the Hermitian part."""
    A = (A + conj(A.T)) * mp.mpf(0.5)
    L, n = np.full(A.shape, mp.zero, object), len(A)
    for j in range(n):
        rest = A[:, j] - L[:, :j] @ conj(L[j, :j]) if j else A[:, j]
        L[j:, j] = rest[j:] / sqrt(rest[j])
    return L


def true_lu(A):
    """L and U, one above the other, without pivots."""
    U, L, n = A.copy(), identity(len(A)), len(A)
    for j in range(n):
        for i in range(j + 1, n):
            L[i, j] = U[i, j] / U[j, j]
            U[i] = U[i] - U[j] * L[i, j]
    return np.concatenate([L, U])


def true_qr(A):
    """Q and R by Gram and Schmidt, with the signs of Householder: r_jj < 0 for j < min(m - 1, n)."""
    m, n = A.shape
    Q, R = np.full((m, min(m, n)), mp.zero, object), np.full((min(m, n), n), mp.zero, object)
    for j in range(n):
        v = A[:, j]
        for i in range(min(j, m)):
            R[i, j] = (conj(Q[:, i]) * A[:, j]).sum()
            v = v - Q[:, i] * R[i, j]
        if j < m:
            R[j, j] = sqrt((conj(v) * v).sum())
            Q[:, j] = v / R[j, j]
    return Q, R

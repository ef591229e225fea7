"""Determinants' relatives, norms and factorisations by plain algorithms, for any kind of number."""

import numpy as np

from ._jets import Jet, _jet, mp
from ._truth import identity, true_det


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

"""Determinants and what depends on them, exactly."""

import numpy as np

from ._exact import embed, hermitian_part, identity, of_stacks, product, read


def _coefficients(A):
    """The characteristic polynomial, each coefficient times I, and M with det(-A) I = -A M: all
    embedded (Faddeev and LeVerrier)."""
    complex_ = np.iscomplexobj(A)
    n, X = len(A), embed(A)
    M, c = 0 * X, [identity(len(X))]
    for k in range(1, n + 1):
        M = product(X, M) + c[-1]
        c.append(_trace(product(X, M), n, complex_) // -k)
    return c, M


def _characteristic(A):
    """det(A) and adj(A) of an embedded matrix, as embeddings."""
    c, M = _coefficients(A)
    sign = (-1) ** len(A)
    return sign * c[-1], -sign * M


def _trace(X, n, complex_):
    """The trace times the identity, embedded."""
    real = sum(X[i, i] for i in range(n))
    if not complex_:
        return np.eye(n, dtype=int).astype(object) * real
    imaginary = sum(X[n + i, i] for i in range(n))
    R = np.array([[real, -imaginary], [imaginary, real]], dtype=object)
    return np.kron(R, np.eye(n, dtype=int).astype(object))


@of_stacks
def adjugate(A):
    """adj(A)."""
    return read(_characteristic(A)[1], A)


@of_stacks
def charpoly(A):
    """The coefficients of det(z I - A)."""
    return np.array([read(c, A)[0, 0] for c in _coefficients(A)[0]])


@of_stacks
def det(A):
    """det(A)."""
    return read(_characteristic(A)[0], A)[0, 0]


@of_stacks
def _det_jvp(A, E):
    return read(_trace(product(_characteristic(A)[1], embed(E)), len(A), np.iscomplexobj(A)), A)[
        0, 0
    ]


def det_jvp(primals, tangents):
    """tr(adj(A) E)."""
    return _det_jvp(*primals, *tangents)


def logdet(A):
    """log |det A|."""
    with np.errstate(divide="ignore"):
        return np.log(np.abs(det(A)))


def logdet_jvp(primals, tangents):
    """Re tr(adj(A) E) / det(A)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (det_jvp(primals, tangents) / det(*primals)).real


def logdet_hermitian(A):
    """log |det (A + Aᴴ)/2|."""
    return logdet(hermitian_part(A))


def logdet_hermitian_jvp(primals, tangents):
    """Its derivative."""
    return logdet_jvp(*(tuple(map(hermitian_part, x)) for x in (primals, tangents)))

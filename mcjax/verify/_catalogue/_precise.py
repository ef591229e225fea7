"""Matrix functions in exact integers scaled by 2^512: truths that owe nothing to floating point.

A real number x is the integer x 2^512, a matrix an object array of them. A complex matrix X + iY is
the real [[X, -Y], [Y, X]], of which every function here is the same embedding. Derivatives are
corners of functions of block matrices, f([[A, E], [0, A]]) = [[f(A), Df(A)[E]], [0, f(A)]] (Mathias
1996), which hold for any f and need no rule. Sizes up to 20 take milliseconds.
"""

from fractions import Fraction

import numpy as np

_BITS = 512
_ONE = 1 << _BITS
_GUARD = 1 << (_BITS // 2)  # integers below this are the rounding of an exact zero


def _fixed(X):
    return np.vectorize(lambda x: int(Fraction(float(x)) * _ONE), otypes=[object])(X)


def _floating(X):
    return np.vectorize(lambda k: 0.0 if abs(k) < _GUARD else float(Fraction(k, _ONE)), "d")(X)


def _embed(A):
    """The exact real matrix of A."""
    if not np.iscomplexobj(A):
        return _fixed(A)
    X, Y = _fixed(A.real), _fixed(A.imag)
    return np.block([[X, -Y], [Y, X]])


def _read(X, like):
    """The floating-point matrix whose embedding is X, complex if `like` is."""
    if not np.iscomplexobj(like):
        return _floating(X)
    m, n = (size // 2 for size in X.shape)
    return _floating(X[:m, :n]) + 1j * _floating(X[m:, :n])


def _product(X, Y):
    return (X @ Y) >> _BITS


def _identity(n):
    return np.eye(n, dtype=int).astype(object) * _ONE


def _solve(A, B):
    """A⁻¹ B by Gauss and Jordan."""
    n = len(A)
    M = np.concatenate([A, B], 1)
    for j in range(n):
        pivot = j + np.abs(M[j:, j]).argmax()
        M[[j, pivot]] = M[[pivot, j]]
        M[j] = (M[j] << _BITS) // M[j, j]
        factors = M[:, j].copy()
        factors[j] = 0
        M = M - (np.outer(factors, M[j]) >> _BITS)
    return M[:, n:]


def _expm(A):
    norm = int(np.abs(A).sum(1).max())
    squarings = max(0, norm.bit_length() - _BITS) + 8
    X = A >> squarings
    total = term = _identity(len(A))
    k = 0
    while np.any(term):
        k += 1
        term = _product(term, X) // k
        term = np.where(np.abs(term) <= 1, 0, term)  # shifts round -0.1 to -1, for ever
        total = total + term
    for _ in range(squarings):
        total = _product(total, total)
    return total


def _sqrtm(A):
    """Denman and Beavers, X² = A M throughout: stable, as Newton's iteration for X is not."""
    one, M, X = _identity(len(A)), A, A
    for _ in range(200):
        inverse = _solve(M, one)
        X = (X + _product(X, inverse)) >> 1
        M = (2 * one + M + inverse) >> 2
        if np.abs(M - one).max() < _GUARD >> 64:  # squared by the next step
            return (X + _product(X, _solve(M, one))) >> 1
    raise ArithmeticError("no principal square root")


def _lorentz(A):
    """A (I + A²)⁻¹."""
    return _solve(_identity(len(A)) + _product(A, A), A)


def _of_stacks(function):
    """A function of matrices over the leading axes of arrays."""

    def over(*arrays):
        lead = arrays[0].shape[:-2]
        flat = [a.reshape(-1, *a.shape[-2:]) for a in arrays]
        out = [function(*matrices) for matrices in zip(*flat, strict=True)]
        return np.stack(out).reshape((*lead, *np.shape(out[0])))

    return over


class Primary:
    """A primary matrix function f from its exact evaluation: `value`, and its derivatives."""

    def __init__(self, f, hermitian=False):
        self._f, self._part = f, hermitian_part if hermitian else lambda A: A

    def value(self, A):
        """f(A)."""
        return _of_stacks(lambda A: _read(self._f(_embed(self._part(A))), A))(A)

    def jvp(self, primals, tangents):
        """Df(A)[E]."""
        return self._corner(1)(*primals, *tangents)

    def second(self, A, E, F, G):
        """D²f(A)[E, F] + Df(A)[G]."""
        return self._corner(2)(A, E, F, G)

    def _corner(self, order):
        def corner(A, *directions):
            n = len(A)
            A, *directions = map(self._part, (A, *directions))
            block = _nested(A, *directions)
            exact = self._f(_embed(block))
            return _read(exact, block)[:n, -n:]

        return _of_stacks(corner)


def _nested(A, E, F=None, G=None):
    O = np.zeros_like(A)  # noqa: E741
    if F is None:
        return np.block([[A, E], [O, A]])
    return np.block([[A, E, F, G], [O, A, O, F], [O, O, A, E], [O, O, O, A]])


def hermitian_part(A):
    """(A + Aᴴ)/2."""
    return (A + A.swapaxes(-1, -2).conj()) / 2


expm = Primary(_expm)
expm_hermitian = Primary(_expm, hermitian=True)
sqrtm = Primary(_sqrtm)
sqrtm_hermitian = Primary(_sqrtm, hermitian=True)
lorentz = Primary(_lorentz, hermitian=True)


@_of_stacks
def sylvester(A, B, Q):
    """X with A X + X B = Q, from its Kronecker form."""
    (n, m), like = Q.shape, Q
    parts = [(np.real(x), np.imag(x)) if np.iscomplexobj(Q) else (x,) for x in (A, B, Q)]
    kron = []
    for a, b in zip(*parts[:2], strict=True):
        eye = [np.eye(k, dtype=int).astype(object) for k in (n, m)]
        kron.append(np.kron(_fixed(a), eye[1]) + np.kron(eye[0], _fixed(b).T))
    q = [_fixed(x).reshape(-1, 1) for x in parts[2]]
    if len(kron) == 1:
        return _floating(_solve(kron[0], q[0])).reshape(n, m)
    K = np.block([[kron[0], -kron[1]], [kron[1], kron[0]]])
    x, y = np.split(_floating(_solve(K, np.concatenate(q))), 2)
    return (x + 1j * y).reshape(n, m).astype(like.dtype)


def sylvester_jvp(primals, tangents):
    """A dX + dX B = dQ - dA X - X dB."""
    A, B, _ = primals
    dA, dB, dQ = tangents
    X = sylvester(*primals)
    return sylvester(A, B, dQ - dA @ X - X @ dB)


def _characteristic(A):
    """det(A) and adj(A) of an embedded matrix, as embeddings (Faddeev and LeVerrier)."""
    complex_ = np.iscomplexobj(A)
    n, X = len(A), _embed(A)
    M, c = 0 * X, _identity(len(X))
    for k in range(1, n + 1):
        M = _product(X, M) + c
        c = _trace(_product(X, M), n, complex_) // -k
    sign = (-1) ** n
    return sign * c, -sign * M


def _trace(X, n, complex_):
    """The trace times the identity, embedded."""
    real = sum(X[i, i] for i in range(n))
    if not complex_:
        return np.eye(n, dtype=int).astype(object) * real
    imaginary = sum(X[n + i, i] for i in range(n))
    R = np.array([[real, -imaginary], [imaginary, real]], dtype=object)
    return np.kron(R, np.eye(n, dtype=int).astype(object))


@_of_stacks
def det(A):
    """det(A)."""
    return _read(_characteristic(A)[0], A)[0, 0]


@_of_stacks
def _det_jvp(A, E):
    return _read(_trace(_product(_characteristic(A)[1], _embed(E)), len(A), np.iscomplexobj(A)), A)[
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


def expm_frechet(A, E):
    """exp(A) and D exp(A)[E]."""
    return expm.value(A), expm.jvp((A,), (E,))


def expm_frechet_jvp(primals, tangents):
    """D exp(A)[F] and D² exp(A)[E, F] + D exp(A)[G], for tangents F, G of A, E."""
    (A, E), (F, G) = primals, tangents
    return expm.jvp((A,), (F,)), expm.second(A, E, F, G)

"""Matrix functions in exact integers scaled by 2^512: truths that owe nothing to floating point.

A real number x is the integer x 2^512, a matrix an object array of them. A complex matrix X + iY is
the real [[X, -Y], [Y, X]], of which every function here is the same embedding. Derivatives are
corners of functions of block matrices, f([[A, E], [0, A]]) = [[f(A), Df(A)[E]], [0, f(A)]] (Mathias
1996), which hold for any f and need no rule. Sizes up to 20 take milliseconds.
"""

from fractions import Fraction

import numpy as np

BITS = 512
ONE = 1 << BITS
GUARD = 1 << (BITS // 2)  # integers below this are the rounding of an exact zero


def fixed(X):
    return np.vectorize(lambda x: int(Fraction(float(x)) * ONE), otypes=[object])(X)


def floating(X):
    return np.vectorize(lambda k: 0.0 if abs(k) < GUARD else float(Fraction(k, ONE)), "d")(X)


def embed(A):
    """The exact real matrix of A."""
    if not np.iscomplexobj(A):
        return fixed(A)
    X, Y = fixed(A.real), fixed(A.imag)
    return np.block([[X, -Y], [Y, X]])


def read(X, like):
    """The floating-point matrix whose embedding is X, complex if `like` is."""
    if not np.iscomplexobj(like):
        return floating(X)
    m, n = (size // 2 for size in X.shape)
    return floating(X[:m, :n]) + 1j * floating(X[m:, :n])


def product(X, Y):
    return (X @ Y) >> BITS


def identity(n):
    return np.eye(n, dtype=int).astype(object) * ONE


def solve(A, B):
    """A⁻¹ B by Gauss and Jordan."""
    n = len(A)
    M = np.concatenate([A, B], 1)
    for j in range(n):
        pivot = j + np.abs(M[j:, j]).argmax()
        M[[j, pivot]] = M[[pivot, j]]
        M[j] = (M[j] << BITS) // M[j, j]
        factors = M[:, j].copy()
        factors[j] = 0
        M = M - (np.outer(factors, M[j]) >> BITS)
    return M[:, n:]


def of_stacks(function):
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
        return of_stacks(lambda A: read(self._f(embed(self._part(A))), A))(A)

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
            exact = self._f(embed(block))
            return read(exact, block)[:n, -n:]

        return of_stacks(corner)


def _nested(A, E, F=None, G=None):
    O = np.zeros_like(A)  # noqa: E741
    if F is None:
        return np.block([[A, E], [O, A]])
    return np.block([[A, E, F, G], [O, A, O, F], [O, O, A, E], [O, O, O, A]])


def hermitian_part(A):
    """(A + Aᴴ)/2."""
    return (A + A.swapaxes(-1, -2).conj()) / 2

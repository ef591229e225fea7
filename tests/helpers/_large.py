"""Truth at size 64, in fixed-point numbers of 120 digits.

Numbers are integers in units of 2^-BITS, so a product of matrices takes a few hundredths of a second.
`Jets` are arrays with their derivatives along ε₁, ε₂, ... where ε_i² = 0, as in `_jets`. A matrix
is built from its eigenvalues, A = Z Λ Z⁻¹ with entries that floating point holds exactly; then

    f(A + ε₁E₁ + ε₂E₂ + ε₁ε₂E₁₂) = Z (F₀ + ε₁F₁ + ε₂F₂ + ε₁ε₂F₁₂) Z⁻¹,
    F₀ = diag f(λᵢ),  F₁ = f[λᵢ, λⱼ] ∘ E₁,
    F₁₂ = f[λᵢ, λⱼ] ∘ E₁₂ + Σ_k f[λᵢ, λ_k, λⱼ] (E₁ᵢₖ E₂ₖⱼ + E₂ᵢₖ E₁ₖⱼ)

in the basis Z. Everything else is a formula in such functions, or Newton's iteration from the answer.
"""

import operator
from fractions import Fraction
from typing import NamedTuple

import mpmath
import numpy as np

BITS = 400
ONE = 1 << BITS
mp = mpmath.MPContext()
mp.prec = BITS + 40


def fixed(x):
    """Floating-point numbers as fixed-point ones."""
    return np.vectorize(lambda x: int(Fraction(float(x)) * ONE), otypes=[object])(x)


def _fixed(x):
    return int(mp.floor(x * ONE))


def floating(x):
    return np.vectorize(lambda x: x / ONE, otypes=[float])(x)


def times(X, Y):
    return (X @ Y) >> BITS


def eye(n):
    return fixed(np.eye(n))


class Jets:
    """Σ c_S ε_S over sets S of directions (bits of an integer): an array with its derivatives."""

    def __init__(self, coefficients):
        self.c = coefficients

    def __add__(self, other):
        c = dict(self.c)
        for s, y in _jets(other).c.items():
            c[s] = c[s] + y if s in c else y
        return Jets(c)

    def _product(self, other, multiply):
        c = {}
        for s, x in self.c.items():
            for t, y in _jets(other).c.items():
                if not s & t:
                    xy = multiply(x, y) >> BITS
                    c[s | t] = c[s | t] + xy if s | t in c else xy
        return Jets(c)

    def map(self, function):
        return Jets({s: function(x) for s, x in self.c.items()})

    __neg__ = lambda self: self.map(operator.neg)  # noqa: E731
    __sub__ = lambda self, other: self + -_jets(other)  # noqa: E731
    __matmul__ = lambda self, other: self._product(other, operator.matmul)  # noqa: E731
    __mul__ = lambda self, other: self._product(other, operator.mul)  # noqa: E731
    __getitem__ = lambda self, at: self.map(lambda x: x[at])  # noqa: E731
    T = property(lambda self: self.map(np.transpose))
    half = property(lambda self: self.map(lambda x: x >> 1))
    trace = property(lambda self: self.map(np.trace))


def _jets(x):
    return x if isinstance(x, Jets) else Jets({0: x})


def symmetric(A):
    return (A + A.T).half


class Eigen(NamedTuple):
    """Z diag(values) Z⁻¹."""

    values: np.ndarray
    Z: np.ndarray
    inverse: np.ndarray

    @property
    def matrix(self):
        return (self.Z * self.values @ self.inverse) >> 2 * BITS

    @property
    def T(self):
        return Eigen(self.values, self.inverse.T, self.Z.T)


def primary(f, eigen, A):
    """f(A), where A's value is `eigen`.

    Three copies of the spectrum, 2^-100 apart, make every difference one of distinct numbers.
    """
    E = Jets({s: times(times(eigen.inverse, x), eigen.Z) for s, x in A.c.items() if s})
    nodes = [eigen.values + (k << BITS - 100) for k in range(3)]
    f0, f1, f2 = (np.array([_fixed(f(mp.mpf(int(x)) / ONE)) for x in xs], object) for xs in nodes)
    over = lambda x, y: (x << BITS) // y  # noqa: E731
    first = over(f1 - f0[:, None], nodes[1] - nodes[0][:, None])
    later = over(f2 - f1[:, None], nodes[2] - nodes[1][:, None])
    result = {s: (first * x) >> BITS for s, x in E.c.items()}
    result[0] = np.diag(f0)
    if {1, 2} <= set(E.c):
        gaps = nodes[2] - nodes[0][:, None]
        second = over(later[None] - first[:, :, None], gaps[:, None, :])  # of i, k, j
        for s, t in ((1, 2), (2, 1)):
            pairs = (E.c[s][:, :, None] * E.c[t][None]) >> BITS
            result[3] = result.get(3, 0) + ((second * pairs) >> BITS).sum(1)
    return Jets({s: times(times(eigen.Z, x), eigen.inverse) for s, x in result.items()})


def inverse(A):
    """A⁻¹ by Newton's iteration: each step doubles the digits, and the order that is right."""
    X = _jets(fixed(np.linalg.inv(floating(A.c[0]))))
    for _ in range(7):
        X = X + X @ (_jets(eye(len(X.c[0]))) - A @ X)
    return X


def chain(f, x):
    """f(x) of a scalar."""
    c = [_jets(_fixed(c)) for c in mp.taylor(f, mp.mpf(x.c[0]) / ONE, 2)]
    small = Jets({s: y for s, y in x.c.items() if s})
    return c[0] + c[1] * small + c[2] * small * small


def solved(residual, X, correction):
    """The zero of the residual by chord steps: each makes one more order right, the value first."""
    X = _jets(X)
    for _ in range(3):
        X = X - residual(X).map(correction)
    return X


def divided(left, right, divisor):
    """R ↦ E with Z₁⁻¹ E Z₂ = (Z₁⁻¹ R Z₂)ᵢⱼ / divisor(λᵢ, μⱼ): the inverse of a Kronecker sum."""
    by = divisor(left.values[:, None], right.values)

    def correction(R):
        inside = times(times(left.inverse, R), right.Z)
        return times(times(left.Z, (inside << BITS) // by), right.inverse)

    return correction


def elimination(A):
    """L and U of A = L U, column by column, without pivots."""
    columns, rows = [], []
    for j in range(len(A.c[0])):
        columns.append(A[:, j] * chain(lambda x: 1 / x, A[j, j]))
        rows.append(A[j])
        A = A - columns[-1][:, None] * rows[-1][None]
    return stack(columns).T, stack(rows)


def stack(xs):
    zero = xs[0].c[0] * 0
    return Jets({s: np.stack([x.c.get(s, zero) for x in xs]) for s in {s for x in xs for s in x.c}})


def joined(*xs):
    zero = [x.c[0] * 0 for x in xs]
    return Jets(
        {
            s: np.concatenate([x.c.get(s, z) for x, z in zip(xs, zero, strict=True)])
            for s in (0, 1, 2, 3)
        }
    )


def triangular(A):
    """L with a positive diagonal and A = L Lᵀ."""
    L, U = elimination(A)
    return stack([L[:, j] * chain(mp.sqrt, U[j, j]) for j in range(len(A.c[0]))]).T

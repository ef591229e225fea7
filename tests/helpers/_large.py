"""Truth at size 64: problems built from their answer, in fixed-point numbers of 120 digits.

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

import jax
import mpmath
import numpy as np

from ._promise import along, pairing, pull, random_like

BITS = 400
ONE = 1 << BITS
mp = mpmath.MPContext()
mp.prec = BITS + 40


def fixed(x):
    """Floating-point numbers as fixed-point ones."""
    return np.vectorize(lambda x: int(Fraction(float(x)) * ONE), otypes=[object])(x)


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

    def of(self, f):
        return [int(mp.floor(f(mp.mpf(int(x)) / ONE) * ONE)) for x in self.values]


def primary(f, eigen, A):
    """f(A), where A's value is `eigen`.

    Three copies of the spectrum, 2^-100 apart, make every difference one of distinct numbers.
    """
    E = Jets({s: times(times(eigen.inverse, x), eigen.Z) for s, x in A.c.items() if s})
    nodes = [eigen.values + (k << BITS - 100) for k in range(3)]
    f0, f1, f2 = (np.array(eigen._replace(values=x).of(f), object) for x in nodes)
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
    c = [_jets(int(mp.floor(c * ONE))) for c in mp.taylor(f, mp.mpf(x.c[0]) / ONE, 2)]
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


def triangular(A):
    """L with a positive diagonal and A = L Lᵀ."""
    L, U = elimination(A)
    return stack([L[:, j] * chain(mp.sqrt, U[j, j]) for j in range(len(A.c[0]))]).T


class Blocks:
    """Matrices from which problems are built. All move along random directions of their own size, by
    `step`; a direction R of Z Λ Z⁻¹ moves its eigenvectors by Z K, Kᵢⱼ = (Z⁻¹ R Z)ᵢⱼ / (λⱼ - λᵢ)."""

    def __init__(self, step, seed=0):
        self.step, self.rng = step, np.random.default_rng(seed)

    def _direction(self, *shape):
        return (fixed(self.rng.normal(size=shape)) * self.step) >> BITS

    def matrix(self, M):
        M = np.asarray(M, float)
        size = fixed(np.linalg.norm(M) / np.sqrt(M.size))
        return fixed(M) + ((size * self._direction(*M.shape)) >> BITS)

    def orthogonal(self, n, seed=0):
        K = self._direction(n, n) // int(n**0.5)
        return times(_reflection(n, seed), _turn(K - K.T))

    def symmetric(self, x, seed=0):
        R = self._direction(len(x), len(x))
        K, values = _moved(fixed(x), R + R.T)
        Q = times(_reflection(len(x), seed), _turn(K))
        return Eigen(values, Q, Q.T)

    def general(self, x, seed=0):
        """Z = Q (I + N), N of ones above the diagonal, in blocks of four."""
        n = len(x)
        N = np.diag(np.arange(1, n) % 4 != 0, 1).astype(float)
        series = sum(np.linalg.matrix_power(-N, k) for k in range(4))
        K, values = _moved(fixed(x), self._direction(n, n))
        back = eye(n) - K + times(K, K) - times(times(K, K), K)
        Q = _reflection(n, seed)
        Z, inverse = times(Q, fixed(np.eye(n) + N)), times(fixed(series), Q)
        return Eigen(values, times(Z, eye(n) + K), times(back, inverse))

    def rectangular(self, m, s):
        """A = Q₁ Σ Q₂ᵀ of m rows, and Aᵀ A."""
        n, s = len(s), fixed(s)
        R = self._direction(m, n)
        square, gaps = R[:n], ((s * s)[None, :] - (s * s)[:, None]) >> BITS
        left, right = (
            _over(square * x + square.T * y, gaps) for x, y in ((s, s[:, None]), (s[:, None], s))
        )
        K = np.zeros((m, m), object)
        K[:n, :n], K[n:, :n] = left >> BITS, (R[n:] << BITS) // s
        K[:n, n:] = -K[n:, :n].T
        values = s + np.diag(square)
        Q1 = times(_reflection(m, 1), _turn(K))
        Q2 = times(_reflection(n, 2), _turn(right >> BITS))
        gram = Eigen((values * values) >> BITS, Q2, Q2.T)
        return (Q1[:, :n] * values @ Q2.T) >> 2 * BITS, gram


def _reflection(n, seed):
    """I - 2 v vᵀ/n with v of signs: for n a power of two, exact in floating point."""
    v = np.random.default_rng(seed).choice([-1.0, 1.0], n)
    return fixed(np.eye(n) - 2 * np.outer(v, v) / n)


def _turn(K):
    """exp(K) + O(K³) of a small skew-symmetric K; it is orthogonal to O(K⁴)."""
    return eye(len(K)) + K + (times(K, K) >> 1)


def _moved(values, R):
    """K and the new values, R in units of the largest."""
    R = (R * max(abs(values))) >> BITS
    return _over(R << BITS, values[None, :] - values[:, None]), values + np.diag(R)


def _over(x, gaps):
    """x / gaps; 0 where they are none."""
    none = abs(gaps) < ONE >> 40
    return np.where(none, 0, x // np.where(none, 1, gaps))


STEP = ONE >> 120
SECOND = {"reverse": 1, "forward over reverse": 3, "reverse over reverse": 3}


def assert_right_when_large(f, problem, dtype=np.float64):
    """Value, forward, reverse and both second orders of f, to 50 eps times the condition number.

    The condition number of a derivative T is estimated, as ‖T‖ and the change of T when the data move
    at random, by as much as they are in the spectral norm. Norms of T are Frobenius'.

    Args:
      problem: of `Blocks`, the data and the truth of `Jets`.
    """
    data, _ = problem(Blocks(0))
    args = tuple(floating(x).astype(dtype) for x in data)
    for a, x in zip(args, data, strict=True):
        assert (fixed(a) == x).all(), "the data are not exact"
    rng = np.random.default_rng(1)
    d, e = (tuple(random_like(rng, np.float32(a)).astype(dtype) for a in args) for _ in range(2))

    def orders(*move):
        """The data, and T of every order, of the moved problem."""
        data, truth = problem(Blocks(*move))
        jets = [Jets({0: x, 1: fixed(y), 2: fixed(z)}) for x, y, z in zip(data, d, e, strict=True)]
        return data, truth(*jets).c

    here, exact = orders(0)
    T = {s: floating(x) for s, x in exact.items()}
    rate = lambda x, y: floating((x - y) * (ONE // STEP))  # noqa: E731
    moves = range(1 if T[0].size > 1 else 4)  # one random number says little
    changes = []
    for seed in moves:
        there, moved = orders(STEP, seed)
        sizes = [
            _spectral(rate(x, y)) / _spectral(a) for x, y, a in zip(there, here, args, strict=True)
        ]
        changes.append([np.linalg.norm(rate(moved[s], exact[s])) / max(sizes) for s in sorted(T)])
    change = dict(zip(sorted(T), np.max(changes, 0), strict=True))
    tolerance = {s: np.finfo(dtype).eps * (np.linalg.norm(x) + change[s]) for s, x in T.items()}

    w = random_like(rng, T[0].astype(dtype))
    got = jax.device_get(_orders(f)(args, d, e, w))
    errors = {
        "value": np.linalg.norm(got["value"] - T[0]) / tolerance[0],
        "forward": np.linalg.norm(got["forward"] - T[1]) / tolerance[1],
    }
    for mode, s in SECOND.items():
        # <Jᵀw, d> = <w, J d>; w and d are random, so that an error of either shows in full.
        error = abs(pairing(got[mode], d) - pairing([w], [T[s]]))
        errors[mode] = error / tolerance[s] / (np.linalg.norm(w) / np.sqrt(w.size))
    assert max(errors.values()) <= 50, errors
    return errors


def _spectral(x):
    return np.linalg.norm(np.atleast_2d(x), 2)


def _orders(f):
    return jax.jit(
        lambda args, d, e, w: {
            "value": f(*args),
            "forward": along(f, d)(*args),
            "reverse": pull(f, w)(*args),
            "forward over reverse": along(pull(f, w), e)(*args),
            "reverse over reverse": pull(pull(f, w), e)(*args),
        }
    )

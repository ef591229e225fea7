"""Problems of size 64, built from their answer, and what a function promises there.

Eigenvalues and singular values are double, and two pairs are 1e-10 apart; a matrix that need not be
symmetric is not normal. In float32 nothing is closer than it can hold.
"""

import jax
import numpy as np

from ._large import BITS, ONE, Eigen, Jets, eye, fixed, floating, primary, symmetric, times
from ._promise import along, pairing, pull, random_like

N = 64
DOUBLE = 0.5 + (np.arange(N) * 13 % 32) / 16
CLOSE = DOUBLE + 2.0**-33 * np.isin(np.arange(N), [37, 50])
SINGLE = 0.5 + (np.arange(N) * 13 % N) / 32
SIGNS = np.where(np.arange(N) % 3, 1, -1)


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


def of_general(f, values):
    def problem(blocks):
        eigen = blocks.general(values)
        return (eigen.matrix,), lambda A: primary(f, eigen, A)

    return problem


def of_symmetric(f, values):
    def problem(blocks):
        eigen = blocks.symmetric(values)
        return (eigen.matrix,), lambda A: primary(f, eigen, symmetric(A))

    return problem


def of_gram(formula, values=CLOSE, m=2 * N):
    """formula(A, g), where g(f) is f(Aᵀ A)."""

    def problem(blocks):
        A, gram = blocks.rectangular(m, values)
        return (A,), lambda A: formula(A, lambda f: primary(f, gram, A.T @ A))

    return problem


def thin(blocks, *shape):
    """Eighths, so that its products are exact too."""
    return blocks.matrix(np.random.default_rng(2).integers(-8, 9, shape) / 8)


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

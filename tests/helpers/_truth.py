"""Matrix functions by plain algorithms, for arrays of any kind of number."""

from functools import cache, reduce

import numpy as np

from ._jets import Jet, _jet, mp


def identity(n):
    return np.array([[mp.mpf(i == j) for j in range(n)] for i in range(n)], object).reshape(n, n)


def size(X):
    return max((abs(_jet(x).value) for x in X.flat), default=mp.zero)


def true_solve(A, B):
    """A⁻¹ B by elimination with partial pivoting."""
    M, n = np.concatenate([A, B], 1), len(A)
    for j in range(n):
        pivot = max(range(j, n), key=lambda i: abs(_jet(M[i, j]).value))
        M[[j, pivot]] = M[[pivot, j]]
        M[j] = M[j] / M[j, j]
        for i in range(n):
            if i != j:
                M[i] = M[i] - M[j] * M[i, j]
    return M[:, n:]


def true_expm(A):
    """(Σ X^j / j!)^{2^s},  X = A / 2^s."""
    s = max(0, int(mp.ceil(mp.log(size(A) * len(A) + 1, 2)))) + 12
    X, term = A * (mp.mpf(2) ** -s), identity(len(A))
    P = term
    for j in range(1, 16):
        term = term @ X * (mp.one / j)
        P = P + term
    return reduce(lambda P, _: P @ P, range(s), P)


def true_sqrtm(A):
    """Denman and Beavers: Y, Z ← (Y + Z⁻¹)/2, (Z + Y⁻¹)/2 from A, I; scaled to the size of A."""
    scale, half = mp.sqrt(size(A)) if size(A) else mp.one, mp.mpf(0.5)
    one = identity(len(A))
    Y, Z = A * (1 / scale**2), one
    for _ in range(60):
        previous = Y
        Y, Z = (Y + true_solve(Z, one)) * half, (Z + true_solve(Y, one)) * half
        if size(Y - previous) < mp.mpf(10) ** -25:  # it is quadratic, and jets lag by two steps
            break
    for _ in range(3):
        Y, Z = (Y + true_solve(Z, one)) * half, (Z + true_solve(Y, one)) * half
    return Y * scale


def true_logm(A):
    """2^{s+1} artanh(W), W = (R - I)(R + I)⁻¹, of the 2^s-th root R of A."""
    if not A.size:
        return A
    one, scale, s = identity(len(A)), size(A), 1
    R = A * (1 / scale)
    while size(W := true_solve(R + one, R - one)) > 0.1:
        R, s = true_sqrtm(R), s + 1
    V, power, total = W @ W, W, W
    for j in range(3, 80, 2):
        power = power @ V
        total = total + power * (mp.one / j)
    return total * mp.mpf(2) ** s + one * mp.log(scale)


def true_signm(A):
    """Newton: S ← (S + S⁻¹)/2 from A, scaled to the size of A."""
    one, S = identity(len(A)), A * (1 / size(A)) if A.size else A
    for _ in range(200):
        previous, S = S, (S + true_solve(S, one)) * mp.mpf(0.5)
        if size(S - previous) < mp.mpf(10) ** -25:
            break
    for _ in range(3):  # it is quadratic, and jets lag by two steps
        S = (S + true_solve(S, one)) * mp.mpf(0.5)
    return S


def true_power(A, t):
    """exp(t log A)."""
    return true_expm(true_logm(A) * t)


def true_funm(f, centre=1.5, terms=50):
    """Σ f^(j)(c)/j! (A - c I)^j: at 1 <= λ <= 2 to 20 digits if f is analytic in Re z > 0."""

    def function(A):
        shifted = A - identity(len(A)) * mp.mpf(centre)
        total = identity(len(A)) * mp.zero
        for c in reversed(_taylor(f, centre, terms)):
            total = total @ shifted + identity(len(A)) * c
        return total

    return function


@cache
def _taylor(f, centre, terms):
    return mp.taylor(f, centre, terms)


def true_solve_sylvester(A, B, Q):
    """(I ⊗ A + Bᵀ ⊗ I) vec X = vec Q, columns stacked."""
    (n, m), zero = Q.shape, mp.zero
    if not Q.size:
        return Q
    K = np.full((m, n, m, n), zero, object)
    for j in range(m):
        K[j, :, j, :] = K[j, :, j, :] + A
    for i in range(n):
        K[:, i, :, i] = K[:, i, :, i] + B.T
    x = true_solve(K.reshape(m * n, m * n), Q.T.reshape(m * n, 1))
    return x.reshape(m, n).T


def true_det(A):
    """Expansion by the first row: no division, so exact in fractions and at singular matrices."""
    if not len(A):
        return mp.one
    minors = (true_det(np.delete(A[1:], j, 1)) for j in range(len(A)))
    return sum((-1) ** j * A[0, j] * minor for j, minor in enumerate(minors))


def true_logdet(A):
    """log |det A|, by the series of the logarithm of a jet: log(x + ν) = log x + Σ -(-ν/x)^j / j."""
    d = _jet(true_det(A))
    small, power, total = d * (1 / d.value) - 1, 1, mp.log(abs(d.value))
    for j in (1, 2, 3):
        power = power * small
        total = total + power * (-(mp.mpf(-1) ** j) / j)
    return Jet({s: mp.re(c) for s, c in _jet(total).c.items()})


def hermitian(truth):
    """The truth for a function that reads (A + Aᴴ)/2."""

    def function(A):
        return truth((A + _adjoint(A)) * mp.mpf(0.5))

    return function


def _adjoint(A):
    conj = np.vectorize(lambda x: Jet({s: mp.conj(y) for s, y in x.c.items()}), otypes=[object])
    return conj(A.T) if A.size else A.T

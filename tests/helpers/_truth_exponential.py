"""Functions near the exponential by plain algorithms, for arrays of any kind of number."""

import numpy as np

from ._jets import mp
from ._truth import identity, true_expm, true_solve

I = mp.mpc(0, 1)  # noqa: E741


def true_expm1m(A):
    return true_expm(A) - identity(len(A))


def true_coshm(A):
    return (true_expm(A) + true_expm(-A)) * mp.mpf(0.5)


def true_sinhm(A):
    return (true_expm(A) - true_expm(-A)) * mp.mpf(0.5)


def true_tanhm(A):
    return true_solve(true_coshm(A), true_sinhm(A))


def true_cosm(A):
    """Σ (-1)^j X^{2j}/(2j)!, doubled by cos 2X = 2 cos² X - I."""
    return _cos_and_sin(A)[0]


def true_sinm(A):
    return _cos_and_sin(A)[1]


def true_tanm(A):
    return true_solve(*_cos_and_sin(A))


def _cos_and_sin(A, doublings=12):
    X, term = A * (mp.mpf(2) ** -doublings), identity(len(A))
    sums = [term, 0 * term]
    for j in range(1, 24):
        term = term @ X * (mp.one / j)
        sums[j % 2] = sums[j % 2] + term * (1 if j % 4 < 2 else -1)
    C, S = sums
    for _ in range(doublings):
        C, S = 2 * (C @ C) - identity(len(A)), 2 * (S @ C)
    return C, S


def true_phim(k):
    """Σ A^j/(j + k)!, as a block of exp of [[A, I, ..], [0, 0, I, ..], .., [0, .., 0]]."""

    def function(A):
        n = len(A)
        zero = np.full((n, n), mp.zero)
        rows = [
            [A if i == j == 0 else identity(n) if j == i + 1 else zero for j in range(k + 1)]
            for i in range(k + 1)
        ]
        return true_expm(np.block(rows))[:n, k * n :]

    return function

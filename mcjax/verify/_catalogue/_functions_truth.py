"""Primary matrix functions, exactly."""

import numpy as np

from ._exact import BITS, GUARD, ONE, Primary, identity, product, solve


def _expm(A):
    norm = int(np.abs(A).sum(1).max())
    squarings = max(0, norm.bit_length() - BITS) + 8
    X = A >> squarings
    total = term = identity(len(A))
    k = 0
    while np.any(term):
        k += 1
        term = product(term, X) // k
        term = np.where(np.abs(term) <= 1, 0, term)  # shifts round -0.1 to -1, for ever
        total = total + term
    for _ in range(squarings):
        total = product(total, total)
    return total


def _expm1m(A):
    return _expm(A) - identity(len(A))


def _coshm(A):
    return (_expm(A) + _expm(-A)) >> 1


def _sinhm(A):
    return (_expm(A) - _expm(-A)) >> 1


def _tanhm(A):
    return solve(_coshm(A), _sinhm(A))


def _cosm(A, doublings=16):
    """Σ (-1)^j X^{2j}/(2j)!, and cos 2X = 2 cos² X - I."""
    X = A >> doublings
    total = term = identity(len(A))
    for j in range(1, 40):
        term = -product(product(term, X), X) // (2 * j * (2 * j - 1))
        total = total + term
    for _ in range(doublings):
        total = 2 * product(total, total) - identity(len(A))
    return total


def _sinm(A):
    """The integral's series, Σ (-1)^j X^{2j+1}/(2j+1)!, and sin 2X = 2 sin X cos X."""
    doublings = 16
    total = term = A >> doublings
    square = product(total, total)
    for j in range(1, 40):
        term = -product(term, square) // (2 * j * (2 * j + 1))
        total = total + term
    for k in range(doublings, 0, -1):
        total = 2 * product(total, _cosm(A >> k))
    return total


def _tanm(A):
    return solve(_cosm(A), _sinm(A))


def _phi_2(A):
    """A block of exp [[A, I, 0], [0, 0, I], [0, 0, 0]]."""
    n = len(A)
    one, zero = identity(n), 0 * A
    return _expm(np.block([[A, one, zero], [zero, zero, one], [zero] * 3]))[:n, -n:]


def _sqrtm(A):
    """Denman and Beavers, X² = A M throughout: stable, as Newton's iteration for X is not."""
    one, M, X = identity(len(A)), A, A
    for _ in range(200):
        inverse = solve(M, one)
        X = (X + product(X, inverse)) >> 1
        M = (2 * one + M + inverse) >> 2
        if np.abs(M - one).max() < GUARD >> 64:  # squared by the next step
            return (X + product(X, solve(M, one))) >> 1
    raise ArithmeticError("no principal square root")


def _logm(A):
    """2^s artanh(W), W = (R - I)(R + I)⁻¹, of a root R of A that is close to I."""
    one, R, s = identity(len(A)), A, 1
    while np.abs(W := solve(R + one, R - one)).max() > ONE >> 4:
        R, s = _sqrtm(R), s + 1
    square, power, total = product(W, W), W, W
    for j in range(3, 160, 2):
        power = product(power, square)
        total = total + power // j
    return total << s


def _log1pm(X):
    return _logm(X + identity(len(X)))


def _cube_root(A):
    return _expm(_logm(A) // 3)


def _signm(A):
    """Newton: S ← (S + S⁻¹)/2."""
    one, S = identity(len(A)), A
    for _ in range(400):
        previous, S = S, (S + solve(S, one)) >> 1
        if np.abs(S - previous).max() < GUARD << 16:
            return (S + solve(S, one)) >> 1
    raise ArithmeticError("no sign")


def _lorentz(A):
    """A (I + A²)⁻¹."""
    return solve(identity(len(A)) + product(A, A), A)


expm = Primary(_expm)
expm_hermitian = Primary(_expm, hermitian=True)
NEAR_THE_EXPONENTIAL = {
    "expm1m": Primary(_expm1m),
    "cosm": Primary(_cosm),
    "sinm": Primary(_sinm),
    "tanm": Primary(_tanm),
    "coshm": Primary(_coshm),
    "sinhm": Primary(_sinhm),
    "tanhm": Primary(_tanhm),
}
phi_2 = Primary(_phi_2)
sqrtm = Primary(_sqrtm)
sqrtm_hermitian = Primary(_sqrtm, hermitian=True)
logm = Primary(_logm)
logm_hermitian = Primary(_logm, hermitian=True)
log1pm = Primary(_log1pm)
cube_root = Primary(_cube_root)
cube_root_hermitian = Primary(_cube_root, hermitian=True)
signm = Primary(_signm)
lorentz = Primary(_lorentz, hermitian=True)


def expm_frechet(A, E):
    """exp(A) and D exp(A)[E]."""
    return expm.value(A), expm.jvp((A,), (E,))


def expm_frechet_jvp(primals, tangents):
    """D exp(A)[F] and D² exp(A)[E, F] + D exp(A)[G], for tangents F, G of A, E."""
    (A, E), (F, G) = primals, tangents
    return expm.jvp((A,), (F,)), expm.second(A, E, F, G)


def expm_multiply(A, B):
    """exp(A) B."""
    return expm.value(A) @ B


def expm_multiply_jvp(primals, tangents):
    """D exp(A)[E] B + exp(A) F."""
    (A, B), (E, F) = primals, tangents
    return expm.jvp((A,), (E,)) @ B + expm.value(A) @ F

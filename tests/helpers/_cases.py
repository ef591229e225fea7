"""Matrices on which functions are tried."""

import numpy as np


def reflect(*eigenvalues):
    """H diag(λ) H with the reflection H = I - ½ 1 1ᵀ of four dimensions: dyadic, so exact."""
    H = np.eye(4) - 0.5
    return H @ np.diag(eigenvalues) @ H


def gap_matrix(gap):
    """Eigenvalues 1, 1 + gap and, apart from them, 1.25 and 1.5."""
    return reflect(1.0, 1.0 + gap, 1.25, 1.5)


def unitary_phases(A):
    """D A D⁻¹ with D of powers of i: complex Hermitian, with the spectrum of the symmetric A."""
    phases = np.array([1, 1j, -1, -1j])[: len(A)]
    return phases[:, None] * A * phases.conj()[None, :]


def grcar(n):
    return np.eye(n) - np.eye(n, k=-1) + sum(np.eye(n, k=k) for k in (1, 2, 3))


def hidden_jordan():
    """Jordan blocks of size 3 for 2 and of size 1 for 3, under an integer similarity of det 1."""
    J = np.diag([2.0, 2.0, 2.0, 3.0]) + np.diag([1.0, 1.0, 0.0], 1)
    P = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]], float)
    P_inverse = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [1, -1, 1, 0], [-2, 1, -1, 1]], float)
    return P @ J @ P_inverse


def _rng(*seed):
    return np.random.default_rng(seed)


def _spd(*batch, n=4, seed=0):
    X = _rng(seed).normal(size=(*batch, n, n))
    return X @ X.swapaxes(-1, -2) / n + np.eye(n)


def _bad_scale(A):
    d = 2.0 ** np.array([0, 7, -7, 3])
    return d[:, None] * A / d[None, :]


SYMMETRIC = {
    "spd": _spd(),
    "repeated": reflect(1.0, 1.0, 1.0, 2.0),
    "nearly repeated": gap_matrix(1e-10),
    "hermitian": unitary_phases(_spd(seed=1)),
    "batched": _spd(3, 2, seed=2),
    "float32": _spd(seed=3).astype(np.float32),
    "n=1": np.array([[1.5]]),
    "n=0": np.zeros((0, 0)),
}
GENERAL = SYMMETRIC | {
    "defective": hidden_jordan(),
    "non-normal": grcar(4),
    "complex": grcar(4) + 0.25j * _rng(4).normal(size=(4, 4)),
    "badly scaled": _bad_scale(_spd(seed=5)),
}
SINGULAR = reflect(0.0, 0.0, 2.0, 3.0)

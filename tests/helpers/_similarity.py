"""Matrices of integers whose Jordan form is known exactly, and which hide it."""

import numpy as np
import scipy.linalg


def hidden(seed, *blocks):
    """Z J Z⁻¹ with Jordan blocks (λ, size), Z of integers and determinant 1; and Z."""
    n = sum(size for _, size in blocks)
    rng = np.random.default_rng(seed)
    lower, upper = (rng.integers(-1, 2, (n, n)) for _ in range(2))
    L = np.tril(lower, -1) + np.eye(n, dtype=int)
    U = np.triu(upper, 1) + np.eye(n, dtype=int)
    inverse = _inverse(U) @ _inverse(L)
    J = scipy.linalg.block_diag(
        *(value * np.eye(size, dtype=int) + np.eye(size, k=1, dtype=int) for value, size in blocks)
    )
    assert (L @ U @ inverse == np.eye(n)).all()
    return (L @ U @ J @ inverse).astype(float), (L @ U).astype(float)


def _inverse(M):
    """Of a triangular matrix of integers with ones on its diagonal: Σ (I - M)^k."""
    n = len(M)
    powers = [np.linalg.matrix_power(np.eye(n, dtype=int) - M, k) for k in range(n)]
    return sum(powers)

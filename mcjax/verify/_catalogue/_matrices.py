"""The inputs of the catalogue: small matrices on which derivatives go wrong.

All but the first have a structure that must survive in floating point, so they are made from small
integers: Z J Z⁻¹ with a unimodular Z is exactly similar to J, and I - v vᵀ/2 with v of four ones is
exactly orthogonal. One size, n = 5, serves most of them: one compilation does for all.
"""

import numpy as np

N = 5


def _random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def _complex(seed, *shape):
    return _random(seed, *shape) + 1j * _random(seed + 100, *shape)


def _unimodular(n=N):
    """An integer matrix with an integer inverse."""
    i, j = np.indices((n, n))
    lower = np.where(i > j, (i + 2 * j) % 3 - 1, 0) + np.eye(n)
    upper = np.where(i < j, (2 * i + j) % 3 - 1, 0) + np.eye(n)
    Z = lower @ upper
    return Z, np.round(np.linalg.inv(Z))


def _jordan(*blocks):
    """Jordan blocks given as (eigenvalue, size)."""
    values = np.concatenate([[value] * size for value, size in blocks])
    ones = np.concatenate([[1.0] * (size - 1) + [0.0] for _, size in blocks])[:-1]
    return np.diag(values) + np.diag(ones, 1)


def _hidden(J):
    Z, inverse = _unimodular(len(J))
    return Z @ J @ inverse


def _rotated(values):
    """A symmetric matrix with exactly these eigenvalues (to the last bit of their sums)."""
    v = np.array([1.0, 1, -1, 1, 0])
    Q = np.eye(N) - np.outer(v, v) / 2
    return Q @ np.diag(values) @ Q


def _frank(n=N):
    i, j = np.indices((n, n))
    return np.where(i <= j + 1, n - np.maximum(i, j), 0).astype(float)


def _grcar(n=N):
    i, j = np.indices((n, n))
    return np.where(i == j + 1, -1.0, 0.0) + np.where((i <= j) & (j <= i + 3), 1.0, 0.0)


def _kahan(n=N, c=0.8):
    s = (1 - c**2) ** 0.5
    return np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))


def _scaled(A, low=-3, high=3):
    """D A D⁻¹ with powers of two, about 10^low to 10^high, in D."""
    D = 2.0 ** np.round(np.log2(10.0) * np.linspace(low, high, len(A)))
    return D[:, None] * A / D[None, :]


def _spd(seed, *shape):
    R = _random(seed, *shape)
    return R @ R.swapaxes(-1, -2) / shape[-1] + np.eye(shape[-1]) / 2


def general() -> dict[str, np.ndarray]:
    """Matrices for functions defined everywhere."""
    S = _random(1, N, N)
    return {
        "generic": _random(0, N, N),
        "symmetric": (S + S.T) / 2,
        "repeated": _rotated([1, 1, 1, 2, 3]),
        "nearly repeated": _rotated([1, 1 + 1e-10, 1 + 2e-10, 2, 3]),
        "identity": np.eye(N),
        "zero": np.zeros((N, N)),
        "defective": _hidden(_jordan((1.0, 3), (-1.0, 2))) / 2,
        "Frank": _frank() / 4,
        "Grcar": _grcar(),
        "Kahan": _kahan(),
        "badly scaled": _scaled(_random(2, N, N)),
        "complex": _complex(3, N, N),
        "batch": _random(4, 3, 2, 3, 3) * 10.0 ** np.arange(-3, 3).reshape(3, 2, 1, 1),
        "n = 1": np.array([[0.7]]),
        "n = 32": _random(5, 32, 32) / 5,
    }


def positive_spectrum() -> dict[str, np.ndarray]:
    """Matrices with eigenvalues off the negative axis, for roots."""
    shift = 4 * np.eye(N)
    return {
        "generic": _random(0, N, N) + shift,
        "symmetric": _spd(1, N, N),
        "repeated": _rotated([1, 1, 1, 2, 3]),
        "nearly repeated": _rotated([1, 1 + 1e-10, 1 + 2e-10, 2, 3]),
        "identity": np.eye(N),
        "defective": _hidden(_jordan((4.0, 3), (1.0, 2))),
        "Frank": _frank(),
        "Grcar": _grcar(),
        "Kahan": _kahan(),
        "badly scaled": _scaled(_random(2, N, N) + shift),
        "small": 1e-8 * (_random(2, N, N) + shift),
        "complex": _complex(3, N, N) + shift,
        "batch": _spd(4, 3, 2, 3, 3) * 10.0 ** np.arange(-3, 3).reshape(3, 2, 1, 1),
        "n = 1": np.array([[0.7]]),
        "n = 32": _random(5, 32, 32) / 11 + np.eye(32),
    }


def positive_definite() -> dict[str, np.ndarray]:
    """Symmetric and Hermitian positive definite matrices."""
    D = 10.0 ** np.linspace(-3, 3, N)
    H = _complex(3, N, N)
    return {
        "generic": _spd(1, N, N),
        "repeated": _rotated([1, 1, 1, 2, 3]),
        "nearly repeated": _rotated([1, 1 + 1e-10, 1 + 2e-10, 2, 3]),
        "identity": np.eye(N),
        "badly scaled": D[:, None] * _spd(2, N, N) * D[None, :],
        "complex": H @ H.conj().T / N + np.eye(N),
        "batch": _spd(4, 3, 2, 3, 3) * 10.0 ** np.arange(-3, 3).reshape(3, 2, 1, 1),
        "n = 1": np.array([[0.7]]),
        "n = 32": _spd(5, 32, 32),
    }


def symmetric() -> dict[str, np.ndarray]:
    """Symmetric and Hermitian matrices of moderate size."""
    cases = positive_definite()
    del cases["badly scaled"]
    return cases | {
        "generic": _rotated(_random(6, N)),
        "zero": np.zeros((N, N)),
        "indefinite, repeated": _rotated([-1, -1, 0, 0, 2]),
        "graded": _rotated([1e-8, 1e-4, 1e-2, 1, 30]),
    }


def singular() -> dict[str, np.ndarray]:
    """Matrices for the determinant: regular, and of every corank."""
    Z, inverse = _unimodular()
    keep = {
        "generic",
        "repeated",
        "defective",
        "Kahan",
        "badly scaled",
        "complex",
        "batch",
        "n = 1",
    }
    cases = {name: A for name, A in general().items() if name in keep}
    ranks = {
        f"corank {k}": Z @ np.diag([1.0] * (N - k) + [0.0] * k) @ inverse.T for k in range(1, N + 1)
    }
    z = _complex(7, N, 2)
    return (
        cases
        | ranks
        | {
            "singular complex": np.round(4 * z @ z.T),
            "n = 32": 4 * _random(5, 32, 32) / 5,
        }
    )


def sylvester() -> dict[str, tuple[np.ndarray, ...]]:
    """Triples A, B, Q with a unique solution."""
    A, B, Q = _random(0, N, N) + 3 * np.eye(N), _random(1, 4, 4) + 3 * np.eye(4), _random(2, N, 4)
    J = _jordan((2.0, 3), (1.0, 1))
    D = _jordan((1.0, 3), (3.0, 2))
    return {
        "generic": (A, B, Q),
        "symmetric": (_spd(3, N, N), _spd(4, 4, 4), Q),
        "repeated": (_rotated([1, 1, 1, 2, 3]), np.eye(4), Q),
        "nearly repeated": (_rotated([1, 1 + 1e-10, 1 + 2e-10, 2, 3]), np.eye(4), Q),
        "defective": (_hidden(D), _hidden(J), Q),
        "non-normal": (_frank(), _grcar(4), Q),
        "badly scaled": (_scaled(A), _scaled(B), Q),
        "complex": (A + 1j * _random(5, N, N), B + 1j * _random(6, 4, 4), Q + 1j * Q[::-1]),
        "batch": (_spd(7, 3, 2, 3, 3), _spd(8, 3, 2, 2, 2), _random(9, 3, 2, 3, 2)),
        "n = 1": (np.array([[0.7]]), np.array([[2.0]]), np.array([[3.0]])),
        "n = 32": (_spd(7, 32, 32), _spd(8, 32, 32), _random(9, 32, 32)),
    }

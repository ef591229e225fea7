"""The catalogue of matrix equations."""

import jax.numpy as jnp
import numpy as np

from ... import linalg
from . import _equations_truth as truth
from . import _matrices
from ._entry import Entry


def _lyapunov():
    """Pairs A, Q with a unique solution."""
    keep = ("generic", "repeated", "defective", "complex", "batch", "n = 1")
    matrices = _matrices.positive_spectrum()
    return {name: (matrices[name], _right_hand_side(matrices[name])) for name in keep}


def _stein():
    return {name: (A / 16, Q) for name, (A, Q) in _lyapunov().items()}


def _riccati():
    """A, B, Q and R with a stabilising solution."""
    keep = ("generic", "repeated", "defective", "complex")
    matrices = _matrices.positive_spectrum()
    one = np.eye(_matrices.N)
    cases: dict[str, tuple] = {
        name: (matrices[name] / 4, one + one[::-1] / 4, one, one * 2) for name in keep
    }
    cases["complex"] = tuple(x + 0j for x in cases["complex"])
    return cases


def _quadratic():
    """A, B and C with a minimal solvent."""
    matrices = _matrices.positive_spectrum()
    one = np.eye(_matrices.N)
    keep = ("generic", "repeated", "complex")
    cases: dict[str, tuple] = {
        name: (one / 2, matrices[name] + 12 * one, matrices[name].T) for name in keep
    }
    cases["complex"] = tuple(x + 0j for x in cases["complex"])
    return cases


def _right_hand_side(A):
    """Not symmetric: both triangles count."""
    return np.ones_like(A) + np.triu(np.ones_like(A))


def _plain_sylvester(A, B, Q):
    return jnp.vectorize(_kronecker_solve, signature="(n,n),(m,m),(n,m)->(n,m)")(A, B, Q)


def _kronecker_solve(A, B, Q):
    n, m = Q.shape
    K = jnp.kron(A, jnp.eye(m, dtype=B.dtype)) + jnp.kron(jnp.eye(n, dtype=A.dtype), B.T)
    return jnp.linalg.solve(K, Q.reshape(-1)).reshape(n, m)


def _plain_lyapunov(A, Q):
    return _plain_sylvester(A, A.mT.conj(), Q)


def _plain_stein(A, Q):
    return jnp.vectorize(_kronecker_stein, signature="(n,n),(n,n)->(n,n)")(A, Q)


def _kronecker_stein(A, Q):
    K = jnp.eye(A.size, dtype=A.dtype) - jnp.kron(A, A.conj())
    return jnp.linalg.solve(K, Q.reshape(-1)).reshape(Q.shape)


def _plain_care(A, B, Q, R):
    """By Newton's method in plain JAX, from an X so large that it stabilises A."""
    Q, R = _hermitian(Q), _hermitian(R)

    def step(X):
        K = jnp.linalg.solve(R, B.mT.conj() @ X)
        closed = A - B @ K
        return _plain_lyapunov(closed.mT.conj(), -(Q + K.mT.conj() @ R @ K))

    return _iterated(step, 20 * jnp.eye(len(A), dtype=A.dtype))


def _plain_dare(A, B, Q, R):
    Q, R = _hermitian(Q), _hermitian(R)

    def step(X):
        BX = B.mT.conj() @ X
        K = jnp.linalg.solve(R + BX @ B, BX @ A)
        closed = A - B @ K
        return _plain_stein(closed.mT.conj(), Q + K.mT.conj() @ R @ K)

    return _iterated(step, 20 * jnp.eye(len(A), dtype=A.dtype))


def _plain_quadratic(A, B, C):
    """X ← -(A X + B)⁻¹ C, which converges to the minimal solvent."""
    return _iterated(lambda X: -jnp.linalg.solve(A @ X + B, C), 0 * A, 60)


def _iterated(step, X, steps=14):
    for _ in range(steps):
        X = step(X)
    return X


def _hermitian(X):
    return (X + X.mT.conj()) / 2


ENTRIES = (
    Entry(
        "solve_sylvester",
        linalg.solve_sylvester,
        _matrices.sylvester,
        truth.sylvester,
        truth.sylvester_jvp,
        _plain_sylvester,
    ),
    Entry(
        "solve_continuous_lyapunov",
        linalg.solve_continuous_lyapunov,
        _lyapunov,
        truth.continuous_lyapunov,
        truth.continuous_lyapunov_jvp,
        _plain_lyapunov,
    ),
    Entry(
        "solve_discrete_lyapunov",
        linalg.solve_discrete_lyapunov,
        _stein,
        truth.discrete_lyapunov,
        truth.discrete_lyapunov_jvp,
        _plain_stein,
    ),
    Entry("solve_continuous_are", linalg.solve_continuous_are, _riccati, reference=_plain_care),
    Entry("solve_discrete_are", linalg.solve_discrete_are, _riccati, reference=_plain_dare),
    Entry("solve_quadratic", linalg.solve_quadratic, _quadratic, reference=_plain_quadratic),
)

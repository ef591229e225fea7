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
)

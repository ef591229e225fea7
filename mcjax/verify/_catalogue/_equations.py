"""The catalogue of matrix equations."""

import jax.numpy as jnp

from ... import linalg
from . import _equations_truth as truth
from . import _matrices
from ._entry import Entry


def _plain_sylvester(A, B, Q):
    return jnp.vectorize(_kronecker_solve, signature="(n,n),(m,m),(n,m)->(n,m)")(A, B, Q)


def _kronecker_solve(A, B, Q):
    n, m = Q.shape
    K = jnp.kron(A, jnp.eye(m, dtype=B.dtype)) + jnp.kron(jnp.eye(n, dtype=A.dtype), B.T)
    return jnp.linalg.solve(K, Q.reshape(-1)).reshape(n, m)


ENTRIES = (
    Entry(
        "solve_sylvester",
        linalg.solve_sylvester,
        _matrices.sylvester,
        truth.sylvester,
        truth.sylvester_jvp,
        _plain_sylvester,
    ),
)

"""A = U T Uᴴ with U unitary and T upper triangular, for an equation that is then solved column by column.

On CPUs by LAPACK's Schur form, of real matrices the real one. No GPU has one. There the eigenvectors V of
A are computed, to backward stability even where they are nearly parallel; V = U R with U unitary, and
Uᴴ A U = R Λ R⁻¹ is upper triangular up to eps times the condition of V.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._conjugate_pairs import conjugate_pairs
from ..._core._matmul import matmul


def triangular_form(A):
    """U and T with A = U T Uᴴ."""
    return lax.platform_dependent(A, cpu=_schur, default=_by_eigenvectors)


def _schur(A):
    T, U = lax.linalg.schur(A)
    if jnp.iscomplexobj(A):
        return U, T
    first, second, on, beside, _ = conjugate_pairs(T)
    on, beside = as_complex(on)[None, :], lax.complex(0 * on, beside)[None, :]
    partner = jnp.arange(len(A)) + first.astype(int) - second.astype(int)

    def turned(X):
        """X times the unitary matrix that makes T triangular."""
        return X * on + X[:, partner] * beside

    T = turned(turned(as_complex(T)).mT.conj()).mT.conj()
    return turned(as_complex(U)), jnp.triu(T)


def _by_eigenvectors(A):
    A = as_complex(A)
    _, V = jnp.linalg.eig(A)
    U, _ = jnp.linalg.qr(V)
    return U, jnp.triu(matmul(matmul(U.mT.conj(), A), U))


def as_complex(X):
    return X.astype(np.result_type(X.dtype, np.complex64))

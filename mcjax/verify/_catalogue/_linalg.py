"""The catalogue of `mcjax.linalg`."""

import jax
import jax.numpy as jnp
import numpy as np

from ... import linalg
from . import _matrices, _precise
from ._entry import Entry


def _hermitian(A):
    return (A + A.mT.conj()) / 2


def expm_hermitian(A):
    """expm, the spectral route."""
    return linalg.expm(A, hermitian=True)


def sqrtm_hermitian(A):
    """sqrtm, the spectral route."""
    return linalg.sqrtm(A, hermitian=True)


def lorentz(A):
    """funm of x / (1 + x²)."""
    return linalg.funm(A, _lorentz)


def _lorentz(x):
    return x / (1 + x * x)


def logdet_pos(A):
    """logdet, the Cholesky route."""
    return linalg.logdet(A, assume_a="pos")


def _plain_expm_hermitian(A):
    return jax.scipy.linalg.expm(_hermitian(A))


def _plain_expm_frechet(A, E):
    return jax.jvp(jax.scipy.linalg.expm, (A,), (E,))


def _plain_lorentz(A):
    A = _hermitian(A)
    return jnp.linalg.solve(jnp.eye(A.shape[-1], dtype=A.dtype) + A @ A, A)


def _plain_logdet(A):
    return jnp.linalg.slogdet(A)[1]


def _plain_logdet_pos(A):
    return jnp.linalg.slogdet(_hermitian(A))[1]


def _plain_sylvester(A, B, Q):
    return jnp.vectorize(_kronecker_solve, signature="(n,n),(m,m),(n,m)->(n,m)")(A, B, Q)


def _kronecker_solve(A, B, Q):
    n, m = Q.shape
    K = jnp.kron(A, jnp.eye(m, dtype=B.dtype)) + jnp.kron(jnp.eye(n, dtype=A.dtype), B.T)
    return jnp.linalg.solve(K, Q.reshape(-1)).reshape(n, m)


def _pairs():
    """Inputs of expm_frechet: a matrix and a direction of its size."""
    random = np.random.default_rng(8)
    keep = {"generic", "repeated", "defective", "Grcar", "badly scaled", "n = 1"}
    inputs = {name: A for name, A in _matrices.general().items() if name in keep}
    z = random.standard_normal((2, 3, 3)) + 1j * random.standard_normal((2, 3, 3))
    pairs = {
        name: (A, random.standard_normal(A.shape) * _matrix_size(A)) for name, A in inputs.items()
    }
    return pairs | {"complex": tuple(z)}


def _matrix_size(A):
    return np.abs(A).max((-2, -1), keepdims=True)


ENTRIES = (
    Entry(
        "expm",
        linalg.expm,
        _matrices.general,
        _precise.expm.value,
        _precise.expm.jvp,
        jax.scipy.linalg.expm,
    ),
    Entry(
        "expm hermitian",
        expm_hermitian,
        _matrices.symmetric,
        _precise.expm_hermitian.value,
        _precise.expm_hermitian.jvp,
        _plain_expm_hermitian,
    ),
    Entry(
        "expm_frechet",
        linalg.expm_frechet,
        _pairs,
        _precise.expm_frechet,
        _precise.expm_frechet_jvp,
        _plain_expm_frechet,
    ),
    Entry(
        "sqrtm",
        linalg.sqrtm,
        _matrices.positive_spectrum,
        _precise.sqrtm.value,
        _precise.sqrtm.jvp,
    ),
    Entry(
        "sqrtm hermitian",
        sqrtm_hermitian,
        _matrices.positive_definite,
        _precise.sqrtm_hermitian.value,
        _precise.sqrtm_hermitian.jvp,
    ),
    Entry(
        "funm x/(1+x²)",
        lorentz,
        _matrices.symmetric,
        _precise.lorentz.value,
        _precise.lorentz.jvp,
        _plain_lorentz,
    ),
    Entry(
        "solve_sylvester",
        linalg.solve_sylvester,
        _matrices.sylvester,
        _precise.sylvester,
        _precise.sylvester_jvp,
        _plain_sylvester,
    ),
    Entry(
        "logdet",
        linalg.logdet,
        _matrices.positive_spectrum,
        _precise.logdet,
        _precise.logdet_jvp,
        _plain_logdet,
    ),
    Entry(
        "logdet pos",
        logdet_pos,
        _matrices.positive_definite,
        _precise.logdet_hermitian,
        _precise.logdet_hermitian_jvp,
        _plain_logdet_pos,
    ),
    Entry(
        "det",
        linalg.det,
        _matrices.singular,
        _precise.det,
        _precise.det_jvp,
        jnp.linalg.det,
    ),
)

"""The catalogue of matrix functions."""

import jax
import jax.numpy as jnp
import numpy as np

from ... import linalg
from . import _functions_truth as truth
from . import _matrices
from ._entry import Entry


def _hermitian(A):
    return (A + A.mT.conj()) / 2


def expm_hermitian(A):
    """expm, the spectral route."""
    return linalg.expm(A, hermitian=True)


def sqrtm_hermitian(A):
    """sqrtm, the spectral route."""
    return linalg.sqrtm(A, hermitian=True)


def phi_2(A):
    """phim of order 2."""
    return linalg.phim(2, A)


def lorentz(A):
    """funm of x / (1 + x²)."""
    return linalg.funm(A, _lorentz)


def _lorentz(x):
    return x / (1 + x * x)


def _plain_expm_hermitian(A):
    return jax.scipy.linalg.expm(_hermitian(A))


def _plain_expm_frechet(A, E):
    return jax.jvp(jax.scipy.linalg.expm, (A,), (E,))


def _plain_lorentz(A):
    A = _hermitian(A)
    return jnp.linalg.solve(jnp.eye(A.shape[-1], dtype=A.dtype) + A @ A, A)


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


def _moderate():
    """A few general matrices of moderate size."""
    keep = {"repeated", "defective", "Kahan", "complex", "n = 1"}
    return {name: A for name, A in _matrices.general().items() if name in keep}


def _matrix_size(A):
    return np.abs(A).max((-2, -1), keepdims=True)


ENTRIES = (
    Entry(
        "expm",
        linalg.expm,
        _matrices.general,
        truth.expm.value,
        truth.expm.jvp,
        jax.scipy.linalg.expm,
    ),
    Entry(
        "expm hermitian",
        expm_hermitian,
        _matrices.symmetric,
        truth.expm_hermitian.value,
        truth.expm_hermitian.jvp,
        _plain_expm_hermitian,
    ),
    Entry(
        "expm_frechet",
        linalg.expm_frechet,
        _pairs,
        truth.expm_frechet,
        truth.expm_frechet_jvp,
        _plain_expm_frechet,
    ),
    Entry(
        "sqrtm",
        linalg.sqrtm,
        _matrices.positive_spectrum,
        truth.sqrtm.value,
        truth.sqrtm.jvp,
    ),
    Entry(
        "sqrtm hermitian",
        sqrtm_hermitian,
        _matrices.positive_definite,
        truth.sqrtm_hermitian.value,
        truth.sqrtm_hermitian.jvp,
    ),
    Entry(
        "funm x/(1+x²)",
        lorentz,
        _matrices.symmetric,
        truth.lorentz.value,
        truth.lorentz.jvp,
        _plain_lorentz,
    ),
    *(
        Entry(name, getattr(linalg, name), _moderate, exact.value, exact.jvp)
        for name, exact in truth.NEAR_THE_EXPONENTIAL.items()
    ),
    Entry("phim 2", phi_2, _moderate, truth.phi_2.value, truth.phi_2.jvp),
)

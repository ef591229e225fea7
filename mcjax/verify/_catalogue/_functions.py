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


def logm_hermitian(A):
    """logm, the spectral route."""
    return linalg.logm(A, hermitian=True)


def cube_root(A):
    """fractional_matrix_power, t = 1/3."""
    return linalg.fractional_matrix_power(A, 1 / 3)


def cube_root_hermitian(A):
    """fractional_matrix_power, t = 1/3, the spectral route."""
    return linalg.fractional_matrix_power(A, 1 / 3, hermitian=True)


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


def _plain_expm_multiply(A, B):
    return jax.scipy.linalg.expm(A) @ B


def _with_columns():
    """Inputs of expm_multiply: a matrix and two columns."""
    random = np.random.default_rng(9)
    return {
        name: (A, random.standard_normal((*A.shape[:-1], 2)).astype(A.dtype))
        for name, A in _moderate().items()
    }


def _roots():
    """Inputs of logarithms and powers: those of roots, of three shapes."""
    leave_out = {"symmetric", "Frank", "Kahan", "batch", "n = 32"}
    return {k: A for k, A in _matrices.positive_spectrum().items() if k not in leave_out}


def _definite():
    leave_out = {"batch", "n = 32"}
    return {k: A for k, A in _matrices.positive_definite().items() if k not in leave_out}


def _around_zero():
    """Inputs of log(I + X): I is taken from those of roots, and X may be tiny."""
    inputs = {name: A - np.eye(len(A)) for name, A in _roots().items() if name != "small"}
    return inputs | {"tiny": 1e-10 * _matrices.general()["generic"]}


def _split():
    """Inputs of the sign: eigenvalues on both sides of the imaginary axis."""
    inputs = {name: A - 2.5 * np.eye(len(A)) for name, A in _roots().items()}
    del inputs["identity"]
    return inputs | {"small": 1e-8 * inputs["generic"]}


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
    Entry("logm", linalg.logm, _roots, truth.logm.value, truth.logm.jvp),
    Entry(
        "logm hermitian",
        logm_hermitian,
        _definite,
        truth.logm_hermitian.value,
        truth.logm_hermitian.jvp,
    ),
    Entry("log1pm", linalg.log1pm, _around_zero, truth.log1pm.value, truth.log1pm.jvp),
    Entry(
        "fractional_matrix_power 1/3",
        cube_root,
        _roots,
        truth.cube_root.value,
        truth.cube_root.jvp,
    ),
    Entry(
        "fractional_matrix_power 1/3 hermitian",
        cube_root_hermitian,
        _definite,
        truth.cube_root_hermitian.value,
        truth.cube_root_hermitian.jvp,
    ),
    Entry("signm", linalg.signm, _split, truth.signm.value, truth.signm.jvp),
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
    Entry(
        "expm_multiply",
        linalg.expm_multiply,
        _with_columns,
        truth.expm_multiply,
        truth.expm_multiply_jvp,
        _plain_expm_multiply,
    ),
)

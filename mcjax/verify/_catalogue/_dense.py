"""The catalogue of determinants, norms and factorisations."""

import jax.numpy as jnp

from ... import linalg
from . import _dense_truth as truth
from . import _matrices
from ._entry import Entry


def _hermitian(A):
    return (A + A.mT.conj()) / 2


def _some(inputs, *names):
    """The inputs of these names."""
    return lambda: {name: inputs()[name] for name in names}


def logdet_pos(A):
    """logdet, the Cholesky route."""
    return linalg.logdet(A, assume_a="pos")


def _plain_logdet(A):
    return jnp.linalg.slogdet(A)[1]


def _plain_logdet_pos(A):
    return jnp.linalg.slogdet(_hermitian(A))[1]


def _plain_charpoly(A):
    """Faddeev and LeVerrier: a polynomial in A, stable enough for small matrices."""
    coefficients, _ = _faddeev_leverrier(A)
    return jnp.stack(coefficients, -1)


def _plain_adjugate(A):
    return (-1) ** (A.shape[-1] - 1) * _faddeev_leverrier(A)[1]


def _faddeev_leverrier(A):
    identity = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    M, c = jnp.zeros_like(A), [jnp.ones_like(A[..., 0, 0])]
    for k in range(1, A.shape[-1] + 1):
        M = A @ M + c[-1][..., None, None] * identity
        c.append(-jnp.trace(A @ M, axis1=-2, axis2=-1) / k)
    return c, M


ENTRIES = (
    Entry(
        "logdet",
        linalg.logdet,
        _matrices.positive_spectrum,
        truth.logdet,
        truth.logdet_jvp,
        _plain_logdet,
    ),
    Entry(
        "logdet pos",
        logdet_pos,
        _matrices.positive_definite,
        truth.logdet_hermitian,
        truth.logdet_hermitian_jvp,
        _plain_logdet_pos,
    ),
    Entry(
        "det",
        linalg.det,
        _matrices.singular,
        truth.det,
        truth.det_jvp,
        jnp.linalg.det,
    ),
    Entry(
        "adjugate",
        linalg.adjugate,
        _some(
            _matrices.singular, "generic", "corank 1", "corank 2", "corank 5", "complex", "batch"
        ),
        truth.adjugate,
        None,
        _plain_adjugate,
    ),
    Entry(
        "charpoly",
        linalg.charpoly,
        _some(
            _matrices.general,
            "generic",
            "repeated",
            "nearly repeated",
            "identity",
            "complex",
            "batch",
        ),
        truth.charpoly,
        None,
        _plain_charpoly,
    ),
)

"""The catalogue of determinants, norms and factorisations."""

import jax.numpy as jnp

from ... import linalg
from . import _dense_truth as truth
from . import _matrices
from ._entry import Entry


def _hermitian(A):
    return (A + A.mT.conj()) / 2


def logdet_pos(A):
    """logdet, the Cholesky route."""
    return linalg.logdet(A, assume_a="pos")


def _plain_logdet(A):
    return jnp.linalg.slogdet(A)[1]


def _plain_logdet_pos(A):
    return jnp.linalg.slogdet(_hermitian(A))[1]


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
)

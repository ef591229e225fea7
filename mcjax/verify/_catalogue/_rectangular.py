"""The catalogue of functions of rectangular matrices."""

import jax.numpy as jnp
import numpy as np

from ... import linalg
from . import _rectangular_truth as truth
from ._entry import Entry


def _lorentz(A):
    return linalg.svd_function(A, lambda x: x / (1 + x * x))


def lstsq(A, b):
    """The solution alone."""
    return linalg.lstsq(A, b)[0]


def _adjoint(A):
    return A.mT.conj()


def _plain_lorentz(A):
    return A @ jnp.linalg.inv(jnp.eye(A.shape[-1], dtype=A.dtype) + _adjoint(A) @ A)


def _plain_polar(A):
    U, s, Vh = jnp.linalg.svd(A, full_matrices=False)
    return U @ Vh, _adjoint(Vh) @ (s[..., None].astype(A.dtype) * Vh)


def _plain_procrustes(A, B):
    U, s, Vh = jnp.linalg.svd(_adjoint(A) @ B)
    return U @ Vh, s.sum(-1)


def _plain_lstsq(A, b):
    return jnp.linalg.pinv(A) @ b


def _plain_orth_projector(A):
    return A @ jnp.linalg.pinv(A)


def _plain_null_projector(A):
    return jnp.eye(A.shape[-1], dtype=A.dtype) - jnp.linalg.pinv(A) @ A


def _tall():
    """4 x 3 of full rank: generic, with orthonormal columns, nearly so, and of other shapes."""
    rng = np.random.default_rng(0)
    Q = (np.eye(4) - 0.5)[:, [1, 2, 0]]
    return {
        "generic": rng.normal(size=(4, 3)),
        "orthonormal columns": Q,
        "nearly repeated": Q * [1.0, 1.0 + 1e-10, 1.5],
        "small": 1e-8 * rng.normal(size=(4, 3)),
        "complex": rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2)),
        "batch": rng.normal(size=(2, 3, 2)) * [[[1e-3]], [[1e3]]],
    }


def _wide():
    return {name: A.swapaxes(-1, -2) for name, A in _tall().items()}


def _any_rank():
    """Where singular values vanish too, besides."""
    Q = (np.eye(4) - 0.5)[:, [1, 2, 0]]
    return _tall() | {"zero, twice": Q * [2.0, 0.0, 0.0], "zero": np.zeros((4, 3))}


def _pairs():
    """Pairs of one shape."""
    rng = np.random.default_rng(1)
    return {
        name: (A, A * 2.0 if name == "orthonormal columns" else A + 0.3 * rng.normal(size=A.shape))
        for name, A in _tall().items()
        if name != "small"
    }


def _equations():
    rng = np.random.default_rng(2)
    return {
        name: (A, (rng.normal(size=(*A.shape[:-1], 2))).astype(A.dtype))
        for name, A in _tall().items()
    }


ENTRIES = (
    Entry(
        "svd_function x/(1+x²)",
        _lorentz,
        _any_rank,
        truth.lorentz,
        truth.lorentz_jvp,
        _plain_lorentz,
    ),
    Entry("polar", linalg.polar, _tall, truth.polar, truth.polar_jvp, _plain_polar),
    Entry(
        "orthogonal_procrustes",
        linalg.orthogonal_procrustes,
        _pairs,
        reference=_plain_procrustes,
    ),
    Entry("lstsq", lstsq, _equations, truth.lstsq, truth.lstsq_jvp, _plain_lstsq),
    Entry(
        "orth_projector",
        linalg.orth_projector,
        _tall,
        truth.orth_projector,
        truth.orth_projector_jvp,
        _plain_orth_projector,
    ),
    Entry("null_projector", linalg.null_projector, _wide, reference=_plain_null_projector),
)

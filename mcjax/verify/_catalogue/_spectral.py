"""The catalogue of eigenproblems: what of them is smooth."""

import jax.numpy as jnp
import numpy as np

from ... import linalg
from ._entry import Entry


def _below(A):
    return linalg.spectral_projector(A, slice(0, 2))


def _between(A):
    return linalg.spectral_projector(A, (0.25, 1.5))


def _lines(A):
    """Eigenvalues, and of eigenvectors what does not depend on their phase."""
    w, V = linalg.eigh(A)
    return w, jnp.einsum("...ij,...kj->...jik", V, V.conj())


def _smallest_line(A):
    w, V = linalg.eigh(A, subset=(0, 0))
    return w, V * V[..., :1, :].conj()


def _smallest_two(A):
    return linalg.eigvalsh_sum(A, 2)


def _leading_two(A):
    return linalg.svd_projectors(A, 2)


def _nearest(A):
    return linalg.best_rank(A, 2)


def _around_one(A):
    return linalg.riesz_projector(A, 1.0, 1.0)


def _split():
    """Hermitian, two eigenvalues about 1, the others beyond 2."""
    Q, complex_ = np.eye(4) - 0.5, np.diag([1, 1j, -1, -1j])
    repeated = Q @ np.diag([1.0, 1.0, 2.0, 4.0]) @ Q
    return {
        "distinct": Q @ np.diag([0.5, 1.0, 2.0, 4.0]) @ Q,
        "repeated": repeated,
        "nearly repeated": Q @ np.diag([1.0, 1.0 + 1e-10, 2.0, 2.0]) @ Q,
        "complex": complex_ @ repeated @ complex_.conj(),
        "batch": np.stack([repeated, Q @ np.diag([0.5, 0.75, 2.0, 2.0]) @ Q]),
    }


def _distinct():
    """Hermitian, four eigenvalues apart: where they repeat they have one-sided derivatives only."""
    return {
        "distinct": _split()["distinct"],
        "close": (np.eye(4) - 0.5) @ np.diag([1.0, 1.125, 2.0, 4.0]) @ (np.eye(4) - 0.5),
        "complex": np.array([[2.0, 1j, 0.0], [-1j, 4.0, 1.0], [0.0, 1.0, -3.0]]),
        "batch": np.stack([np.diag([1.0, 2.0, 4.0]), np.diag([3.0, -1.0, 0.5])]),
    }


def _apart():
    """Hermitian, the smallest eigenvalue apart, others tied."""
    Q, complex_ = np.eye(4) - 0.5, np.diag([1, 1j, -1, -1j])
    tied = Q @ np.diag([0.5, 2.0, 2.0, 4.0]) @ Q
    return {
        "tie elsewhere": tied,
        "near tie elsewhere": Q @ np.diag([0.5, 2.0, 2.0 + 1e-10, 4.0]) @ Q,
        "complex": complex_ @ tied @ complex_.conj(),
    }


def _tall():
    Q = (np.eye(4) - 0.5)[:, :3]
    rng = np.random.default_rng(3)
    return {
        "repeated": Q @ np.diag([2.0, 2.0, 1.0]),
        "distinct": Q @ np.diag([3.0, 2.0, 0.5]),
        "complex": rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)),
    }


def _jordan():
    """Eigenvalues 1, about 1, -1 and 3 of matrices that are not normal."""
    T = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1)

    def similar(gap, coupling):
        J = np.diag([1.0, 1.0 + gap, -1.0, 3.0])
        J[0, 1] = coupling
        return T @ J @ np.round(np.linalg.inv(T))

    phases = np.diag([1, 1j, -1, -1j])
    return {
        "distinct": similar(0.25, 1.0),
        "defective": similar(0.0, 1.0),
        "nearly defective": similar(1e-10, 1.0),
        "repeated": similar(0.0, 0.0),
        "complex": phases @ similar(0.0, 1.0) @ phases.conj(),
    }


ENTRIES = (
    Entry("spectral_projector slice", _below, _split),
    Entry("spectral_projector interval", _between, _split),
    Entry("eigh", _lines, _distinct),
    Entry("eigh subset", _smallest_line, _apart),
    Entry("eigvalsh", linalg.eigvalsh, _distinct),
    Entry("eigvalsh_sum", _smallest_two, _split),
    Entry("svd_projectors", _leading_two, _tall),
    Entry("best_rank", _nearest, _tall),
    Entry("riesz_projector", _around_one, _jordan),
)

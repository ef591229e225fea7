"""The catalogue of Hermitian eigenproblems and of singular values."""

import jax
import jax.numpy as jnp
import numpy as np

from ... import linalg
from ._entry import Entry


def _below(A):
    return linalg.spectral_projector(A, slice(0, 2))


def _between(A):
    return linalg.spectral_projector(A, (0.25, 1.5))


def _lines(w, V):
    """Eigenvalues, and of eigenvectors what does not depend on their phase."""
    return w, jnp.einsum("...ij,...kj->...jik", V, V.conj())


def _of_matrix(A):
    return _lines(*linalg.eigh(A))


def _of_pencil(A, B):
    return _lines(*linalg.eigh(A, B))


def _plain(A):
    return _lines(*jnp.linalg.eigh((A + A.mT.conj()) / 2, symmetrize_input=False))


def _pairs(U, s, Vh):
    """Singular values, and of singular vectors what does not depend on their phase."""
    return s, jnp.einsum("...ij,...jk->...jik", U, Vh)


def _of_rectangle(A):
    return _pairs(*linalg.svd(A, full_matrices=False))


def _plain_pairs(A):
    return _pairs(*jnp.linalg.svd(A, full_matrices=False))


def _plain_svdvals(A):
    return jnp.linalg.svd(A, full_matrices=False)[1]


def _null_space(A):
    U2 = linalg.svd(A).U[..., A.shape[-1] :]
    return jnp.matmul(U2, U2.mT.conj())


def _beyond_range(A):
    range_ = jnp.matmul(A, jnp.linalg.solve(jnp.matmul(A.mT.conj(), A), A.mT.conj()))
    return jnp.eye(A.shape[-2], dtype=A.dtype) - range_


def _leading_pairs(A):
    U, s, Vh, gap = linalg.truncated_svd(A, 2)
    return s, jnp.matmul(U, Vh), gap


def _components(X):
    _, P, variances, ratio = linalg.pca(X, 2)
    return P, variances.sum(-1), ratio.sum(-1)


def _partial_line(A):
    w, V, *_ = linalg.eigsh(A, 1, which="SA")
    return w, V * V[..., :1, :].conj()


def _lines_at_a_shift(A):
    w, V, *_ = linalg.eigsh(A, 2, sigma=1.4)
    return _lines(w, V)


def _leading_triplet(A):
    U, S, Vh, *_ = linalg.svds(A, 1)
    return S, jnp.matmul(U, Vh)


def _branches(A, E):
    _, V, slopes, turns, _ = linalg.eigh_directional(A, E)
    half = jnp.einsum("...ij,...kj->...jik", turns, V.conj())
    return slopes, half + half.mT.conj()


def _plain_branches(A, E):
    return jax.jvp(_plain, (A,), ((E + E.mT.conj()) / 2,))[1]


def _branches_of_a_tie(E):
    return _branches(jnp.diag(jnp.array([1, 1, 4], E.dtype)), E)


def _smallest_line(A):
    w, V = linalg.eigh(A, subset=(0, 0))
    return w, V * V[..., :1, :].conj()


def _smallest_two(A):
    return linalg.eigvalsh_sum(A, 2)


def _leading_two(A):
    return linalg.svd_projectors(A, 2)


def _nearest(A):
    return linalg.best_rank(A, 2)


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


def _apart_and_tall():
    """Singular values 3, 2 and 1."""
    Q = (np.eye(4) - 0.5)[:, :3]
    shear = np.eye(3) + np.diag([0.5, -0.25], 1)
    phases = np.diag([1, 1j, -1, -1j])
    return {
        "distinct": Q @ np.diag([3.0, 2.0, 1.0]),
        "sheared": Q @ np.diag([3.0, 2.0, 1.0]) @ shear,
        "complex": phases @ Q @ np.diag([3.0, 2.0, 1.0]) @ shear,
    }


def _pencils():
    B = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    phases = np.diag([1, 1j, -1])
    return {
        "distinct": (np.diag([1.0, 2.0, 4.0]), B),
        "complex": (phases @ B @ B @ phases.conj(), phases @ B @ phases.conj()),
    }


def _samples():
    X = np.diag([4.0, 4.0, 1.0])
    return {
        "repeated": np.concatenate([X, -X]),
        "distinct": np.concatenate([X, np.diag([1.0, 2.0, 3.0])]),
    }


def _splitting():
    """Slopes of the tie 0.5 apart or more."""
    E = np.array([[1.0, 0.5, -0.25], [0.5, 2.0, 0.75], [-0.25, 0.75, 0.5]])
    phases = np.diag([1, 1j, -1])
    return {"distinct": E, "complex": phases @ E @ phases.conj()}


ENTRIES = (
    Entry("spectral_projector slice", _below, _split),
    Entry("spectral_projector interval", _between, _split),
    Entry("eigh", _of_matrix, _distinct, reference=_plain),
    Entry("eigh subset", _smallest_line, _apart),
    Entry("eigh pencil", _of_pencil, _pencils),
    Entry("eigh_directional", _branches, _pencils, reference=_plain_branches),
    Entry("eigh_directional of a tie", _branches_of_a_tie, _splitting),
    Entry("eigvalsh", linalg.eigvalsh, _distinct),
    Entry("eigvalsh_sum", _smallest_two, _split),
    Entry("svd", _of_rectangle, _apart_and_tall, reference=_plain_pairs),
    Entry("svd null space", _null_space, _apart_and_tall, reference=_beyond_range),
    Entry("svdvals", linalg.svdvals, _apart_and_tall, reference=_plain_svdvals),
    Entry("truncated_svd", _leading_pairs, _apart_and_tall),
    Entry("svd_projectors", _leading_two, _tall),
    Entry("best_rank", _nearest, _tall),
    Entry("pca", _components, _samples),
    Entry("eigsh", _partial_line, _apart),
    Entry("eigsh around a shift", _lines_at_a_shift, _distinct),
    Entry("svds", _leading_triplet, _apart_and_tall),
)

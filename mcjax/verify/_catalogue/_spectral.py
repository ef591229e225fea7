"""The catalogue of eigenproblems: what of them is smooth."""

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


def _of_polynomial(A0, A1, A2):
    """Sums over all pairs: their order is that of LAPACK."""
    w, V = linalg.polyeig(A0, A1, A2)
    return (w**2).sum(-1), jnp.einsum("...j,...ij,...kj->...ik", w, V, V.conj())


def _of_delay(A, B):
    """The rightmost λ of x' = A x + B x(t - 1)."""

    def characteristic(s, A, B):
        return s * jnp.eye(len(A), dtype=A.dtype) - A - B * jnp.exp(-s)

    found = linalg.nonlinear_eig(characteristic, jnp.asarray(-1.5, A.dtype), A, B)
    return found.eigenvalue, found.eigenvector


def _stable_subspace(A):
    """Π and Π A of the leading subspace of the sorted form, which do not depend on its basis."""
    T, Z, count = linalg.schur(A, sort="lhp")
    leading = jnp.arange(A.shape[-1]) < count[..., None]
    Q = jnp.where(leading[..., None, :], Z, 0)
    return jnp.matmul(Q, Q.mT), jnp.matmul(jnp.matmul(Q, T), Z.mT)


def _complex_form(A):
    return linalg.schur(A, "complex")


def _within_unit_circle(A):
    return linalg.invariant_subspace(A, "iuc")


def _tall_form(A):
    return linalg.hessenberg(A, calc_q=True)


def _partial_line(A):
    w, V, *_ = linalg.eigsh(A, 1, which="SA")
    return w, V * V[..., :1, :].conj()


def _lines_at_a_shift(A):
    w, V, *_ = linalg.eigsh(A, 2, sigma=1.4)
    return _lines(w, V)


def _leading_triplet(A):
    U, S, Vh, *_ = linalg.svds(A, 1)
    return S, jnp.matmul(U, Vh)


def _general_pairs(A):
    """Of vectors the ratios to their first entries: their order is that of LAPACK."""
    w, V = linalg.eig(A)
    return (w**2).sum(-1), jnp.einsum("...j,...ij->...i", w, V / V[..., :1, :])


def _pencil_pairs(A, B):
    (alpha, beta), V = linalg.eig(A, B)
    mu = beta / alpha
    return (mu**2).sum(-1), jnp.einsum("...j,...ij->...i", mu, V / V[..., :1, :])


def _cubes(A):
    """tr A³."""
    return (linalg.eigvals(A) ** 3).sum(-1).real


def _plain_cubes(A):
    return jnp.trace(jnp.matmul(A, jnp.matmul(A, A)), axis1=-2, axis2=-1).real


def _conditions(A):
    return linalg.eigvals_cond(A).sum(-1)


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


def _oscillators():
    """Damped: all eigenvalues are simple."""
    K = np.array([[5.0, -2.0], [-2.0, 3.0]])
    C = np.array([[0.5, 0.25], [0.0, 1.0]])
    phases = np.diag([1, 1j])
    return {
        "distinct": (K, C, np.eye(2)),
        "complex": tuple(phases @ A @ phases.conj() for A in (K, C, np.diag([1.0, 2.0]))),
    }


def _delayed():
    A, B = np.array([[-5.0, 1.0], [2.0, -6.0]]), np.array([[-2.0, 1.0], [4.0, -1.0]])
    return {"real": (A, B), "complex": (A + 0j, B + 0.125j * np.eye(2))}


def _general():
    """Distinct eigenvalues, three of them within the unit circle."""
    T = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1)
    Q = (np.eye(4) - 0.5) * np.array([1.0, 2.0, 1.0, 0.5])[:, None]
    A = Q @ T @ np.diag([0.25, -0.5, 0.75, 3.0]) @ np.linalg.inv(Q @ T)
    phases = np.diag([1, 1j, -1, -1j])
    return {
        "distinct": A,
        "complex": phases @ A @ phases.conj() + 0.125j * np.diag([1.0, 0, -1, 0]),
        "batch": np.stack([A, A + np.eye(4)]),
    }


def _general_of_three():
    S = np.eye(3) + np.diag([1.0, 2.0], 1)
    return {
        "distinct": S @ np.diag([0.5, -1.0, 2.0]) @ np.linalg.inv(S),
        "complex pair": np.array([[1.0, 2.0, 0.0], [-2.0, 1.0, 1.0], [0.0, 0.0, 3.0]]),
        "complex": S @ np.diag([0.5j, -1.0, 2.0 + 1j]) @ np.linalg.inv(S),
    }


def _general_pencils():
    A = _general_of_three()["distinct"]
    return {
        "infinite": (A, np.diag([1.0, 2.0, 0.0])),
        "complex": (A + 0.25j * np.eye(3), A.T + 2j * np.eye(3)),
    }


def _half_stable():
    """Eigenvalues -1 and about -1, and 2 ± i."""
    S = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1)

    def similar(gap, coupling):
        J = np.diag([-1.0, -1.0 - gap, 2.0, 2.0])
        J[0, 1], J[2, 3], J[3, 2] = coupling, 1.0, -1.0
        return S @ J @ np.round(np.linalg.inv(S))

    return {
        "distinct": similar(0.5, 1.0),
        "defective": similar(0.0, 1.0),
        "close": similar(1e-9, 1.0),
    }


def _samples():
    X = np.diag([4.0, 4.0, 1.0])
    return {
        "repeated": np.concatenate([X, -X]),
        "distinct": np.concatenate([X, np.diag([1.0, 2.0, 3.0])]),
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
    Entry("eigh", _of_matrix, _distinct, reference=_plain),
    Entry("eigh subset", _smallest_line, _apart),
    Entry("eigh pencil", _of_pencil, _pencils),
    Entry("eigvalsh", linalg.eigvalsh, _distinct),
    Entry("eigvalsh_sum", _smallest_two, _split),
    Entry("svd", _of_rectangle, _apart_and_tall, reference=_plain_pairs),
    Entry("svd null space", _null_space, _apart_and_tall, reference=_beyond_range),
    Entry("svdvals", linalg.svdvals, _apart_and_tall, reference=_plain_svdvals),
    Entry("truncated_svd", _leading_pairs, _apart_and_tall),
    Entry("svd_projectors", _leading_two, _tall),
    Entry("best_rank", _nearest, _tall),
    Entry("pca", _components, _samples),
    Entry("eig", _general_pairs, _general_of_three),
    Entry("eig pencil", _pencil_pairs, _general_pencils),
    Entry("eigvals", _cubes, _general_of_three, reference=_plain_cubes),
    Entry("eigvals_cond", _conditions, _general_of_three),
    Entry("spectral_abscissa", linalg.spectral_abscissa, _general_of_three),
    Entry("spectral_radius", linalg.spectral_radius, _general_of_three),
    Entry("schur complex", _complex_form, _general, lowers=False),
    Entry("schur sorted", _stable_subspace, _half_stable, lowers=False),
    Entry("invariant_subspace", _within_unit_circle, _general),
    Entry("hessenberg", _tall_form, _general),
    Entry("eigsh", _partial_line, _apart),
    Entry("eigsh around a shift", _lines_at_a_shift, _distinct),
    Entry("svds", _leading_triplet, _apart_and_tall),
    Entry("polyeig", _of_polynomial, _oscillators),
    Entry("nonlinear_eig", _of_delay, _delayed),
    Entry("riesz_projector", _around_one, _jordan),
)

"""The catalogue of general eigenproblems."""

import jax.numpy as jnp
import numpy as np

from ... import linalg
from ._entry import Entry


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
    T, Z, *count = linalg.schur(A, sort="lhp")
    leading = jnp.arange(A.shape[-1]) < count[0][..., None]
    Q = jnp.where(leading[..., None, :], Z, 0)
    return jnp.matmul(Q, Q.mT), jnp.matmul(jnp.matmul(Q, T), Z.mT)


def _complex_form(A):
    return linalg.schur(A, "complex")


def _generalised_form(A, B):
    return linalg.qz(A, B, "complex")


def _within_unit_circle(A):
    return linalg.invariant_subspace(A, "iuc")


def _hessenberg_form(A):
    return linalg.hessenberg(A, calc_q=True)


def _general_pairs(A):
    """Sums over all pairs: their order is that of LAPACK."""
    w, V, *_ = linalg.eig(A)
    return (w**2).sum(-1), jnp.einsum("...j,...ij->...i", w, _scaled(V))


def _pencil_pairs(A, B):
    (alpha, beta), V, *_ = linalg.eig(A, B)
    mu = beta / alpha
    return (mu**2).sum(-1), jnp.einsum("...j,...ij->...i", mu, _scaled(V))


def _scaled(V):
    """Columns v with v_1 + v_2/2 + v_3/4 + ... = 1: no eigenvector of the inputs has 0 there."""
    weights = 0.5 ** jnp.arange(V.shape[-2], dtype=V.real.dtype)
    return V / (weights[:, None] * V).sum(-2, keepdims=True)


def _cubes(A):
    """tr A³."""
    return (linalg.eigvals(A) ** 3).sum(-1).real


def _plain_cubes(A):
    return jnp.trace(jnp.matmul(A, jnp.matmul(A, A)), axis1=-2, axis2=-1).real


def _conditions(A):
    return linalg.eigvals_cond(A).sum(-1)


def _around_one(A):
    return linalg.riesz_projector(A, 1.0, 1.0)


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
        "infinite": (A, np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0], [1.0, 0.0, 1.0]])),
        "complex": (A + 0.25j * np.eye(3), A.T + 2j * np.eye(3)),
    }


def _complex_pencils():
    """No turn of these is nearly as good as another: the order of eigenvalues stays nearby."""
    return {"distinct": _general_pencils()["complex"]}


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
    Entry("eig", _general_pairs, _general_of_three),
    Entry("eig pencil", _pencil_pairs, _general_pencils),
    Entry("eigvals", _cubes, _general_of_three, reference=_plain_cubes),
    Entry("eigvals_cond", _conditions, _general_of_three),
    Entry("spectral_abscissa", linalg.spectral_abscissa, _general_of_three),
    Entry("spectral_radius", linalg.spectral_radius, _general_of_three),
    Entry("schur complex", _complex_form, _general, lowers=False),
    Entry("qz", _generalised_form, _complex_pencils, lowers=False),
    Entry("schur sorted", _stable_subspace, _half_stable, lowers=False),
    Entry("invariant_subspace", _within_unit_circle, _general),
    Entry("hessenberg", _hessenberg_form, _general),
    Entry("polyeig", _of_polynomial, _oscillators),
    Entry("nonlinear_eig", _of_delay, _delayed),
    Entry("riesz_projector", _around_one, _jordan),
)

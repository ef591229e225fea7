"""The catalogue of determinants, norms and factorisations."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ... import linalg
from . import _dense_truth as truth
from . import _matrices
from ._entry import Entry


def _adjoint(A):
    return A.mT.conj()


def _hermitian(A):
    return (A + _adjoint(A)) / 2


def _some(inputs, *names):
    """The inputs of these names."""
    return lambda: {name: inputs()[name] for name in names}


def logdet_pos(A):
    """logdet, the Cholesky route."""
    return linalg.logdet(A, assume_a="pos")


def _plain_logdet(A):
    return jnp.linalg.slogdet(A)[1]


def _plain_logdet_pos(A):
    return _plain_logdet(_hermitian(A))


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


def norm_of_rows(x):
    """norm of every row, the Euclidean one."""
    return linalg.norm(x, axis=-1)


def ky_fan_norm(A):
    """ky_fan_norm of two singular values."""
    return linalg.ky_fan_norm(A, 2)


def schatten_norm(A):
    """schatten_norm, p = 3."""
    return linalg.schatten_norm(A, 3)


def qr_complete(A):
    """What is a function of A: the projector onto the range, by all of Q, and R."""
    Q, R = linalg.qr(A, "complete")
    rest = Q[..., A.shape[-1] :]
    return rest @ _adjoint(rest), R


def solve_pos(A, b):
    """solve, the Cholesky route."""
    return linalg.solve(A, b, assume_a="pos")


def _plain_norm(x):
    return jnp.sqrt((jnp.abs(x) ** 2).sum(-1))


def _singular_values(A):
    return jnp.linalg.svd(A, compute_uv=False)


def _plain_radius(A):
    """The largest of h(θ) = λ_max(H(θ)), by Newton's method in θ."""
    A = A.astype(jnp.result_type(A.dtype, jnp.complex64))

    def reach(t):
        return jnp.linalg.eigvalsh(_hermitian(jnp.exp(1j * t) * A))[..., -1]

    angles = jnp.linspace(0, 2 * jnp.pi, 512)
    best = lax.stop_gradient(angles[jnp.argmax(jax.vmap(reach)(angles))])
    for _ in range(3):  # in sight of derivatives: θ is a function of A
        best = best - jax.grad(reach)(best) / jax.grad(jax.grad(reach))(best)
    return reach(best)


def _plain_cholesky(A):
    return jnp.linalg.cholesky(_hermitian(A))


def _plain_lu(A):
    """Elimination, column by column."""
    L, U = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape), A
    for k in range(A.shape[-1] - 1):
        column = jnp.zeros_like(U[..., 0]).at[..., k + 1 :].set(U[..., k + 1 :, k])
        column = column / U[..., k, k, None]
        U = U - column[..., None] * U[..., k, None, :]
        L = L.at[..., k].add(column)
    return L, jnp.triu(U)


def _plain_ldl(A):
    L, U = _plain_lu(_hermitian(A))
    return L, jnp.diagonal(U, axis1=-2, axis2=-1).real


def _plain_qr_complete(A):
    Q, R = jnp.linalg.qr(A)
    identity = jnp.eye(A.shape[-2], dtype=A.dtype)
    return identity - Q @ _adjoint(Q), jnp.pad(R, ((0, A.shape[-2] - A.shape[-1]), (0, 0)))


def _plain_solve_pos(A, b):
    return jnp.linalg.solve(_hermitian(A), b)


def _plain_tridiagonal(d, e):
    return jnp.linalg.eigvalsh(jnp.diag(d) + jnp.diag(e, 1) + jnp.diag(e, -1))


def eigenvalues_tridiagonal(d, e):
    """eigh_tridiagonal, the eigenvalues."""
    return linalg.eigh_tridiagonal(d, e, eigvals_only=True)


def _tall():
    """4 x 3: the singular values are 2, 2, 1 or all but alike, and a scale."""
    rng = np.random.default_rng(10)
    Q = (np.eye(4) - 0.5)[:, [1, 2, 0]]
    return {
        "generic": rng.normal(size=(4, 3)),
        "repeated": Q * [2.0, 2.0, 1.0],
        "small": 1e-9 * rng.normal(size=(4, 3)),
        "complex": rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3)),
    }


def _definite():
    """4 x 4: generic, a multiple of I, badly scaled."""
    rng = np.random.default_rng(11)
    X, Y, D = *rng.normal(size=(2, 4, 4)), 10.0 ** np.array([-2, 1, 0, 2])
    A, z = X @ X.T / 4 + np.eye(4) / 2, X + 1j * Y
    return {
        "generic": A,
        "scalar": 2 * np.eye(4),
        "badly scaled": D[:, None] * A * D,
        "complex": z @ z.conj().T / 4 + np.eye(4),
    }


def _with_minors():
    """4 x 4 of leading minors that do not vanish: definite, indefinite, singular, and neither."""
    rng = np.random.default_rng(12)
    indefinite = np.array([[2.0, 1, 3, 0], [1, -1, 0, 2], [3, 0, 1, 1], [0, 2, 1, -3]])
    inputs = {"generic": rng.normal(size=(4, 4)) + 2 * np.eye(4), "indefinite": indefinite}
    return inputs | {k: _definite()[k] for k in ("scalar", "complex")}


def _hermitian_with_minors():
    return {k: _hermitian(A) for k, A in _with_minors().items()}


def _angled():
    """Matrices whose numerical range is farthest from 0 in one direction."""
    rng = np.random.default_rng(13)
    A = rng.normal(size=(2, 3, 3))
    inputs = {"generic": A[0] + 2 * np.eye(3), "defective": np.eye(3) + np.diag([1.0, 1.0], 1)}
    return inputs | {"small": 1e-9 * inputs["generic"], "complex": A[0] + 1j * A[1]}


def _rows():
    rng = np.random.default_rng(14)
    x = rng.normal(size=(3, 4))
    inputs = {"generic": x, "large and small": x * [[1e-200], [1.0], [1e200]]}
    return inputs | {"complex": x + 1j * rng.normal(size=(3, 4))}


def _with_two_columns(matrices):
    b = np.random.default_rng(15).normal(size=(4, 2))
    return lambda: {name: (A, b.astype(A.dtype)) for name, A in matrices().items()}


def _tridiagonal():
    d = np.array([1.0, 2.0, -1.0, 0.5])
    return {
        "generic": (d, np.array([0.5, -1.0, 0.3])),
        "equal diagonal": (np.ones(4), np.ones(3)),
        "close": (np.array([3.0, 1.0, 1.0, 3.0]), np.array([1.0, 1e-2, 1.0])),
        "small": (1e-9 * d, np.full(3, 1e-9)),
    }


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
    Entry("norm of rows", norm_of_rows, _rows, reference=_plain_norm),
    Entry(
        "ky_fan_norm 2",
        ky_fan_norm,
        _tall,
        reference=lambda A: _singular_values(A)[..., :2].sum(-1),
    ),
    Entry(
        "schatten_norm 3",
        schatten_norm,
        _tall,
        reference=lambda A: (_singular_values(A) ** 3).sum(-1) ** (1 / 3),
    ),
    Entry(
        "nuclear_norm",
        linalg.nuclear_norm,
        _tall,
        reference=lambda A: _singular_values(A).sum(-1),
    ),
    Entry(
        "spectral_norm",
        linalg.spectral_norm,
        _some(_tall, "generic", "small", "complex"),
        reference=lambda A: _singular_values(A)[..., 0],
    ),
    Entry("numerical_radius", linalg.numerical_radius, _angled, reference=_plain_radius),
    Entry("cholesky", linalg.cholesky, _definite, reference=_plain_cholesky),
    Entry("unpivoted_lu", linalg.unpivoted_lu, _with_minors, reference=_plain_lu),
    Entry("ldl", linalg.ldl, _hermitian_with_minors, reference=_plain_ldl),
    Entry("qr", linalg.qr, _tall, reference=jnp.linalg.qr),
    Entry("qr complete", qr_complete, _tall, reference=_plain_qr_complete),
    Entry("solve gen", linalg.solve, _with_two_columns(_with_minors), reference=jnp.linalg.solve),
    Entry("solve pos", solve_pos, _with_two_columns(_definite), reference=_plain_solve_pos),
    Entry(
        "eigh_tridiagonal eigenvalues",
        eigenvalues_tridiagonal,
        _tridiagonal,
        reference=_plain_tridiagonal,
    ),
)

"""Right rules of linear algebra: JAX's own and mcjax's."""

from functools import partial

import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jax import lax

from mcjax import linalg

from ._points import has_full_rank, has_gaps, is_spd, normal, spd
from ._rule import Rule

SPD = {"domain": is_spd}
GAPS = {"domain": has_gaps}
FULL_RANK = {"domain": has_full_rank}
S = spd(3)
DIFFERENT = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, -1.0]])


def symmetric(A):
    return (A + A.T) / 2


def top_projector(A):
    v = jnp.linalg.eigh(symmetric(A))[1][:, -1]
    return v[:, None] * v[None, :]


def least_squares(A, b):
    Q, R = jnp.linalg.qr(A)
    return jsl.solve_triangular(R, Q.T @ b)


def log_likelihood(S, x):
    L = jnp.linalg.cholesky(S)
    z = jsl.solve_triangular(L, x, lower=True)
    return -0.5 * z @ z - jnp.sum(jnp.log(jnp.diag(L)))


def gram_schmidt(A):
    q = A[:, 0] / jnp.sqrt(A[:, 0] @ A[:, 0])
    r = A[:, 1] - q * (q @ A[:, 1])
    return jnp.stack([q, r / jnp.sqrt(r @ r)], 1)


def rotation(w):
    """exp of a skew matrix by Rodrigues, with series around 0."""
    t = w @ w
    s = jnp.where(t < 0.25, 1.0, t)
    a = jnp.where(
        t < 0.25,
        1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72))),
        jnp.sin(jnp.sqrt(s)) / jnp.sqrt(s),
    )
    b = jnp.where(
        t < 0.25,
        0.5 - t / 24 * (1 - t / 30 * (1 - t / 56 * (1 - t / 90))),
        (1 - jnp.cos(jnp.sqrt(s))) / s,
    )
    K = jnp.cross(jnp.eye(3, dtype=w.dtype), jnp.broadcast_to(w, (3, 3)))
    return jnp.eye(3, dtype=w.dtype) - a * K + b * K @ K


def tridiagonal(d, b):
    off = jnp.full_like(d, -1.0)
    return lax.linalg.tridiagonal_solve(off.at[0].set(0.0), d, off.at[-1].set(0.0), b[:, None])


def by_lu(A):
    _, L, U = jsl.lu(A)
    return L, U


FACTORIZATIONS = (
    Rule("Cholesky factor with a domain", jnp.linalg.cholesky, (spd(4, seed=1),), SPD),
    Rule(
        "logdet by Cholesky", lambda A: 2 * jnp.sum(jnp.log(jnp.diag(jnp.linalg.cholesky(A)))), (S,)
    ),
    Rule("LU factors", by_lu, (np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 1.0], [-1.0, 0.5, 2.0]]),)),
    Rule("R of QR", lambda A: jnp.linalg.qr(A)[1], (normal(4, 3),), FULL_RANK),
    Rule("Q of QR", lambda A: jnp.linalg.qr(A)[0], (normal(3, 2),)),
    Rule("least squares by QR", least_squares, (normal(5, 2), normal(5, seed=1)), FULL_RANK),
    Rule("eigenvalues of a symmetric matrix", jnp.linalg.eigvalsh, (DIFFERENT,), GAPS),
    Rule("projector on the top eigenvector", top_projector, (DIFFERENT,), GAPS),
    Rule(
        "projector, nearly repeated eigenvalues",
        top_projector,
        (np.array([[1.0, 1e-3], [1e-3, 1.001]]),),
    ),
    Rule(
        "largest eigenvalue of a 2 × 2 matrix",
        lambda A: jnp.linalg.eigvalsh(A)[-1],
        (np.array([[1.0, 0.2], [0.2, -1.0]]),),
    ),
    Rule(
        "singular values",
        partial(jnp.linalg.svd, compute_uv=False),
        (normal(3, 2),),
        {"domain": lambda A: has_gaps(A.T @ A) & has_full_rank(A)},
    ),
    Rule(
        "eigenvalues of a general matrix",
        jnp.linalg.eigvals,
        (np.diag([1.0, 2.0, 4.0]) + 0.1 * normal(3, 3),),
        GAPS | {"order": 1},
    ),
)

SOLVES = (
    Rule("solve with many right sides", jnp.linalg.solve, (normal(3, 3), normal(3, 2))),
    Rule(
        "solve, positive definite",
        lambda A, b: jsl.solve(symmetric(A), b, assume_a="pos"),
        (S, normal(3)),
        SPD,
    ),
    Rule("batched solve", jnp.linalg.solve, (normal(2, 3, 3), normal(2, 3, 1))),
    Rule(
        "complex solve",
        jnp.linalg.solve,
        (normal(3, 3) + 1j * normal(3, 3, seed=1), normal(3) + 1j),
    ),
    Rule(
        "triangular solve",
        partial(jsl.solve_triangular, lower=True),
        (np.tril(normal(3, 3)) + 2 * np.eye(3), normal(3)),
    ),
    Rule(
        "tridiagonal solve",
        tridiagonal,
        (3.0 + np.arange(4.0), normal(4)),
        {"domain": lambda d, b: jnp.all(d > 2.1)},
    ),
    Rule(
        "pseudoinverse of full rank",
        jnp.linalg.pinv,
        (normal(3, 2),),
        FULL_RANK,
    ),
    Rule("Gaussian log likelihood", log_likelihood, (S, normal(3)), SPD),
    Rule("Gram-Schmidt", gram_schmidt, (normal(3, 2),), FULL_RANK),
    Rule(
        "ridge regression",
        lambda A, b, t: jnp.linalg.solve(A.T @ A + t * jnp.eye(2, dtype=A.dtype), A.T @ b),
        (normal(4, 2), normal(4), np.array(0.1)),
        {"domain": lambda A, b, t: t > 0},
    ),
)

FUNCTIONS = (
    Rule(
        "determinant",
        jnp.linalg.det,
        (normal(3, 3),),
        {"domain": lambda A: jnp.abs(jnp.linalg.det(A)) > 0.1},
    ),
    Rule("slogdet: sign and log", jnp.linalg.slogdet, (normal(3, 3),)),
    Rule("JAX's matrix exponential", jsl.expm, (normal(3, 3),)),
    Rule("matrix to the power -2", lambda A: jnp.linalg.matrix_power(A, -2), (S,), SPD),
    Rule("rotation by Rodrigues", rotation, (np.array([0.4, -0.2, 0.1]),)),
)

MCJAX = (
    Rule("expm", linalg.expm, (normal(3, 3),)),
    Rule("expm of a defective matrix", linalg.expm, (np.array([[1.0, 1.0], [0.0, 1.0]]),)),
    Rule(
        "expm, symmetric with repeated eigenvalues",
        partial(linalg.expm, hermitian=True),
        (np.eye(3),),
        {"reference": lambda A: jsl.expm(symmetric(A))},
    ),
    Rule("expm of norm 30", linalg.expm, (30 * np.array([[0.0, 1.0], [-1.0, 0.0]]),)),
    Rule("sqrtm", linalg.sqrtm, (S,), SPD),
    Rule(
        "sqrtm, nearly repeated eigenvalues",
        partial(linalg.sqrtm, hermitian=True),
        (np.diag([1.0, 1.0 + 1e-6, 2.0]),),
    ),
    Rule("logdet", linalg.logdet, (normal(3, 3),)),
    Rule("logdet, positive definite", partial(linalg.logdet, assume_a="pos"), (S,)),
    Rule("det of a singular matrix", linalg.det, (np.diag([1.0, 0.0, 0.0, 2.0]),)),
    Rule(
        "funm with repeated eigenvalues",
        lambda A: linalg.funm(A, jnp.tanh),
        (np.diag([1.0, 1.0, -0.5]),),
    ),
    Rule("log of a positive definite matrix", lambda A: linalg.funm(A, jnp.log), (S,)),
    Rule(
        "funm with a parameter",
        lambda A, t: linalg.funm(A, lambda x: jnp.exp(t * x)),
        (S, np.array(0.5)),
    ),
    Rule("Sylvester equation", linalg.solve_sylvester, (S, spd(2, seed=1), normal(3, 2))),
)

RULES = FACTORIZATIONS + SOLVES + FUNCTIONS + MCJAX

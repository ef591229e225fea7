"""Singular values and vectors, with NaN where a loss of them has no gradient.

The derivatives are those of `_singular`. They are audited as in `_eigh`, since (u_j, v_j)/√2 is an
eigenvector of [0, A; Aᴴ, 0] for σ_j. At a tie c > 0 they exist

    along E                if T_cc is a multiple of I, T the Hermitian part of Uᴴ E V;
    of a loss(U, σ, V)     if sk(Ūᵀ U + V̄ᵀ V)_cc = 0 off the diagonal, and σ̄ is constant on c.

At zero, o, the eigenvalues σ, -σ and the null space are tied, so that U_o and V_o turn on their own:

    along E                if Uᴴ E V and (I - U Uᴴ) E V vanish in the columns o;
    of a loss(U, σ, V)     if σ̄_o = 0,   sk(Ūᵀ U)_oo = sk(V̄ᵀ V)_oo = 0,   (I - U Uᴴ) conj(Ū_o) = 0.

The columns of U beyond n are a basis of the null space, of which only the span is defined: Ū₂ must
have sk(Ū₂ᵀ U₂) = 0.
"""

from itertools import accumulate, pairwise
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Float, Num

from ..._core._check import matrix
from ..._core._matmul import matmul, norm
from ..._core._shapes import Rectangle
from ..dense._qr import complete
from ._clusters import broken, cluster_mean, inside, relative, tied, vanishing
from ._decomposition import diagonal, embed
from ._native import native_primitive, zero
from ._singular import singular


class Svd(NamedTuple):
    """A = U[:, :k] diag(S) Vh[:k], k = min(m, n), S descending."""

    U: Num[Array, "*batch m _"]
    S: Float[Array, "*batch k"]
    Vh: Num[Array, "*batch _ n"]


def svd(A: Rectangle, full_matrices: bool = True, *, degenerate: str = "nan") -> Svd:
    """Singular value decomposition: NumPy's `svd`, with derivatives where they exist.

    Identity: A v_j = σ_j u_j, Aᴴ u_j = σ_j v_j;   D σ_j[E] = Re u_jᴴ E v_j.
    A tie is a chain of neighbours within eps^{2/3} ‖A‖ (4e-11 in double precision), zero among them;
    one elsewhere does not hurt a pair.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      full_matrices: U of (..., m, m) and Vh of (..., n, n), else k = min(m, n) columns and rows.
      degenerate: what a derivative is that depends on the basis chosen at a tie: "nan", or "project",
        the generalised gradient of least norm.

    Returns:
      (U, S, Vh). A loss that is not symmetric in tied singular values, or changes as their vectors
      are turned, has no gradient: NaN, however small the loss. Nor has one whose derivative in a
      vanishing singular value is not 0, or that changes as a basis of the null space is turned. Second
      derivatives that involve ties are NaN; `svdvals`, `best_rank`, `svd_function`, `svd_projectors`
      have them. Columns of U and Vᴴ have a common phase that is arbitrary: what depends on it has
      the derivative for which Im(u_jᴴ u̇_j + v_jᴴ v̇_j) = 0. NaN for a matrix that is not finite.

    Errors: eps ‖A‖ in S, eps ‖A‖ / gap in a vector. Cost: LAPACK's; a gradient 9 products more.
    Source: Kasim (2020), arXiv 2011.04366; Townsend, Differentiating the singular value decomposition
    (2016); Horn and Johnson, Matrix Analysis (2013), section 7.3.
    """
    if degenerate not in ("nan", "project"):
        raise ValueError(f"svd: degenerate must be 'nan' or 'project', got {degenerate!r}")
    A = matrix(A, "svd")
    m, n = A.shape[-2:]
    if m < n:
        V, s, Uh = svd(A.mT.conj(), full_matrices, degenerate=degenerate)
        return Svd(Uh.mT.conj(), s, V.mT.conj())
    if not n:
        I = jnp.broadcast_to(jnp.eye(m, dtype=A.dtype), (*A.shape[:-1], m))  # noqa: E741
        s = jnp.zeros_like(A.real, shape=(*A.shape[:-2], 0))
        return Svd(I if full_matrices else A, s, A.mT[..., :0])
    U, s, V, *probes = singular(A)
    U, s, V = _audited(U, s, V, probes, degenerate)
    if full_matrices and m > n:
        U2 = complete(U)[..., n:]
        U2 = audit_p.bind(U2, lax.stop_gradient(U2))[0] if degenerate == "nan" else U2
        U = jnp.concatenate([U, U2], -1)
    return Svd(U, s, V.mT.conj())


def _audited(U, s, V, probes, degenerate):
    """(U, s, V), whose derivatives at ties are those that exist."""
    U0, s0, V0 = lax.stop_gradient((U, s, V))
    same, none = tied(-s0), vanishing(s0)
    dead = none[..., :, None] & none[..., None, :]
    cuts = [1, *(X.shape[-2] for X in (U, V, *probes))]

    def packed(s, *rest):  # one array: JAX wants tangents of all parts, or of none
        return jnp.concatenate([s[..., None, :].astype(V.dtype), *rest], -2)

    def parts(X):
        pieces = [X[..., i:j, :] for i, j in pairwise(accumulate(cuts, initial=0))]
        return pieces[0][..., 0, :].real, *pieces[1:]

    def target(d):
        return jnp.where(none, 0, cluster_mean(d, same))

    def violation(d, size):
        return relative(jnp.abs(d - target(d)), size)

    alike = violation(s0, s0[..., :1])

    def forwards(_, moved):  # of tangents; and of values, of which T and M are zero: no change
        s, U, V, T, M = parts(moved)
        slopes = diagonal(T).real
        if degenerate == "project":
            return packed(s + target(slopes) - slopes, U, V, T, M)
        size, P = norm(M)[..., 0], matmul(U0.mT.conj(), M)
        turned = _largest(inside(T, same)) + _largest(jnp.where(dead, P, 0))
        turned = turned + jnp.where(none, _largest(M - matmul(U0, P)), 0)
        bad = broken(relative(turned, size), violation(slopes, size), alike, same)
        poison = jnp.where(bad, jnp.nan, 0).astype(s.dtype)
        column = poison[..., None, :].astype(V.dtype)
        return packed(s + poison, U + column, V + column, T, M)

    def backwards(_, cotangents):
        s, U, V, T, M = parts(cotangents)
        wanted = embed((target(s) - s).astype(T.dtype))
        if degenerate == "project":
            return packed(s, U, V, T + wanted, M)
        left, right = matmul(U.mT, U0), matmul(V.mT, V0)
        outside = jnp.where(none, _largest(U.conj() - matmul(U0, left.mT.conj())), 0)
        turned = _largest(inside(_skew(left + right), same)) + outside
        turned = turned + _largest(jnp.where(dead, jnp.abs(_skew(left)) + jnp.abs(_skew(right)), 0))
        bad = broken(
            relative(turned, (norm(U) + norm(V))[..., 0]),
            violation(s, jnp.abs(s).max(-1, keepdims=True)),
            alike,
            same,
        )
        return packed(s, U, V, T + embed(jnp.where(bad, jnp.nan, 0).astype(T.dtype)), M)

    x = packed(s, U, V, *probes)
    s, U, V, *_ = parts(lax.custom_linear_solve(lambda x: x, x, forwards, backwards))
    return U, s, V


def _skew(M):
    return M - M.mT.conj()


def _largest(X):
    return jnp.abs(X).max(-2)


def _examine(U2_bar, U2):
    """A cotangent, or NaN if the loss changes as the basis is turned."""
    M = matmul(U2_bar.mT, U2)
    rounding = 100 * U2.shape[-2] * jnp.finfo(U2.dtype).eps
    turned = jnp.abs(_skew(M)).max((-2, -1), keepdims=True, initial=0.0)
    return (jnp.where(turned > rounding * norm(U2_bar), jnp.nan, U2_bar),)


# The identity, whose transpose is an audit of the cotangent, though not of changes of a cotangent.
audit_p = native_primitive("audit_basis", lambda X, U2: (X,))
examine_p = native_primitive("examine_basis", _examine)


def _audit_jvp(primals, tangents):
    (X, U2), (moved, _) = primals, tangents
    return [X], [zero(X)] if type(moved) is ad.Zero else audit_p.bind(moved, U2)


def _examine_jvp(primals, tangents):
    (moved, _) = tangents
    return examine_p.bind(*primals), [zero(primals[0]) if type(moved) is ad.Zero else moved]


def _audit_transpose(cotangents, X, U2):
    (bar,) = cotangents
    return [bar if type(bar) is ad.Zero else examine_p.bind(bar, U2)[0], None]


ad.primitive_jvps[audit_p] = _audit_jvp
ad.primitive_jvps[examine_p] = _examine_jvp
ad.primitive_transposes[audit_p] = _audit_transpose

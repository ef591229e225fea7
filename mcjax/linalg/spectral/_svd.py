"""Singular values and vectors, with NaN where a loss of them has no gradient.

The derivatives are those of `_singular`. They are audited as in `_eigh`, since (u_j, v_j)/√2 is an
eigenvector of [0, A; Aᴴ, 0] for σ_j. At a tie c > 0 they exist

    along E                if T_cc is a multiple of I, T the Hermitian part of Uᴴ E V;
    of a loss(U, σ, V)     if sk(Uᵀ Ū + Vᵀ V̄)_cc = 0 off the diagonal, and σ̄ is constant on c.

At zero, o, the eigenvalues σ, -σ and the null space are tied, so that U_o and V_o turn on their own:

    along E                if Uᴴ E V and (I - U Uᴴ) E V vanish in the columns o;
    of a loss(U, σ, V)     if σ̄_o = 0,   sk(Uᵀ Ū)_oo = sk(Vᵀ V̄)_oo = 0,   (I - U Uᴴ) conj(Ū_o) = 0.

The columns of U beyond n are a basis of the null space, of which only the span is defined: Ū₂ must
have sk(U₂ᵀ Ū₂) = 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Float, Num

from ..._core._axes import align
from ..._core._check import matrix
from ..._core._matmul import matmul, norm, transposed_matmul
from ..._core._shapes import Rectangle
from ..dense._qr import complete
from ._clusters import (
    OFF,
    any_tied,
    broken,
    cluster_mean,
    inside,
    poison,
    relative,
    tied,
    vanishing,
)
from ._decomposition import diagonal, embed
from ._native import linear_pair, native_primitive, zero
from ._singular import factors, perturbation


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

    Errors: eps ‖A‖ in S, eps ‖A‖ / gap in a vector. Cost: LAPACK's; a gradient 4 products more, 5 if m > n.
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
    U, s, V, *_ = (nan_p if degenerate == "nan" else project_p).bind(A)
    if full_matrices and m > n:
        U2 = complete(U)[..., n:]
        U2 = audit_p.bind(U2, lax.stop_gradient(U2))[0] if degenerate == "nan" else U2
        U = jnp.concatenate([U, U2], -1)
    return Svd(U, s, V.mT.conj())


def _along(X, Y, T, E, U, V, s):
    """U̇, V̇ and T, NaN in the columns that do not exist, and Ȧ = E."""
    M = matmul(E, V)  # written as in `_singular`: XLA makes these products one
    P = matmul(U.mT.conj(), M)

    def audit():
        same, none, both = _ties(s)
        size = norm(M)[..., 0]
        turned = _largest(inside(T, same)) + _largest(jnp.where(both, P, 0))
        turned = turned + _outside(U, M, P, none)
        split = _split(diagonal(T).real, size, same, none)
        return broken(relative(turned, size), split, _alike(s), same)

    nan = poison(_any_tied(s), audit, T)
    return X + nan[..., None, :], Y + nan[..., None, :], T + embed(nan), E


def _of_loss(X, Y, T, E, U, V, s):
    """Cotangents of U̇, V̇, T and Ȧ, or NaN if there is no gradient."""
    left, right = transposed_matmul(U, X), transposed_matmul(V, Y)

    def audit():
        same, none, both = _ties(s)
        size, weights = (norm(X) + norm(Y))[..., 0], diagonal(T).real
        turned = _largest(inside(_skew(left + right), same)) + _outside(U.conj(), X, left, none)
        turned = turned + _largest(jnp.where(both, jnp.abs(_skew(left)) + jnp.abs(_skew(right)), 0))
        split = _split(weights, jnp.abs(weights).max(-1, keepdims=True), same, none)
        return broken(relative(turned, size), split, _alike(s), same)

    return X, Y, T + embed(poison(_any_tied(s), audit, T)), E


def _averaged(X, Y, T, E, U, V, s):
    """T, whose diagonal is the same over a cluster, and 0 at zero; the rest as it is."""
    same, none, _ = _ties(s)
    d = diagonal(T)
    return X, Y, T + embed(_expected(d, same, none) - d), E


def _ties(s):
    """Whether σ_i and σ_j are tied, whether σ_j is with zero, and whether both are."""
    none = vanishing(s)
    return tied(-s), none, none[..., :, None] & none[..., None, :]


def _any_tied(s):
    return any_tied(-s) | vanishing(s).any()


def _alike(s):
    same, none, _ = _ties(s)
    return _split(s, s[..., :1], same, none)


def _outside(U, X, P, columns):
    """The largest entries of (I - U Uᴴ) X, P = Uᴴ X, in some columns. Square U leave none."""
    if U.shape[-2] == U.shape[-1]:
        return jnp.zeros_like(columns, U.real.dtype)
    return jnp.where(columns, _largest(X - matmul(U, P)), 0)


def _expected(d, same, none):
    return jnp.where(none, 0, cluster_mean(d, same))


def _split(d, size, same, none):
    return relative(jnp.abs(d - _expected(d, same, none)), size)


def _skew(M):
    return M - M.mT.conj()


def _largest(X):
    return jnp.abs(X).max(-2)


def _audited(name, audit):
    """The decomposition twice, the first time with derivatives that are audited."""
    primitive = native_primitive(name, lambda A: 2 * factors(A, full_matrices=False))

    def jvp(primals, tangents):
        (A,), (E,) = primals, tangents
        *_, U, s, V = results = primitive.bind(A)
        if type(E) is ad.Zero:
            return results, tuple(map(zero, results))
        plain = perturbation(A, U, s, V, E)
        both = (audit.bind(*align(*plain, *lax.stop_gradient((U, V, s)))), plain)
        return results, [x for X, Y, T, _ in both for x in (X, diagonal(T).real, Y)]

    ad.primitive_jvps[primitive] = jvp
    return primitive


nan_p = _audited("svd", linear_pair("svd_audit", _along, _of_loss, 4))
project_p = _audited("svd_project", linear_pair("svd_average", _averaged, _averaged, 4))


def _examine(U2_bar, U2):
    """A cotangent, or NaN if the loss changes as the basis is turned."""
    M = matmul(U2.mT, U2_bar)
    rounding = OFF * U2.shape[-2] * jnp.finfo(U2.dtype).eps
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

"""Eigenvalues and eigenvectors of Hermitian matrices, with NaN where a loss of them has no gradient.

The derivatives are those of `_decomposition`: of a column through its own gaps alone. At a tie c they
are derivatives of the result only if they do not depend on the basis of the cluster (`_clusters`):

    along E            T_cc = (Vᴴ E V)_cc is a multiple of I;
    of a loss(w, V)    sk(V̄ᵀ V)_cc = 0 off the diagonal, and w̄ is constant on c.

Both are audited by an identity on (w, V, T) that is linear as JAX sees it: forwards it looks at T, in
reverse at the cotangents, and it adds NaN where they fail. The mean of w̄, or of the diagonal of T, and
no turn within a cluster is the generalised gradient of least norm: "project".
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from ..._core._check import hermitian_part, square
from ..._core._matmul import matmul, norm
from ..._core._shapes import Square
from ._clusters import broken, cluster_mean, inside, tied
from ._decomposition import decomposition, diagonal, embed


class Eigh(NamedTuple):
    """w ascending and V, one eigenvector a column."""

    eigenvalues: Num[Array, "*batch k"]
    eigenvectors: Num[Array, "*batch n k"]


def eigh(A: Square, *, subset: tuple[int, int] | None = None, degenerate: str = "nan") -> Eigh:
    """Eigenvalues and eigenvectors of a symmetric or Hermitian matrix.

    Identity: A = V diag(w) Vᴴ;   D w_i[E] = v_iᴴ E v_i,   D v_i[E] = Σ v_j v_jᴴ E v_i / (λ_i - λ_j).
    A tie is a chain of neighbours within eps^{2/3} ‖A‖ (4e-11 in double precision); one elsewhere does
    not hurt an eigenvector.

    Args:
      A: (..., n, n); (A + Aᴴ)/2 is used.
      subset: indices (lo, hi) of the eigenvalues wanted, both included.
      degenerate: what a derivative is that depends on the basis chosen at a tie: "nan", or "project",
        the generalised gradient of least norm.

    Returns:
      (eigenvalues (..., k), eigenvectors (..., n, k)). A loss that is not symmetric in tied
      eigenvalues, or changes as their basis is turned, has no gradient: NaN, however small the loss.
      Nor has a direction that splits a tie. Second derivatives that involve tied eigenvalues or
      vectors are NaN; `eigvalsh` and `spectral_projector` have them. NaN for a matrix not finite.
      Batches cut over a mesh whose axes are explicit are not supported; automatic axes are.

    Errors: eps ‖A‖ in w, eps ‖A‖ / gap in a vector.
    Cost: LAPACK's; a gradient takes 4 products more.
    Source: Magnus, On differentiating eigenvalues and eigenvectors (1985); Kasim, Derivatives of
    partial eigendecomposition of a real symmetric matrix for degenerate cases (2020), section 2.
    """
    if degenerate not in ("nan", "project"):
        raise ValueError(f"eigh: degenerate must be 'nan' or 'project', got {degenerate!r}")
    A = hermitian_part(square(A, "eigh"))
    n = A.shape[-1]
    lo, hi = (0, n - 1) if subset is None else subset
    if subset is not None and not 0 <= lo <= hi < n:
        raise ValueError(f"eigh: subset must be (lo, hi) with 0 <= lo <= hi < {n}, got {subset}")
    w, V, S = decomposition(A)
    if n:
        w, V = _audited(w, V, S, degenerate)
    return Eigh(w[..., lo : hi + 1], V[..., lo : hi + 1])


def _audited(w, V, S, degenerate):
    """(w, V), whose derivatives at ties are those that exist."""
    w0, V0 = lax.stop_gradient((w, V))
    same = tied(w0)

    def packed(w, V, T):  # one array: JAX wants tangents of all parts, or of none
        return jnp.concatenate([w[..., None, :].astype(V.dtype), V, T], -2)

    def parts(X):
        n = X.shape[-1]
        return X[..., 0, :].real, X[..., 1 : n + 1, :], X[..., n + 1 :, :]

    def forwards(_, moved):
        w, V, T = parts(moved)
        slopes = diagonal(T).real
        if degenerate == "project":
            return packed(w + cluster_mean(slopes, same) - slopes, V, T)
        bad = _broken(inside(T, same), slopes, norm(T)[..., 0], w0, same)
        poison = jnp.where(bad, jnp.nan, 0).astype(w.dtype)
        return packed(w + poison, V + poison[..., None, :].astype(V.dtype), T)

    def backwards(_, cotangents):
        w, V, T = parts(cotangents)
        if degenerate == "project":
            return packed(w, V, T + embed((cluster_mean(w, same) - w).astype(T.dtype)))
        M = matmul(V.mT, V0)
        size = jnp.abs(w).max(-1, keepdims=True)
        bad = _broken(inside(M - M.mT.conj(), same), jnp.zeros_like(w), norm(V)[..., 0], w0, same)
        bad |= _broken(jnp.zeros_like(M), w, size, w0, same)
        return packed(w, V, T + embed(jnp.where(bad, jnp.nan, 0).astype(T.dtype)))

    return parts(lax.custom_linear_solve(lambda x: x, packed(w, V, S), forwards, backwards))[:2]


def _broken(X, d, scale, w, same):
    """Whether X should vanish, or d be constant, on a cluster, and is not relative to the scale."""
    scale = jnp.where(scale > 0, scale, 1)
    off = jnp.abs(X).max(-2) / scale
    return broken(off, jnp.abs(d - cluster_mean(d, same)) / scale, w, same)

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

from ..._core._matmul import norm
from ..._core._shapes import Square
from ._clusters import (
    broken,
    cluster_mean,
    inside,
    relative,
    spread_violation,
    tied,
    turn_violation,
)
from ._decomposition import decomposition, diagonal, embed
from ._pencil import standard_form


class Eigh(NamedTuple):
    """w ascending and V, one eigenvector a column."""

    eigenvalues: Num[Array, "*batch k"]
    eigenvectors: Num[Array, "*batch n k"]


def eigh(
    A: Square,
    B: Square | None = None,
    *,
    type: int = 1,
    subset: tuple[int, int] | None = None,
    degenerate: str = "nan",
) -> Eigh:
    """Eigenvalues and eigenvectors of a Hermitian matrix, or of a pair of them, B positive definite.

    Identity: A = V diag(w) Vᴴ;   D w_i[E] = v_iᴴ E v_i,   D v_i[E] = Σ v_j v_jᴴ E v_i / (λ_i - λ_j).
    A tie is a chain of neighbours within eps^{2/3} ‖A‖ (4e-11 in double precision); one elsewhere does
    not hurt an eigenvector.

    Args:
      A: (..., n, n); (A + Aᴴ)/2 is used.
      B: (..., n, n), Hermitian and positive definite; the identity by default.
      type: 1 for A v = λ B v, 2 for A B v = λ v, 3 for B A v = λ v. Vectors have vᴴ B v = 1, of type
        3 vᴴ B⁻¹ v = 1.
      subset: indices (lo, hi) of the eigenvalues wanted, both included.
      degenerate: what a derivative is that depends on the basis chosen at a tie: "nan", or "project",
        the mean over all bases, which without B is the generalised gradient of least norm.

    Returns:
      (eigenvalues (..., k), eigenvectors (..., n, k)). A loss that is not symmetric in tied
      eigenvalues, or changes as their basis is turned, has no gradient: NaN, however small the loss.
      Nor has a direction that splits a tie. Second derivatives that involve tied eigenvalues or
      vectors are NaN; `eigvalsh` and `spectral_projector` have them. NaN for a matrix that is not
      finite, or a B that is not positive definite. `gauge_report` says what is wrong with a loss.
      Batches cut over a mesh whose axes are explicit are not supported; automatic axes are.

    Errors: eps ‖A‖ in w, eps ‖A‖ / gap in a vector; with B, times its condition number.
    Cost: LAPACK's; a gradient takes 4 products more; B a factorisation and 3 n³.
    Source: Magnus, On differentiating eigenvalues and eigenvectors (1985); Kasim, Derivatives of
    partial eigendecomposition of a real symmetric matrix for degenerate cases (2020), section 2.
    """
    if degenerate not in ("nan", "project"):
        raise ValueError(f"eigh: degenerate must be 'nan' or 'project', got {degenerate!r}")
    C, back = standard_form(A, B, type, "eigh")
    n = C.shape[-1]
    lo, hi = (0, n - 1) if subset is None else subset
    if subset is not None and not 0 <= lo <= hi < n:
        raise ValueError(f"eigh: subset must be (lo, hi) with 0 <= lo <= hi < {n}, got {subset}")
    w, V, S = decomposition(C)
    if n:
        w, V = _audited(w, V, S, degenerate)
    return Eigh(w[..., lo : hi + 1], back(V[..., lo : hi + 1]))


def _audited(w, V, S, degenerate):
    """(w, V), whose derivatives at ties are those that exist."""
    w0, V0 = lax.stop_gradient((w, V))
    same = tied(w0)
    alike = spread_violation(w0, same)

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
        size = norm(T)[..., 0]
        off = relative(jnp.abs(inside(T, same)).max(-2), size)
        spread = relative(jnp.abs(slopes - cluster_mean(slopes, same)), size)
        bad = broken(off, spread, alike, same)
        poison = jnp.where(bad, jnp.nan, 0).astype(w.dtype)
        return packed(w + poison, V + poison[..., None, :].astype(V.dtype), T)

    def backwards(_, cotangents):
        w, V, T = parts(cotangents)
        if degenerate == "project":
            return packed(w, V, T + embed((cluster_mean(w, same) - w).astype(T.dtype)))
        bad = broken(turn_violation(V, V0, same), spread_violation(w, same), alike, same)
        return packed(w, V, T + embed(jnp.where(bad, jnp.nan, 0).astype(T.dtype)))

    return parts(lax.custom_linear_solve(lambda x: x, packed(w, V, S), forwards, backwards))[:2]

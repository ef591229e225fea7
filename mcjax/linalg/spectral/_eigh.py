"""Eigenvalues and eigenvectors of Hermitian matrices, with NaN where a loss of them has no gradient.

The derivatives are those of `_decomposition`: of a column through its own gaps alone. At a tie c they
are derivatives of the result only if they do not depend on the basis of the cluster (`_clusters`):

    along E            T_cc = (Vᴴ E V)_cc is a multiple of I;
    of a loss(w, V)    sk(V̄ᵀ V)_cc = 0 off the diagonal, and w̄ is constant on c.

Both are audited by an identity on (T, V̇) that is linear as JAX sees it: forwards it looks at T, in
reverse at the cotangents, and it adds NaN where they fail. The mean of w̄, or of the diagonal of T, and
no turn within a cluster is the generalised gradient of least norm: "project". The equations of
`_decomposition` know nothing of audits, so that at every order a column is hurt by its own tie alone.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Num

from ..._core._axes import align
from ..._core._matmul import norm, transposed_matmul
from ..._core._shapes import Square
from ._clusters import (
    any_tied,
    broken,
    cluster_mean,
    inside,
    poison,
    relative,
    spread_violation,
    tied,
    turn_violation,
)
from ._decomposition import diagonal, embed, evaluate, perturbation
from ._native import linear_pair, native_primitive, zero
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
    Cost: LAPACK's; a gradient takes 3 products more; B a factorisation and 3 n³.
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
    w, V, *_ = (nan_p if degenerate == "nan" else project_p).bind(C)
    return Eigh(w[..., lo : hi + 1], back(V[..., lo : hi + 1]))


def _along(T, X, V, w):
    """T and V̇, NaN in the columns that do not exist."""

    def audit():
        same = tied(w)
        slopes, size = diagonal(T).real, norm(T)[..., 0]
        off = relative(jnp.abs(inside(T, same)).max(-2, initial=0.0), size)
        spread = relative(jnp.abs(slopes - cluster_mean(slopes, same)), size)
        return broken(off, spread, spread_violation(w, same), same)

    nan = poison(any_tied(w), audit, T)
    return T + embed(nan), X + nan[..., None, :]


def _of_loss(T, X, V, w):
    """Cotangents of T and V̇, or NaN if there is no gradient."""
    Y = transposed_matmul(V, X)  # written as in `_decomposition`: XLA makes the two products one

    def audit():
        same = tied(w)
        turn = turn_violation(Y, norm(X), same)
        spread = spread_violation(diagonal(T).real, same)
        return broken(turn, spread, spread_violation(w, same), same)

    return T + embed(poison(any_tied(w), audit, T)), X


def _averaged(T, X, V, w):
    """T, whose diagonal is the same over a cluster, and V̇."""
    d = diagonal(T)
    return T + embed(cluster_mean(d, tied(w)) - d), X


def _audited(name, audit):
    """The decomposition twice, the first time with derivatives that are audited."""
    primitive = native_primitive(name, lambda A: 2 * evaluate(A))

    def jvp(primals, tangents):
        (A,), (E,) = primals, tangents
        _, _, w, V = results = primitive.bind(A)
        if type(E) is ad.Zero:
            return results, tuple(map(zero, results))
        plain = perturbation(A, w, V, E)
        both = (audit.bind(*align(*plain, *lax.stop_gradient((V, w)))), plain)
        return results, [x for T, X in both for x in (diagonal(T).real, X)]

    ad.primitive_jvps[primitive] = jvp
    return primitive


nan_p = _audited("eigh", linear_pair("eigh_audit", _along, _of_loss, 2))
project_p = _audited("eigh_project", linear_pair("eigh_average", _averaged, _averaged, 2))

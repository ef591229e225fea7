"""Eigenvalues of Hermitian matrices, with the Hessians of their symmetric functions at ties.

    ẇ = diag(T), T = Vᴴ E V;      Ā = V diag(w̄) Vᴴ.

At a tie c the eigenvalues have one-sided derivatives only: along E, w_c moves by the eigenvalues of
T_cc, ascending (Rellich; Kato 1966, II.2), on the branch V' = V W of eigenvectors, W those of T_cc. A
function of w that treats equal eigenvalues alike is differentiable all the same (Lewis 1996):
w̄ is constant on c. Its gradient G = V diag(w̄) Vᴴ moves along E by

    Ġ = V' diag(w̄˙) V'ᴴ + Σ over i, j of no common cluster (w̄_i - w̄_j)/(λ_i - λ_j) T_ij v_i v_jᴴ,

in V' since there w̄˙ is the derivative along that branch (Lewis and Sendov 2001). So three maps are
sealed, each knowing the matrix that it belongs to: A ↦ w, (A, E) ↦ ẇ, and its transpose
(A, w̄, and E if it moves) ↦ G. The sum over other clusters is the derivative of V diag(w̄) Vᴴ with
the eigenvectors of `_decomposition`.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Num

from ..._core._axes import align
from ..._core._check import hermitian_part
from ..._core._matmul import matmul, norm
from ..._core._shapes import Square
from ._clusters import broken, has_twin, inside, labels, spread_violation, tied
from ._decomposition import decomposition, embed, undefined
from ._native import native_primitive, zero
from ._pencil import standard_form


def eigenvalues(A):
    """Those of a Hermitian A, ascending."""
    return values_p.bind(A)[0] if A.size else jnp.diagonal(A, axis1=-2, axis2=-1).real


def branch(w, V, E):
    """One-sided derivatives along E, ascending in every cluster, and the basis V' of the branch."""
    T = matmul(matmul(V.mT.conj(), E), V)
    c, same = labels(w), tied(w)
    twin = has_twin(same)
    diagonal = jnp.diagonal(T, axis1=-2, axis2=-1).real
    apart = 2 * norm(T)[..., 0] * c.astype(w.dtype)
    blocks = inside(T, same) + embed((diagonal + apart).astype(T.dtype))
    finite = jnp.isfinite(blocks).all((-2, -1), keepdims=True)
    moved, W = jnp.linalg.eigh(jnp.where(finite, blocks, 0))
    slopes = jnp.where(twin, moved - apart, diagonal)
    turned = jnp.where(twin[..., None, :], matmul(V, W), V)
    return jnp.where(finite[..., 0], slopes, jnp.nan), jnp.where(finite, turned, jnp.nan)


def _evaluate_values(A, *decomposed):
    if decomposed:
        return (decomposed[0],)
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    w = jnp.linalg.eigvalsh(jnp.where(finite, A, 0), symmetrize_input=False)
    return (jnp.where(finite[..., 0], w, jnp.nan),)


def _evaluate_push(A, w, V, E):
    return (branch(w, V, E)[0],)


def _evaluate_pull(A, w, V, weights, *moving):
    """V diag(weights) Vᴴ in the basis of the branch, or, without one, where all bases agree."""
    if moving:
        V = branch(w, V, *moving)[1]
    else:
        weights = audited(w, weights)
    return (matmul(V * weights[..., None, :].astype(V.dtype), V.mT.conj()),)


def audited(w, weights):
    """NaN where weights differ within a cluster."""
    same, constant = tied(w), lax.stop_gradient(weights)
    spread = spread_violation(constant, same)
    bad = broken(jnp.zeros_like(spread), spread, spread_violation(w, same), same)
    return weights + jnp.where(bad, jnp.nan, 0)


values_p = native_primitive("eigenvalues", _evaluate_values)
push_p = native_primitive("eigenvalue_slopes", _evaluate_push)
pull_p = native_primitive("eigenvalue_gradient", _evaluate_pull)


def _values_jvp(primals, tangents):
    A, *decomposed = primals
    E = tangents[0]
    if type(E) is ad.Zero:
        w = values_p.bind(A, *decomposed)
        return w, [zero(w[0])]
    w, V = decomposed or decomposition(lax.stop_gradient(A))
    return values_p.bind(A, w, V), push_p.bind(*align(A, w, V, E))


def _push_jvp(primals, tangents):
    A, w, V, E = primals
    F, _, _, dE = tangents
    slopes = push_p.bind(*primals)
    terms = [] if type(dE) is ad.Zero else push_p.bind(A, w, V, dE)
    if type(F) is not ad.Zero:
        terms = [*terms, _bend(A, w, E, F)]
    return slopes, [sum(terms[1:], terms[0]) if terms else zero(slopes[0])]


def _bend(A, w, E, F):
    """The second derivative of every eigenvalue along E and F; NaN at a tie."""

    def slopes(A):
        _, V = decomposition(A)
        return (V.conj() * matmul(E, V)).sum(-2).real

    return undefined(jax.jvp(slopes, (A,), (F,))[1], has_twin(tied(w)))


def _push_transpose(cotangents, A, w, V, E):
    (weights,) = cotangents
    if type(weights) is ad.Zero:
        return [None, None, None, ad.Zero(E.aval)]
    # JAX transposes without conjugates: Σ w̄_j v_jᴴ E v_j = Σ conj(V diag(w̄) Vᴴ) * E.
    return [None, None, None, pull_p.bind(*align(A, w, V, weights))[0].conj()]


def _pull_jvp(primals, tangents):
    A, w, V, weights, *_ = primals
    F, _, _, moved, *turned = tangents
    gradient = pull_p.bind(*primals)
    terms = []
    if type(moved) is not ad.Zero:
        direction = () if type(F) is ad.Zero or len(primals) > 4 else (F,)
        terms += pull_p.bind(*align(A, w, V, moved, *direction))
    if type(F) is not ad.Zero:
        terms.append(_turn(A, audited(w, weights), F))
    if any(type(E) is not ad.Zero for E in turned):  # another branch: the same where weights agree
        terms += pull_p.bind(*align(A, w, V, 0 * audited(w, weights)))
    return gradient, [sum(terms[1:], terms[0]) if terms else zero(gradient[0])]


def _turn(A, weights, F):
    """V diag(weights) Vᴴ along F, the weights equal in every cluster."""

    def gradient(A):
        _, V = decomposition(A)
        return matmul(V * weights[..., None, :].astype(V.dtype), V.mT.conj())

    return jax.jvp(gradient, (A,), (F,))[1]


def _pull_transpose(cotangents, A, w, V, weights, *moving):
    (G,) = cotangents
    none = [ad.Zero(E.aval) if ad.is_undefined_primal(E) else None for E in moving]
    if not ad.is_undefined_primal(weights):
        return [None, None, None, None, *none]
    if type(G) is ad.Zero:
        return [None, None, None, ad.Zero(weights.aval), *none]
    # Of the branch along G, if another was meant: their sums over a tie, which alone may be used
    # (`audited`), are those of any branch.
    slopes = push_p.bind(*align(A, w, V, hermitian_part(G.conj())))[0]
    return [None, None, None, slopes, *none]


ad.primitive_jvps[values_p] = _values_jvp
ad.primitive_jvps[push_p] = _push_jvp
ad.primitive_jvps[pull_p] = _pull_jvp
ad.primitive_transposes[push_p] = _push_transpose
ad.primitive_transposes[pull_p] = _pull_transpose


def eigvalsh(A: Square, B: Square | None = None, *, type: int = 1) -> Num[Array, "*batch n"]:
    """Eigenvalues of a Hermitian matrix, or of a pair of them, B positive definite: ascending.

    Identity: A = V diag(w) Vᴴ;   D w_i(A)[E] = v_iᴴ E v_i, and at a tie, for t > 0, the eigenvalues
    of V_cᴴ E V_c. A tie is a chain of neighbours within eps^{2/3} ‖A‖ (4e-11 in double precision),
    below which derivatives would be rounding.

    Args:
      A: (..., n, n); (A + Aᴴ)/2 is used.
      B: (..., n, n), Hermitian and positive definite; the identity by default.
      type: 1 for A v = λ B v, 2 for A B v = λ v, 3 for B A v = λ v.

    Returns:
      (..., n), real. At a tie, of losses that are symmetric in equal eigenvalues the gradient and the
      Hessian forward over reverse (`jax.hessian`) are exact. A gradient that differs within a tie does
      not exist: NaN, however small the loss. NaN as well: second derivatives of tied eigenvalues
      themselves, forward over forward and in reverse over forward; and in reverse over reverse the Hessian
      of a symmetric loss whose cotangents do not move alike within the tie, as those of Σ w³ do not and
      those of w̄ Σ w do.
      Smooth there in all modes: `eigvalsh_sum`, `funm`, `spectral_projector`. NaN for a matrix that is
      not finite, or a B that is not positive definite.

    Errors: eps ‖A‖ in w, with B times its condition number; that of the k-th derivative grows as the
    gap to the power -k.
    Cost: LAPACK's, without eigenvectors; with derivatives one decomposition with them, and 2 products
    for the gradient; B a factorisation and 2 n³.
    Source: Kato, Perturbation Theory for Linear Operators (1966), II.2; Lewis, Derivatives of spectral
    functions (1996); Lewis and Sendov, Twice differentiable spectral functions (2001).
    """
    return eigenvalues(standard_form(A, B, type, "eigvalsh")[0])

"""Eigenvalues of general matrices, with the derivatives of their symmetric functions at ties.

    ẇ_j = w_j E v_j;      dL = Σ G * E,   G = Wᵀ diag(w̄) Vᵀ,

with V and W = V⁻¹ of `_eigenpairs`. For L = Σ f(λ_j), w̄_j = f'(λ_j) and G is f'(A)ᵀ, whatever V is.

Semisimple ties c (`_multiplets`): along E, w_c moves by the eigenvalues of T_cc = W_c E V_c, on the
branch V' = V R of its eigenvectors (Lidskii 1966). Where w̄ is constant on c, G moves along E by

    Ġ = W'ᵀ diag(w̄˙) V'ᵀ + (d/dt) Wᵀ diag(w̄) Vᵀ,    the last with w̄ fixed, through other gaps alone.

A defective eigenvalue of m-th order moves as t^{1/m}: no derivative. But functions of its m values that
exchange does not change have one. Their f', f'', .. enter G, of which w̄ knows f' alone if the values
are equal. So they are the m eigenvalues of a matrix eps ‖A‖ away, about eps^{1/m} apart, and
Wᵀ diag(w̄) Vᵀ is the polynomial that interpolates w̄ there: f'(A)ᵀ to eps^{1/m}.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Num

from ..._core._axes import align
from ..._core._check import square
from ..._core._matmul import matmul, norm, row_minus_column
from ..._core._shapes import Square
from ._clusters import cluster_mean, has_twin, inside
from ._decomposition import diagonal, embed, undefined
from ._eigenpairs import eigenpairs, plain_eigenvalues, reflection, tied
from ._multiplets import is_defective, multiplets
from ._native import native_primitive, zero

_SPREAD = 1000  # w̄ of a smooth loss differs so much more than λ, both relative
_SMOOTH = 0.1  # and by no more than this


def eigenvalues(A, *pairs):
    """Those of a square A, in LAPACK's order, or in that of `eigenpairs` if they are given, or needed."""
    return values_p.bind(A, *pairs)[0]


def slopes_along(T, W, same):
    """The diagonal of T, and at semisimple ties the eigenvalues of T_cc."""
    turns = _semisimple(W, same)
    return lax.cond(turns.any(), lambda: _one_sided(T, same, turns), lambda: diagonal(T))


def _semisimple(W, same):
    return has_twin(same) & ~is_defective(W, same)


def _one_sided(T, same, turns):
    c = jnp.argmax(same, -1)  # the first of the multiplet: a number of it
    # A defective eigenvalue has a T of 1/√eps, which would cost the others their digits.
    blocks = inside(T, same & turns[..., None]) + embed(jnp.where(turns, diagonal(T), 0))
    apart = (4 * norm(blocks)[..., 0] * c.astype(T.real.dtype)).astype(T.dtype)
    blocks = blocks + embed(apart)
    moved = plain_eigenvalues(reflection(blocks)[1])
    # Those of one multiplet are next to each other, by c or by the real part of its block.
    mine = _rank(moved.real)[..., None, :] == _rank(c)[..., :, None]
    slopes = jnp.where(mine, moved[..., None, :], 0).sum(-1)
    slopes = slopes + cluster_mean(
        diagonal(T) - slopes, same
    )  # takes the shifts out, and keeps traces
    return jnp.where(turns, slopes, diagonal(T))


def _rank(x):
    """How many there are before x_i: smaller ones, and equal ones of smaller index."""
    y, x = x[..., None, :], x[..., :, None]
    earlier = row_minus_column(jnp.broadcast_to(x, jnp.broadcast_shapes(x.shape, y.shape))) > 0
    return ((y < x) | ((y == x) & earlier)).sum(-1)


def _evaluate_values(A, *pairs):
    if pairs:
        return (pairs[0],)
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    w = plain_eigenvalues(jnp.where(finite, A, jnp.zeros_like(A)))  # LAPACK loops on infinities
    return (jnp.where(finite[..., 0], w, jnp.nan),)


def _evaluate_push(A, w, V, W, E):
    same = multiplets(A, w, W)
    T = matmul(matmul(W, E.astype(V.dtype)), V)
    moves = (E != 0).any((-2, -1))[..., None]
    return (jnp.where(is_defective(W, same) & moves, jnp.nan, slopes_along(T, W, same)),)


def _evaluate_pull(A, w, V, W, weights, *moving):
    """(V diag(weights) W)ᵀ, or with a direction E that moves the weights, (V K W)ᵀ."""
    same = multiplets(A, w, W)
    if moving:
        weights = _none_defective(W, same, weights)
        T = matmul(matmul(W, moving[0].astype(V.dtype)), V)
        K = lax.cond(
            _semisimple(W, same).any(),
            lambda: _moved_core(T, W, same, weights),
            lambda: embed(weights),
        )
        left = matmul(V, K).mT
    else:
        weights = weights + jnp.where(_differ(A, w, same, weights), jnp.nan, 0)
        left = V.mT * weights[..., None]
    return (_product(W.mT, left, not jnp.iscomplexobj(A)),)


def _product(X, Y, real):
    """X Y, or its real part alone, at half of the price."""
    if not real:
        return matmul(X, Y)
    rows, columns = jnp.concatenate([X.real, -X.imag], -1), jnp.concatenate([Y.real, Y.imag], -2)
    return matmul(rows, columns)


def _moved_core(T, W, same, weights):
    """K: a T_cc + b I at semisimple ties, a and b such that w̄˙ = a ẇ + b; NaN where none are."""
    turns = _semisimple(W, same)
    slopes = slopes_along(T, W, same)
    unit = _size(jnp.where(turns, slopes, 0)).astype(T.dtype)  # squares may be out of range
    slopes, T = slopes / unit, T / unit[..., None]
    x, y = (d - cluster_mean(d, same) for d in (slopes, weights))
    square = cluster_mean(jnp.abs(x) ** 2, same).astype(x.dtype)
    a = cluster_mean(x.conj() * y, same) / jnp.where(square == 0, 1, square)
    b = cluster_mean(weights - a * slopes, same)
    rest = jnp.abs(weights - a * slopes - b) / _size(weights)
    bad = rest > float(jnp.finfo(rest.dtype).eps) ** 0.5
    d = jnp.where(turns, a * diagonal(T) + b + jnp.where(bad, jnp.nan, 0), weights)
    return inside(a[..., None] * T, same & turns[..., None]) + embed(d)


def _size(d):
    """max |d|, or 1 if that is 0."""
    size = jnp.abs(d).max(-1, keepdims=True, initial=0.0)
    return jnp.where(size > 0, size, 1)


def _differ(A, w, same, weights):
    """Whether weights on a multiplet are not those of a smooth symmetric function, (..., n)."""
    scale = norm(A)[..., 0]
    safe = jnp.where(scale > 0, scale, 1)
    mean = cluster_mean(weights, same)
    split, spread = (_largest(jnp.abs(x - cluster_mean(x, same)), same) for x in (w, weights))
    eps = w.shape[-1] * float(jnp.finfo(w.dtype).eps)
    allowed = jnp.minimum(_SPREAD * (split / safe + eps), _SMOOTH)
    # If f' vanishes at the multiplet, the weights are f'' times distances: it is taken for moderate.
    vanishes = (jnp.abs(mean) <= allowed * spread) & (spread <= _SPREAD * split)
    return (spread > allowed * _size(weights)) & ~vanishes & has_twin(same)


def _largest(x, same):
    return jnp.where(same, x[..., None, :], 0).max(-1, initial=0.0)


def _none_defective(W, same, weights):
    return jnp.where(is_defective(W, same) & (weights != 0), jnp.nan, weights)


values_p = native_primitive("general_eigenvalues", _evaluate_values)
push_p = native_primitive("general_eigenvalue_slopes", _evaluate_push)
pull_p = native_primitive("general_eigenvalue_gradient", _evaluate_pull)


def _values_jvp(primals, tangents):
    A, *pairs = primals
    E = tangents[0]
    if type(E) is ad.Zero:
        w = values_p.bind(A, *pairs)
        return w, [zero(w[0])]
    pairs = pairs or eigenpairs(lax.stop_gradient(A))[:3]
    return values_p.bind(A, *pairs), push_p.bind(*align(A, *pairs, E))


def _push_jvp(primals, tangents):
    A, w, V, W, E = primals
    F, _, _, _, dE = tangents
    slopes = push_p.bind(*primals)
    terms = [] if type(dE) is ad.Zero else push_p.bind(*align(A, w, V, W, dE))
    if type(F) is not ad.Zero:
        terms = [*terms, _bend(A, w, W, E, F)]
    return slopes, [sum(terms[1:], terms[0]) if terms else zero(slopes[0])]


def _bend(A, w, W, E, F):
    """The second derivative of every eigenvalue along E and F; NaN at a tie."""

    def slopes(A):
        _, V, W, _ = eigenpairs(A)
        return (W.mT * matmul(E.astype(V.dtype), V)).sum(-2)

    return undefined(jax.jvp(slopes, (A,), (F,))[1], has_twin(tied(A, w, W)))


def _push_transpose(cotangents, A, w, V, W, E):
    (weights,) = cotangents
    none = [None, None, None, None]
    if type(weights) is ad.Zero:
        return [*none, ad.Zero(E.aval)]
    return [*none, *pull_p.bind(*align(A, w, V, W, weights))]


def _pull_jvp(primals, tangents):
    A, w, V, W, weights, *_ = primals
    F, _, _, _, moved, *turned = tangents
    gradient = pull_p.bind(*primals)
    terms = []
    if type(moved) is not ad.Zero:
        direction = () if type(F) is ad.Zero or len(primals) > 5 else (F,)
        terms += pull_p.bind(*align(A, w, V, W, moved, *direction))
    if type(F) is not ad.Zero:
        terms.append(_turn(A, w, W, weights, F))
    if any(type(E) is not ad.Zero for E in turned):  # another branch: the same where weights agree
        terms += pull_p.bind(*align(A, w, V, W, 0 * weights))
    return gradient, [sum(terms[1:], terms[0]) if terms else zero(gradient[0])]


def _turn(A, w, W, weights, F):
    """Wᵀ diag(weights) Vᵀ along F, the weights equal in every multiplet."""
    weights = _none_defective(lax.stop_gradient(W), tied(A, w, W), weights)

    def gradient(A):
        _, V, W, _ = eigenpairs(A)
        G = matmul(W.mT * weights[..., None, :], V.mT)
        return G if jnp.iscomplexobj(A) else G.real

    return jax.jvp(gradient, (A,), (F,))[1]


def _pull_transpose(cotangents, A, w, V, W, weights, *moving):
    (G,) = cotangents
    none = [ad.Zero(E.aval) if ad.is_undefined_primal(E) else None for E in moving]
    if not ad.is_undefined_primal(weights):
        return [None, None, None, None, None, *none]
    if type(G) is ad.Zero:
        return [None, None, None, None, ad.Zero(weights.aval), *none]
    (slopes,) = push_p.bind(*align(A, w, V, W, G))
    if moving:  # those of a branch that is not known
        slopes = jnp.where(has_twin(tied(A, w, W)), jnp.nan, slopes)
    return [None, None, None, None, slopes, *none]


ad.primitive_jvps[values_p] = _values_jvp
ad.primitive_jvps[push_p] = _push_jvp
ad.primitive_jvps[pull_p] = _pull_jvp
ad.primitive_transposes[push_p] = _push_transpose
ad.primitive_transposes[pull_p] = _pull_transpose


def gradient_of(A, w, V, W, weights):
    """(V diag(weights) W)ᵀ, real for real A, with its derivatives; w, V and W are constants."""
    return pull_p.bind(*align(A, w, V, W, weights))[0]


def eigvals(A: Square) -> Num[Array, "*batch n"]:
    """Eigenvalues of a general matrix: NumPy's `eigvals`.

    Identity: D λ_j(A)[E] = y_jᴴ E x_j / (y_jᴴ x_j), of the right and the left eigenvector. A tie is a chain
    of eigenvalues within eps^{2/3} κ ‖A‖ (4e-11 in double precision where A is normal), κ the smaller of
    their condition numbers (`eigvals_cond`); a tie elsewhere does not hurt an eigenvalue.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (..., n), complex. Differentiated, those of a defective eigenvalue are eps^{1/m} apart, as an error
      eps ‖A‖ leaves them. At a tie:
      - Losses symmetric in the tied eigenvalues have right gradients. Where the tie has as many
        eigenvectors as eigenvalues, they and the Hessian forward over reverse (`jax.hessian`) are exact to
        rounding, and forward derivatives of the eigenvalues are the one-sided ones. Where it is defective
        of order m, the gradient is right to eps^{1/m}, and all other derivatives are NaN.
      - A loss that is not symmetric has no gradient: NaN. It is told by cotangents that differ more than a
        thousand times as the eigenvalues do, both relative to the largest; where all cotangents of the tie
        cancel, in absolute terms.
      - Second derivatives of tied eigenvalues themselves, and in reverse over reverse and reverse over
        forward also of symmetric losses of them: NaN.
      Smooth there in all modes: `charpoly`, `riesz_projector`, functions of matrices. NaN for a matrix
      that is not finite.

    Errors: κ_j eps ‖A‖ in λ_j; κ_j eps ‖A‖ over its distance to others, in the derivative.
    Cost: LAPACK's; with derivatives one decomposition with vectors, and a product for the gradient. On
    CUDA the vectors are LAPACK's too, on the host, since cuSOLVER has no left ones.
    Source: Kato, Perturbation Theory for Linear Operators (1966), II.1; Lidskii, USSR Comput. Math. Math.
    Phys. 6 (1966) 73; Moro, Burke and Overton, SIAM J. Matrix Anal. Appl. 18 (1997) 793.
    """
    A = square(A, "eigvals")
    if not A.size:
        return jnp.zeros(A.shape[:-1], np.result_type(A.dtype, "complex64"))
    return eigenvalues(A)

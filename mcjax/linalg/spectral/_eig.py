"""Eigenvalues and eigenvectors of general matrices, with NaN where a loss of them has no gradient.

The derivatives are those of `_eigenpairs`: of a column through its own gaps alone, in a scale that is an
analytic function of A. LAPACK's, length 1 and the largest entry real, is not: it is taken after that,

    v = x (x̄_k / |x_k|) / ‖x‖,    k where |x_k| is largest, as a constant,

and JAX differentiates it. The analytic part is one complex-linear map at every order.

At a tie c, derivatives of the computed columns are those of the result only if they do not depend on the
basis of the multiplet, which any invertible B turns, V_c → V_c B, W_c → B⁻¹ W_c:

    along E            T_cc = W_c E V_c is a multiple of I;
    of a loss(w, V)    (V̄ᵀ V)_cc = 0 off the diagonal, and w̄ is constant on c (`_eigvals`).

An identity on (V, T) that is linear as JAX sees it audits both: forwards it looks at T, in reverse at
the cotangent V̄, and it adds NaN where they fail. A defective eigenvalue has fewer eigenvectors than it
has columns here: derivatives of these are NaN.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex

from ..._core._check import square
from ..._core._matmul import matmul, norm
from ..._core._shapes import Square
from ._clusters import cluster_mean, has_twin, inside
from ._decomposition import diagonal, embed
from ._eig_pencil import turned
from ._eigenpairs import defective, eigenpairs, tied
from ._eigvals import eigenvalues
from ._multiplets import conditions

_OFF = 100  # times n eps: more is no rounding


class Eig(NamedTuple):
    """Eigenvalues, and eigenvectors in the columns of V."""

    eigenvalues: Any
    eigenvectors: Complex[Array, "*batch n n"]


class EigLeft(NamedTuple):
    """Eigenvalues, eigenvectors, and left eigenvectors in the columns of Y."""

    eigenvalues: Any
    eigenvectors: Complex[Array, "*batch n n"]
    left_eigenvectors: Complex[Array, "*batch n n"]


class Homogeneous(NamedTuple):
    """Eigenvalues λ = α/β of a pencil, |α|² + |β|² = 1."""

    alpha: Complex[Array, "*batch n"]
    beta: Complex[Array, "*batch n"]


def eig(A: Square, B: Square | None = None, *, left: bool = False) -> Eig | EigLeft:
    """Eigenvalues and eigenvectors of a general matrix, or of a pencil A x β = B x α.

    Identity: A V = V diag(w);  D λ_j[E] = y_jᴴ E x_j / (y_jᴴ x_j),  and, up to its scale,
    D x_j[E] = Σ x_i (y_iᴴ E x_j)/(y_iᴴ x_i)/(λ_j - λ_i). Pencil: A V diag(β) = B V diag(α).

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      B: none, or a matrix as A; singular ones too, whose infinite eigenvalues are those with β = 0.
      left: whether to return left eigenvectors Y too: Yᴴ A = diag(w) Yᴴ, or diag(β) Yᴴ A = diag(α) Yᴴ B.

    Returns:
      A named tuple (eigenvalues, eigenvectors), or (.., left_eigenvectors), all complex. Columns of V and Y
      have length 1, and their largest entry, of several the first, is real and positive; this scale is
      differentiated. A pencil has a pair of eigenvalues (alpha, beta), |α|² + |β|² = 1, the larger of them
      real and positive, and λ = α/β; all are NaN if det(A - λ B) = 0 for every λ.
      At a tie (`eigvals`) derivatives of the eigenvalues are those of `eigvals`. Eigenvectors: NaN unless
      they do not depend on the basis of the tie; this is told from the direction forwards, and in reverse
      from the cotangents of V and of Y, each for itself. A loss like V f(w) V⁻¹, for which the parts of w
      and V depend on the basis but not their sum, has NaN: use `expm`, `sqrtm` and others. Second
      derivatives of tied eigenvectors, and first ones if the tie is defective, are NaN. A tie elsewhere
      does not hurt an eigenpair. NaN for a matrix not finite.

    Errors: κ_j eps ‖A‖ in λ_j, and ‖S_j‖ eps ‖A‖ in x_j, S_j the reduced resolvent; those of a pencil
    times the condition number of the best of eight combinations c B + s A.
    Cost: LAPACK's, on CUDA by the host; a derivative takes about 12 products. Pencil: eight inverses more.
    Source: Magnus, On differentiating eigenvalues and eigenvectors (1985); Stewart and Sun, Matrix
    Perturbation Theory (1990), chapters V and VI; Watkins, A case where balancing is harmful (2006).
    """
    if B is None:
        w, V, W = raw_eig(square(A, "eig"), normalized)
        return EigLeft(w, V, W.mT.conj()) if left else Eig(w, V)
    pencil = turned(A, B, "eig")
    mu, V, W = raw_eig(pencil.quotient, normalized)
    pair = Homogeneous(*pencil.homogeneous(mu))
    if not left:
        return Eig(pair, V)
    Y = jnp.linalg.solve(pencil.C.mT.astype(W.dtype), W.mT) if W.size else W
    return EigLeft(pair, V, normalized(Y).conj())


def raw_eig(A, scaled=lambda X: X):
    """w, V and W = V⁻¹, columns and rows in a scale, with derivatives that are audited at ties."""
    if not A.size:
        empty = A.astype(np.result_type(A.dtype, "complex64"))
        return jnp.zeros_like(empty, shape=A.shape[:-1]), empty, empty
    w, V, W, T = eigenpairs(A)
    w0, V0, W0 = lax.stop_gradient((w, V, W))
    same = tied(A, w, W)
    bad = defective(W0, same)
    kappa = conditions(W0)
    V = _audited(V, T, V0, kappa, scaled, same, bad)
    W = _audited(W.mT, T, W0.mT, kappa, scaled, same, bad).mT
    return eigenvalues(A, w0, V0, W0), V, W


def _audited(V, T, V0, kappa, scaled, same, defective):
    """V scaled, whose derivatives at ties are those that exist."""
    n = V.shape[-1]
    rounding = _OFF * n * float(jnp.finfo(V.dtype).eps)
    twin = has_twin(same)

    def forwards(_, moved):
        V, T = jnp.split(moved, 2, -2)
        slopes = diagonal(T)
        off = jnp.abs(inside(T, same)).max(-2)
        off = jnp.maximum(off, jnp.abs(slopes - cluster_mean(slopes, same)))
        # Rounding of T_cc is κ_c ‖E‖, which is less than ‖T‖ where an eigenvalue is defective.
        size = kappa * (jnp.abs(T).max(-1) / kappa).max(-1, keepdims=True)
        bad = (off > rounding * size) | (defective & (T != 0).any((-2, -1))[..., None])
        return jnp.concatenate([V + _poison((same & bad[..., None, :]).any(-1) & twin, V), T], -2)

    def backwards(_, cotangents):
        V, T = jnp.split(cotangents, 2, -2)
        (X,) = jax.vjp(scaled, V0)[1](V)
        turns = jnp.abs(inside(matmul(X.mT, V0), same)).max(-1)
        bad = (turns > rounding * norm(X)[..., 0]) | (defective & (X != 0).any(-2))
        return jnp.concatenate(
            [V, T + embed(jnp.where(bad & twin, jnp.nan, 0).astype(T.dtype))], -2
        )

    packed = jnp.concatenate(
        [scaled(V), T], -2
    )  # one array: JAX wants tangents of all parts, or of none
    return lax.custom_linear_solve(lambda x: x, packed, forwards, backwards)[..., :n, :]


def _poison(bad, V):
    return jnp.where(bad, jnp.nan, 0).astype(V.dtype)[..., None, :]


def normalized(X):
    """Columns of length 1 whose largest entry is real and positive, of several the first."""
    if not X.size:
        return X
    size = lax.stop_gradient(jnp.abs(X))
    largest = size.max(-2, keepdims=True, initial=0.0)
    tolerance = float(jnp.finfo(X.dtype).eps) ** 0.5
    k = jnp.argmax(size >= (1 - tolerance) * largest, -2, keepdims=True)
    x = jnp.take_along_axis(X, k, -2)
    length = jnp.sqrt((X * X.conj()).real.sum(-2, keepdims=True))
    return X * (x.conj() / (jnp.abs(x) * length).astype(X.dtype))

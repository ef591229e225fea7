"""Singular values, with the Hessians of their symmetric functions at ties.

[0, A; Aᴴ, 0] has the eigenvalues ±σ_j with the eigenvectors (u_j, ±v_j)/√2, and zeros with the null space.
So what `_eigvalsh` knows of eigenvalues at ties holds for singular values, and zero is tied with -0:
there σ has one-sided derivatives, and a loss a gradient if its derivative in σ vanishes.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad
from jaxtyping import Array, Float

from ..._core._axes import align
from ..._core._check import matrix
from ..._core._shapes import Rectangle
from ..dense._largest_sum import dilation
from ._eigvalsh import push_p
from ._native import native_primitive, zero
from ._singular import factors


def svdvals(A: Rectangle) -> Float[Array, "*batch k"]:
    """Singular values, descending: SciPy's `svdvals`.

    Identity: D σ_j(A)[E] = Re u_jᴴ E v_j, and at a tie, for t > 0, the eigenvalues of the Hermitian
    part of U_cᴴ E V_c; at zero the singular values of U_oᴴ E V_o, null spaces on both sides. A tie is a
    chain of neighbours within eps^{2/3} ‖A‖ (4e-11 in double precision), zero among them.

    Args:
      A: (..., m, n), real or complex; integers are promoted.

    Returns:
      (..., min(m, n)). At a tie, of losses that are symmetric in equal values, and whose derivative
      vanishes in vanishing ones, the gradient and the Hessian forward over reverse (`jax.hessian`) are
      exact. A gradient that does not exist is NaN, however small the loss. NaN as well: second
      derivatives of tied values themselves, forward over forward and in reverse over forward, and the
      Hessian of a symmetric loss in reverse over reverse. Smooth or convex there in all modes:
      `schatten_norm`, `ky_fan_norm`, `best_rank`, `svd_function`. NaN for a matrix that is not finite.

    Errors: eps ‖A‖ in σ; that of the k-th derivative grows as the gap to the power -k.
    Cost: LAPACK's, without vectors; with derivatives one decomposition with all vectors, and products of
    size m + n. Forwards also an eigendecomposition of that size, which follows ties.
    Source: Horn and Johnson, Matrix Analysis (2013), section 7.3; Lewis and Sendov, Nonsmooth analysis
    of singular values (2005).
    """
    A = matrix(A, "svdvals")
    if A.shape[-2] < A.shape[-1]:
        A = A.mT.conj()
    if not A.shape[-1]:
        return jnp.zeros_like(A.real, shape=(*A.shape[:-2], 0))
    return values_p.bind(A)[0]


def _evaluate(A, *known):
    if known:
        return known
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    s = jnp.linalg.svd(jnp.where(finite, A, 0), compute_uv=False)
    return (jnp.where(finite[..., 0], s, jnp.nan),)


values_p = native_primitive("singular_values", _evaluate)


def _jvp(primals, tangents):
    A, *known = primals
    E = tangents[0]
    if type(E) is ad.Zero:
        s = values_p.bind(A, *known)
        return s, [zero(s[0])]
    s, w, Z = _of_dilation(lax.stop_gradient(A))
    slopes = push_p.bind(*align(dilation(A), w, Z, dilation(E)))[0]
    return values_p.bind(A, s), [slopes[..., : -A.shape[-1] - 1 : -1]]


ad.primitive_jvps[values_p] = _jvp


def _of_dilation(A):
    """σ, and the eigenvalues of [0, A; Aᴴ, 0], ascending, and its eigenvectors, from an SVD of A."""
    m, n = A.shape[-2:]
    U, s, V = factors(A, full_matrices=True)
    lower = jnp.pad(U[..., n:], [(0, 0)] * (A.ndim - 2) + [(0, n), (0, 0)])
    minus, plus = (jnp.concatenate([U[..., :n], sign * V], -2) / jnp.sqrt(2.0) for sign in (-1, 1))
    Z = jnp.concatenate([minus, lower, plus[..., ::-1]], -1).astype(A.dtype)
    none = jnp.zeros_like(s, shape=(*s.shape[:-1], m - n))
    return s, jnp.concatenate([-s, none, s[..., ::-1]], -1), Z

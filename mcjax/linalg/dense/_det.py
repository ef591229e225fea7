"""Determinant, with derivatives of every order at singular matrices.

det is linear in each singular value, so nothing needs to be divided. With A = U Σ Vᴴ and K = Uᴴ E V,

    det(A + Σ t_l E_l) = det(U) det(Vᴴ) det(Σ + Σ t_l K_l),

and the coefficient of t₁...t_k, which is D^k det(A)[E₁..E_k], is

    det(U) det(Vᴴ) Σ_{i₁..i_k} p(i₁..i_k) det [K_l[i_l, i_c]]_{l,c},    p = Π_{j not in i} σ_j.

At k = 1 this is tr(adj(A) E) with adj(A) = det(U) det(Vᴴ) V diag(p) Uᴴ, or, where A is well enough
conditioned, det(A) A⁻¹. The products p that leave indices out are products of ranges of the σ's, formed
without division. det is a scalar potential, so `_core._potential` needs no more.
"""

from dataclasses import dataclass
from itertools import combinations, permutations
from math import prod

import jax
import jax.numpy as jnp
from jax.scipy.linalg import lu_factor, lu_solve

from ..._core._check import square
from ..._core._matmul import matmul
from ..._core._potential import derivative
from ..._core._shapes import Scalar, Square
from ..._core._where_needed import where_needed


def det(A: Square) -> Scalar:
    """Determinant: NumPy's `det`, with right derivatives of every order at singular matrices.

    Identity: D det(A)[E] = tr(adj(A) E), and adj(A) is a polynomial in A: nothing is divided by
    det(A) or by singular values.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      det(A), (...). For large n it over- or underflows long before `logdet` does.

    Cost: an LU factorisation; the gradient another and an inverse, and an SVD if A is nearly
    singular; a derivative of order k one SVD and n^k products. Source: Stewart, On the adjugate
    matrix, Linear Algebra Appl. 283 (1998) 151.
    """
    A = square(A, "det")
    return derivative(Determinant(), A, dual=None)


@dataclass(frozen=True)
class Determinant:
    """Φ(A) = det A."""

    loops_on_data = True

    def derivative(self, point, directions, slots, dual):
        (A,) = point
        if not directions and dual is None:
            return jnp.linalg.det(A)
        if A.size == 0:
            return jnp.zeros_like(A, shape=A.shape if dual == 0 else A.shape[:-2])
        if len(directions) + (dual is not None) == 1:
            cofactors = jnp.vectorize(_cofactors, signature="(n,n)->(n,n)")(A)
            return cofactors if dual == 0 else (cofactors * directions[0]).sum((-2, -1))
        form, core = (_value, "()") if dual is None else (_gradient, "(n,n)")
        signature = ",".join(["(n,n)"] * (1 + len(directions))) + "->" + core
        return jnp.vectorize(form, signature=signature)(A, *directions)


def _cofactors(A):
    """The gradient: det(A) A⁻ᵀ, unless A is nearly singular."""
    # Of one factorisation: then the errors of the small pivot in det and inverse cancel (Stewart).
    factors, pivots = lu_factor(A)
    inverse = lu_solve((factors, pivots), jnp.eye(len(A), dtype=A.dtype))
    swaps = (pivots != jnp.arange(len(A), dtype=pivots.dtype)).sum()
    product = jnp.prod(jnp.diagonal(factors)) * (1 - 2 * (swaps % 2)).astype(A.dtype)
    info, size = jnp.finfo(A.dtype), jnp.abs(product)
    condition = jnp.abs(A).sum(0).max() * jnp.abs(inverse).sum(0).max()
    regular = (condition < info.eps**-0.5) & (size > info.tiny / info.eps) & (size < info.max / 2)
    return where_needed(~regular, _gradient, A, product * inverse.T)


def _value(A, *directions):
    """D^k det(A)[E₁..E_k]."""
    return _linear_form(A, directions[:-1])(directions[-1])


def _gradient(A, *directions):
    """The matrix G with D^{k+1} det(A)[E₁..E_k, E] = Σ G * E."""
    form = _linear_form(A, directions)
    return jax.vjp(form, A)[1](jnp.ones_like(A[0, 0]))[0]


def _linear_form(A, others):
    """E ↦ D^k det(A)[others, E]."""
    finite = jnp.isfinite(A).all()
    U, s, Vh = jnp.linalg.svd(jnp.where(finite, A, jnp.zeros_like(A)))  # LAPACK loops on infinities
    # Large and small singular values alternate, so that products of ranges stay in range.
    order = jnp.stack([jnp.arange(len(s)), jnp.arange(len(s))[::-1]], 1).ravel()[: len(s)]
    Uh, s, V = U.mT.conj()[order], s[order].astype(A.dtype), Vh.mT.conj()[:, order]
    # One factorisation, and not two at once: with few cores, jax 0.10 lets those wait for each other.
    weight = jnp.linalg.det(matmul(U, Vh)) * _products_without(s, 1 + len(others))
    weight = jnp.where(finite, weight, jnp.nan)
    fixed = [matmul(matmul(Uh, E), V) for E in others]
    return lambda E: (weight * _minors([*fixed, matmul(matmul(Uh, E), V)])).sum()


def _products_without(s, k):
    """The array p(i₁, ..., i_k) = Π s_j over all j but i₁..i_k; 0 where two of these agree.

    The minors vanish there, but for rounding, and n - k + 1 singular values would be left to blow it up.
    """
    n = len(s)
    start, stop = jnp.arange(n + 1)[:, None], jnp.arange(n)[None, :]
    products = jnp.cumprod(jnp.where(stop >= start, s[None, :], jnp.ones_like(s)[None, :]), 1)
    ranges = jnp.pad(products, ((0, 0), (1, 0)), constant_values=1)  # [a, b]: over a <= j < b
    indices = jnp.sort(jnp.stack(jnp.meshgrid(*[jnp.arange(n)] * k, indexing="ij")), 0)
    result, first = jnp.ones((n,) * k, s.dtype), jnp.zeros((n,) * k, int)
    for i in indices:
        result, first = result * ranges[first, i], i + 1
    distinct = (indices[1:] > indices[:-1]).all(0)
    return jnp.where(distinct, result * ranges[first, n], 0)


def _minors(K):
    """det [K_l[i_l, i_c]]_{l,c} at every i₁..i_k; it vanishes where two indices agree."""
    k, n = len(K), len(K[0])

    def entry(row, column):
        axes = {row, column}
        core = jnp.diagonal(K[row]) if row == column else K[row] if row < column else K[row].T
        return core.reshape([n if axis in axes else 1 for axis in range(k)])

    return sum(
        _sign(p) * prod(entry(row, column) for row, column in enumerate(p))
        for p in permutations(range(k))
    )


def _sign(p):
    return (-1) ** sum(a > b for a, b in combinations(p, 2))

"""Eigenpairs of matrix polynomials, (A₀ + λ A₁ + ... + λᵐ A_m) v = 0.

In homogeneous form Σ α^k β^{m-k} A_k v = 0, λ = α/β, an infinite eigenvalue is as good as any other. The
axes (α, β) are turned so that the leading coefficient, the polynomial at a point, can be inverted; of
eight points the one is taken where it is best conditioned. Block companion matrix then gives m n
pairs, each of which is refined, and differentiated, as the root of equations (`_bordered`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex

from ..._core._check import same_dtype, square
from ..._core._matmul import matmul, norm
from ..._core._power_of_two import size
from ..._core._shapes import Square
from ._bordered import differentiable, length, nan, only_if, polished, shown

_ANGLES = np.pi / 8 * np.arange(-3, 5)
_ROUNDING = 100  # times n eps ‖P‖ ‖v‖: a residual so small is zero
_INFINITE = 10  # times m n eps: β so small against α is zero


class PolyEig(NamedTuple):
    """Eigenvalues (..., m n) and eigenvectors, (..., n, m n), one a column."""

    eigenvalues: Complex[Array, "*batch k"]
    eigenvectors: Complex[Array, "*batch n k"]


def polyeig(*coefficients: Square) -> PolyEig:
    """All eigenpairs of (A₀ + λ A₁ + ... + λᵐ A_m) v = 0: MATLAB's `polyeig`.

    Identity: dλ = -Σ λ^k wᴴ (dA_k) v / wᴴ P'(λ) v, with wᴴ P(λ) = 0.

    Args:
      coefficients: A₀, A₁, ..., A_m, m >= 1, each (..., n, n), real or complex; batches broadcast.

    Returns:
      (eigenvalues (..., m n), eigenvectors (..., n, m n)), complex, in no particular order, as those
      of `eig`. Vectors have length 1 and a largest component that is real and positive. Eigenvalues
      are inf where A_m is singular. Derivatives in all coefficients exist in all modes and at every
      order; those of a pair are NaN where its eigenvalue is multiple, or infinite, and do not touch
      those of functions of the other pairs. NaN for a polynomial that is singular, det P(λ) = 0 for
      all λ.

    Errors: eps times the condition of the pair, after refinement. Cost: eigenpairs of an m n x m n
      matrix, and m n times 4 (n + 2)³ flops, for a gradient as much again.
    Source: Tisseur and Meerbergen, The quadratic eigenvalue problem, SIAM Review 43 (2001) 235; Fan, Lin
    and Van Dooren, SIAM J. Matrix Anal. Appl. 26 (2004) 252, for the scaling.
    """
    if len(coefficients) < 2:
        raise ValueError("polyeig: pass A0 and A1, or more coefficients, each (..., n, n)")
    given = same_dtype(*(square(A, "polyeig") for A in coefficients))
    coefficients = tuple(A.astype(np.result_type(A.dtype, "complex64")) for A in given)
    sizes = {A.shape[-1] for A in coefficients}
    if len(sizes) > 1:
        raise ValueError(f"polyeig: coefficients must have one size, got {sorted(sizes)}")
    m, n = len(coefficients) - 1, coefficients[0].shape[-1]
    if not n:
        batch = jnp.broadcast_shapes(*(A.shape[:-2] for A in coefficients))
        none = jnp.zeros((*batch, 0, 0), coefficients[0].dtype)
        return PolyEig(none.sum(-1), none)
    signature = ",".join(["(n,n)"] * (m + 1)) + "->(k),(n,k)"
    return PolyEig(*jnp.vectorize(jax.jit(_pairs), signature=signature)(*coefficients))


def _pairs(*coefficients):
    """Of one polynomial."""
    A = jnp.stack(coefficients)
    A0 = lax.stop_gradient(A)
    finite = jnp.isfinite(A0).all()
    A0 = jnp.where(finite, A0, 0)
    m, n = len(A) - 1, A.shape[-1]
    first, last = size(A0[0])[0, 0], size(A0[m])[0, 0]
    bounded = (A0[0] != 0).any() & (A0[m] != 0).any()
    gamma = jnp.where(bounded, first / last, 1) ** (1 / m)  # λ = γ α/β
    scaled = A * jnp.stack([gamma**k for k in range(m + 1)])[:, None, None]
    point, X = _start(lax.stop_gradient(scaled))
    A0 = lax.stop_gradient(scaled)
    sizes, eps = norm(A0), float(jnp.finfo(A.dtype).eps)

    def family(s, terms):
        return sum(s[0] ** k * s[1] ** (m - k) * terms[k] for k in range(m + 1))

    def pair(s, v):
        scale = jnp.squeeze(family(jnp.abs(s), sizes))
        unit = jnp.where(scale > 0, scale, 1).astype(v.dtype)
        s, v = polished(lambda s: family(s, A0), s, v, unit)
        residual = length(matmul(family(s, A0) / unit, v[:, None]))
        found = finite & (residual <= _ROUNDING * n * eps)
        infinite = jnp.abs(s[1]) <= _INFINITE * m * n * eps * jnp.abs(s[0])
        safe = jnp.where(found, s, 1)
        root = differentiable(lambda s: family(s, scaled), safe, v, scale, 1.0, found)
        value = _quotient(gamma, s, infinite, jnp.inf)
        moved = _quotient(gamma, root.s, infinite, root.s.sum())  # as does an infinite one
        both = only_if(root.simple, jnp.concatenate([moved[None], root.v]))
        both = jnp.concatenate([only_if(~infinite, both)[:1], both[1:]])
        return shown(jnp.where(found, jnp.concatenate([value[None], v]), nan(v.dtype)), both)

    pairs = jax.vmap(pair)(point, X)
    return pairs[:, 0], pairs[:, 1:].T


def _quotient(gamma, s, infinite, otherwise):
    """λ = γ α/β, where that is not infinite."""
    return jnp.where(infinite, otherwise, gamma * s[0] / jnp.where(infinite, 1, s[1]))


def _start(A):
    """(α, β) and v of all pairs, by the companion matrix in turned axes: (m n, 2) and (m n, n)."""
    m, n = len(A) - 1, A.shape[-1]
    turned = jnp.stack([_turned(A, angle) for angle in _ANGLES])
    lead = turned[:, m]
    condition = (norm(lead) * norm(jnp.linalg.inv(lead)))[:, 0, 0]
    best = jnp.argmin(jnp.where(jnp.isfinite(condition), condition, jnp.inf))
    A, angle = turned[best], jnp.asarray(_ANGLES, condition.dtype)[best]
    monic = jnp.linalg.solve(A[m], jnp.concatenate(A[m - 1 :: -1] if m > 1 else A[:1], -1))
    shift = jnp.eye((m - 1) * n, m * n, dtype=A.dtype)
    companion = jnp.concatenate([-monic, shift])
    finite = jnp.isfinite(companion).all()
    mu, Z = jnp.linalg.eig(jnp.where(finite, companion, 0))
    blocks = Z.T.reshape(m * n, m, n)
    X = jnp.where(jnp.abs(mu)[:, None] >= 1, blocks[:, 0], blocks[:, -1])
    length = jnp.sqrt(1 + jnp.abs(mu) ** 2).astype(mu.dtype)
    a, b = mu / length, 1 / length
    c, s = (f(angle).astype(mu.dtype) for f in (jnp.cos, jnp.sin))
    point = jnp.where(finite, jnp.stack([c * a - s * b, s * a + c * b], -1), jnp.nan)
    length = jnp.linalg.norm(X, axis=-1, keepdims=True).astype(X.dtype)
    return point, X / jnp.where(length == 0, 1, length)


def _turned(A, angle):
    """The coefficients in (a, b), with α = c a - s b, β = s a + c b."""
    c, s = np.cos(angle), np.sin(angle)
    m = len(A) - 1
    weights = np.zeros((m + 1, m + 1))
    for k in range(m + 1):
        form = np.array([1.0])
        for factor in [[c, -s]] * k + [[s, c]] * (m - k):
            form = np.convolve(form, factor)
        weights[:, k] = form[::-1]  # of a^j b^{m-j}
    return jnp.einsum("jk,kab->jab", weights.astype(A.dtype), A)

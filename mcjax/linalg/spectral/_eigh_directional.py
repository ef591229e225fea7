"""Eigenvalues and eigenvectors of A + t E for small t > 0: the branches into which a tie splits.

In the eigenvectors of A, H(t) = Λ + t T. As long as there is a block of equal eigenvalues in H(0):

    1. decouple it from the others, order by order: exp(-t^k G) H exp(t^k G), G_ij = H_k,ij / (λ_j - λ_i),
       has no term of order t^k between clusters;
    2. what is left in the block is λ I + t H'(t): diagonalise H'(0), and go on with H' (Kato's
       reduction process).

The eigenvalues of H'(0) are the slopes. A block that they do not split is split by the next order.
The basis is V W W' ..., and it starts to move along the sum of its generators of order t.
"""

from math import factorial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Num

from ..._core._check import hermitian_part, same_dtype, square
from ..._core._matmul import matmul, norm
from ..._core._power_of_two import size
from ..._core._shapes import Square
from ._clusters import has_twin, inside, labels, numbered, together
from ._decomposition import decomposition, diagonal, embed, forbid, inverse_gaps
from ._eigh import eigh


class EighDirectional(NamedTuple):
    """w, V and their derivatives for t > 0; and the order in t at which an eigenvalue is alone."""

    eigenvalues: Float[Array, "*batch n"]
    eigenvectors: Num[Array, "*batch n n"]
    eigenvalue_slopes: Float[Array, "*batch n"]
    eigenvector_slopes: Num[Array, "*batch n n"]
    order: Int[Array, "*batch n"]


def eigh_directional(A: Square, E: Square, *, order: int = 3) -> EighDirectional:
    """One-sided derivatives of eigenvalues and eigenvectors along E, where ties split.

    w(t) = w + t w' and V(t) = V + t V' are those of A + t E up to t², for t > 0, ascending. Vectors are
    those of the branch: at a tie they depend on E. -E gives the other side.

    Args:
      A, E: (..., n, n); the Hermitian parts are used.
      order: up to which order in t a tie is followed until it splits.

    Returns:
      w, V, w', V', and for each eigenvalue the order at which it is apart from all others: 0 if it is
      in A already, -1 if not up to `order`. There V is any basis of the tie, and V' is NaN.
      Derivatives exist in E, at ties that it splits up to `order` in that order; and in A, but for what
      moves a tie, in which the results jump: NaN.

    Errors: eps ‖A‖ over the gap at every order. Slopes closer than eps^{2/3} of their scale are equal.
    Cost: order + 1 eigendecompositions, and order³ products.
    Source: Kato, Perturbation Theory for Linear Operators (1966), II.2.3; van der Aa, ter Morsche and
    Mattheij, Electron. J. Linear Algebra 16 (2007) 300.
    """
    A, E = same_dtype(square(A, "eigh_directional"), square(E, "eigh_directional"))
    if A.shape != E.shape:
        raise ValueError(f"eigh_directional: A and E differ in shape, {A.shape} and {E.shape}")
    if order < 1:
        raise ValueError(f"eigh_directional: order must be 1 or more, got {order}")
    A, E = hermitian_part(A), hermitian_part(E)
    w, V = eigh(A)
    if not A.size:
        return EighDirectional(w, V, w, V, w.astype(int))
    unit = lax.stop_gradient(size(E) / size(A))  # powers of E may be out of range
    unit = jnp.where((unit != 0) & jnp.isfinite(unit), unit, jnp.ones_like(unit))
    E = E / unit
    cluster = labels(w)
    w, V = _fixed(w, _twin(cluster)), _fixed(V, _twin(cluster))
    T = matmul(matmul(V.mT.conj(), E), V)
    H = [embed(w).astype(A.dtype), T, *[jnp.zeros_like(T)] * order]
    alone = jnp.where(_twin(cluster), -1, 0)
    X, block, slopes = jnp.zeros_like(V), jnp.zeros_like(cluster), w
    sizes = [_size(h) for h in H]
    for level in range(order + 1):
        H, sizes, G = _decoupled(H, sizes, block, cluster)
        X = X + matmul(V, G)
        if level < order:
            d, W = _split(H[1], cluster)
            V, X = matmul(V, W), matmul(X, W)
            H = [embed(d).astype(V.dtype), *(matmul(matmul(W.mT.conj(), h), W) for h in H[2:])]
            sizes, block = sizes[1:], cluster
            cluster = _finer(cluster, d, sizes[0])
            slopes = slopes if level else d
            alone = jnp.where((alone < 0) & ~_twin(cluster), level + 1, alone)
    tied = alone < 0
    X = jnp.where(tied[..., None, :], jnp.nan, X) * unit
    slopes = _fixed(slopes, tied) * unit[..., 0].real
    return EighDirectional(w, _fixed(V, tied), slopes, X, alone)


def _fixed(x, tied):
    """x, (..., n) or (..., n, n), whose tied columns have no derivative but 0."""
    if x.ndim == tied.ndim:
        return _fixed(x[..., None, :], tied)[..., 0, :]
    fixed = lax.stop_gradient(x)
    return fixed + forbid(x - fixed, tied)


def _decoupled(H, sizes, block, cluster):
    """H(t) without what is between the clusters of a block, bounds of its terms, and G of order t."""
    d = diagonal(H[0]).real
    between = together(block) & ~together(cluster)
    K = inverse_gaps(d, ~between)
    first = jnp.zeros_like(H[0])
    for k in range(1, len(H)):
        G = jnp.where(between, K, 0).astype(H[0].dtype) * H[k]
        H = _conjugated(H, lambda x, G=G: matmul(x, G) - matmul(G, x), k)
        growth = 2 * _size(G)
        sizes = _conjugated(sizes, lambda s, growth=growth: growth * s, k)
        H[k] = jnp.where(between, 0, H[k])
        first = G if k == 1 else first
    return H, sizes, first


def _conjugated(series, bracket, k):
    """exp(t^k bracket) applied to a series in t, as far as it goes."""
    out = list(series)
    for start, term in enumerate(series):
        for m in range(1, (len(series) - 1 - start) // k + 1):
            term = bracket(term)
            out[start + m * k] = out[start + m * k] + term / factorial(m)
    return out


def _split(block, cluster):
    """Eigenvalues, ascending in every cluster, and eigenvectors of the blocks of a Hermitian matrix."""
    own = jnp.where(together(cluster), block, 0)
    size = _size(own)
    apart = 3 * jnp.where(size > 0, size, 1) * cluster.astype(size.dtype)
    d, W = decomposition(own + embed(apart).astype(own.dtype))
    return d - apart, inside(W, together(cluster)) + embed(diagonal(W))


def _size(X):
    """‖X‖, (..., 1), to compare with; it has no part in derivatives, which at X = 0 it has not."""
    return norm(lax.stop_gradient(X))[..., 0]


def _finer(cluster, d, size):
    """The clusters into which d splits."""
    least = jnp.finfo(d.dtype).eps ** (2 / 3) * size
    return numbered((jnp.diff(cluster) > 0) | (jnp.diff(d) > least))


def _twin(c):
    return has_twin(together(c))

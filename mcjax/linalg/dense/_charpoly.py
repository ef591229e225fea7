"""The characteristic polynomial, from determinants.

p(z) = det(z I - A) = zⁿ + c₁ zⁿ⁻¹ + ... + c_n. On the circle z = r ω^k, ω = e^{2πi/n}, where zⁿ = rⁿ,

    p(r ω^k) / rⁿ - 1 = Σ_j c_j r⁻ʲ ω^{-jk},    c_j = rʲ/n Σ_k ω^{jk} (p(r ω^k) / rⁿ - 1).

A sum of determinants, whose derivatives (`_det`) know of no eigenvalues: a multiple or defective one
is as good as any, and so is one on the circle. For real A, p(z̄) is the conjugate of p(z), and half
of the circle is enough. With r about the size of A, no power of r drowns the others; the size is
that of D⁻¹ A D, which has the same polynomial, with powers of two in D that make its rows about as
large as its columns (Osborne 1960).
"""

from functools import cache, partial

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..._core._check import square
from ..._core._evaluate import evaluate
from ..._core._matmul import row_minus_column
from ..._core._power_of_two import power_of_two
from ..._core._shapes import Square
from ._det import det

_SWEEPS = 20  # of balancing; each halves what is out of balance, or nearly so


def charpoly(A: Square) -> Array:
    """Coefficients of det(z I - A): NumPy's `poly` of a matrix, smooth at repeated eigenvalues.

    Identity: D c(A)[E] has the coefficients of the polynomial -tr(adj(z I - A) E).

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (..., n + 1), highest power first: 1, -tr A, ..., (-1)ⁿ det A; real for real A.

    Errors: in c_j about eps rʲ max |p(z)|/rⁿ over |z| = r, where r is the root mean square of A's
      singular values once its rows and columns are balanced. A coefficient far below rʲ keeps fewer
      digits: for det A alone take `det`.

    Cost: n complex determinants, half as many for real A; a derivative as many SVDs.
    Source: interpolation at roots of unity; Rehman and Ipsen, Computing characteristic polynomials
    from eigenvalues, SIAM J. Matrix Anal. Appl. 32 (2011) 90, on what the coefficients' errors are.
    """
    A = square(A, "charpoly")
    n = A.shape[-1]
    if n == 0:
        return jnp.ones_like(A, shape=(*A.shape[:-2], 1))
    real = not jnp.iscomplexobj(A)
    kind = np.result_type(A.dtype, "complex64")
    scales = jnp.vectorize(partial(evaluate, _scales), signature="(n,n)->(n),()")
    d, r = scales(lax.stop_gradient(A))
    r = r[..., None, None]
    A = A * d[..., None, :] / d[..., :, None]
    circle, transform = (jnp.asarray(x, kind) for x in _circle(n, real))
    scaled = (A / r).astype(kind)[..., None, :, :]
    values = det(jnp.broadcast_to(circle, (*A.shape[:-2], *circle.shape)) - scaled) - 1
    c = jnp.einsum("...k,kj->...j", values, transform, precision="highest")
    c = c.real if real else c
    powers = jnp.cumprod(jnp.broadcast_to(r[..., 0], c.shape), -1)
    return jnp.pad(powers * c, [(0, 0)] * (c.ndim - 1) + [(1, 0)], constant_values=1)


def _scales(A):
    """The diagonal of D, and r."""
    d = _balance(A)
    return d, _size(A * d[None, :] / d[:, None])


def _balance(A):
    """Powers of two d with rows of A_ij d_j / d_i about as large as its columns."""
    X = jnp.where(row_minus_column(A) == 0, 0, jnp.abs(A))

    def sweep(_, d):
        B = X * d[None, :] / d[:, None]
        rows, columns = B.sum(1), B.sum(0)
        both = (rows > 0) & (columns > 0) & jnp.isfinite(rows) & jnp.isfinite(columns)
        return d * jnp.where(both, rows / jnp.where(both, columns, 1), 1) ** 0.25

    d = lax.fori_loop(0, _SWEEPS, sweep, jnp.ones_like(X[0]))
    return power_of_two(jnp.round(jnp.log2(d)), d.dtype).astype(A.dtype)


def _size(A):
    """The power of two next to the root mean square of the singular values; 1 for A = 0."""
    largest = jnp.abs(A).max()
    scaled = jnp.abs(A) / jnp.where(largest > 0, largest, 1)
    size = largest * jnp.sqrt((scaled**2).sum() / len(A))
    exponent = jnp.round(jnp.log2(size))
    return power_of_two(jnp.where(jnp.isfinite(exponent), exponent, 0), size.dtype).astype(A.dtype)


@cache
def _circle(n, real):
    """The matrices ω^k I, and the weights ω^{jk}/n: for a real A, twice those above the real axis."""
    k = np.arange(n // 2 + 1 if real else n)[:, None]
    twice = np.where(real & (k > 0) & (2 * k < n), 2, 1)
    weights = twice / n * np.exp(2j * np.pi / n * (k * np.arange(1, n + 1) % n))
    return np.exp(2j * np.pi / n * k)[:, :, None] * np.eye(n), weights

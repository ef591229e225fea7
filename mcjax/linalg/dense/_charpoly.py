"""The characteristic polynomial, from determinants.

p(z) = det(z I - A) = zⁿ + c₁ zⁿ⁻¹ + ... + c_n. On the circle z = r ω^k, ω = e^{2πi/n}, where zⁿ = rⁿ,

    p(r ω^k) / rⁿ - 1 = Σ_j c_j r⁻ʲ ω^{-jk},    c_j = rʲ/n Σ_k ω^{jk} (p(r ω^k) / rⁿ - 1).

A sum of determinants, whose derivatives (`_det`) know of no eigenvalues: a multiple or defective one
is as good as any, and so is one on the circle. For real A, p(z̄) is the conjugate of p(z), and half
of the circle is enough.

The radius decides what rounding does: c_j is wrong by about eps rʲ max |p(z)|/rⁿ, |z| = r (Cauchy's
bound for c_j itself), at the best radius no more than the eigenvalues' own errors make it. Circles
of several radii are tried, and each c_j is taken from its best. On a circle |p| <= Π(r + σ_i), and
Π(1 + σ_i/r) = Σ_j e_j r⁻ʲ with the elementary symmetric polynomials of the singular values, whose
terms, as probabilities of j, have the mean m(r) = Σ_i σ_i / (r + σ_i) and a variance of at most
m (n - m) / n. So where the bound is attained, as for positive A, a radius serves the j near m(r), and
about √n radii, with m = n sin²θ at even steps of θ, serve all to within 1.5 standard deviations. The
σ_i are those of D⁻¹ A D, which has the same polynomial, with powers of two in D that make its rows
about as large as its columns (Osborne 1960).
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

_HALVINGS = 12  # of an interval of log r; two digits are plenty
_SWEEPS = 20  # of balancing; each halves what is out of balance, or nearly so


def charpoly(A: Square) -> Array:
    """Coefficients of det(z I - A): NumPy's `poly` of a matrix, smooth at repeated eigenvalues.

    Identity: D c(A)[E] has the coefficients of the polynomial -tr(adj(z I - A) E).

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (..., n + 1), highest power first: 1, -tr A, ..., (-1)ⁿ det A; real for real A.

    Errors: in c_j a small multiple of eps max |p(z)|/rⁿ⁻ʲ over |z| = r at the r where that is
      least, or one near it, of A with balanced rows and columns. Of a c_j far below it fewer digits
      are kept: for det A alone take `det`.

    Cost: about √n times n complex determinants, half as many for real A; a derivative as many SVDs.
    Source: interpolation at roots of unity; Rehman and Ipsen, Computing characteristic polynomials
    from eigenvalues, SIAM J. Matrix Anal. Appl. 32 (2011) 90, on what the coefficients' errors are.
    """
    A = square(A, "charpoly")
    n = A.shape[-1]
    if n == 0:
        return jnp.ones_like(A, shape=(*A.shape[:-2], 1))
    real = not jnp.iscomplexobj(A)
    kind = np.result_type(A.dtype, "complex64")
    scales = jnp.vectorize(partial(evaluate, _scales), signature="(n,n)->(n),(),(k),(k),(k)")
    d, size, r, t, leading = scales(lax.stop_gradient(A))
    A = A * d[..., None, :] / d[..., :, None] / size[..., None, None].astype(A.dtype)
    circle, transform = (jnp.asarray(x, kind) for x in _circle(n, real))
    circle = jnp.expand_dims(circle, tuple(range(A.ndim - 2)))  # to (..., k, n, n)

    def on_circle(x):
        A, *scales = x
        r, t = (x[..., None, None, None].astype(kind) for x in scales)
        return det((r * circle - A[..., None, :, :].astype(kind)) / t)

    # One after the other: the threads of many SVDs at once and those of each wait for one another.
    # Each with its own A, as JAX does not add up derivatives of a loop's constants on explicit meshes.
    r0, t0 = (jnp.moveaxis(x, -1, 0) for x in (r, t))
    values = lax.map(on_circle, (jnp.broadcast_to(A, (len(r0), *A.shape)), r0, t0))
    values = jnp.moveaxis(values, 0, -2)
    choose = jnp.vectorize(
        lambda *args: evaluate(_weights, *args)[0], signature="(k,m),(k),(k),(),(n)->(k,n)"
    )
    weights = choose(lax.stop_gradient(values), r, t, size, d)
    values = values - leading[..., None].astype(kind)
    c = jnp.einsum("...rk,kj->...rj", values, transform, precision="highest")
    c = c.real if real else c
    c = (jnp.where(weights == 0, 0, c) * weights.astype(c.dtype)).sum(-2)
    return jnp.pad(c, [(0, 0)] * (c.ndim - 1) + [(1, 0)], constant_values=1)


def _weights(values, r, t, size, d):
    """For every coefficient the factor of its best circle, and 0 for the others."""
    n = len(d)
    powers = _powers(r / t, n)
    factors = _powers(t * size, n)[:, 1:] / powers[:, -2::-1]
    errors = jnp.abs(values).max(1)[:, None] * factors
    best = jnp.arange(len(r))[:, None] == errors.argmin(0)[None, :]
    return (jnp.where(best, factors, 0),)


def _powers(x, n):
    """1, x, ..., xⁿ."""
    one_and = [jnp.ones_like(x)[..., None], jnp.repeat(x[..., None], n, -1)]
    return jnp.cumprod(jnp.concatenate(one_and, -1), -1)


def _scales(A):
    """The diagonal of D, the size of D⁻¹ A D, and in its units radii r, the scale t of r + σ, (r/t)ⁿ."""
    d = _balance(A)
    A = A * d[None, :] / d[:, None]
    size = _size(A)
    r, t = _radii(A / size.astype(A.dtype))
    return d, size, r, t, _powers(r / t, len(A))[:, -1]


def _radii(A):
    """r with m(r) = n sin²θ by bisection, and powers of two t with tⁿ about Π(r + σ_i)."""
    n, real = len(A), jnp.finfo(A.dtype).dtype
    finite = jnp.where(jnp.isfinite(A).all(), A, jnp.zeros_like(A))  # LAPACK loops on infinities
    s = jnp.linalg.svd(finite, compute_uv=False)
    s = jnp.maximum(s, 1 / n)[None, :]  # the mean square is about 1
    k = 2 * max(1, round(0.6 * n**0.5)) - 1  # odd: one of them is in the middle
    wanted = n * jnp.sin((jnp.arange(k, dtype=real) + 0.5) * (np.pi / 2 / k)) ** 2
    ends = (jnp.full(k, x, real) for x in (-1 - 2 * np.log2(n), 1 + np.log2(n)))

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        below = (s / (jnp.exp2(middle)[:, None] + s)).sum(1) > wanted  # m falls, so r is larger
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    r = jnp.exp2(lax.fori_loop(0, _HALVINGS, halve, tuple(ends))[0])
    t = power_of_two(jnp.round(jnp.log2(r[:, None] + s).mean(1)), real)
    return r, t


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
    return power_of_two(jnp.where(jnp.isfinite(exponent), exponent, 0), size.dtype)


@cache
def _circle(n, real):
    """The matrices ω^k I, and the weights ω^{jk}/n: for a real A, twice those above the real axis."""
    k = np.arange(n // 2 + 1 if real else n)[:, None]
    twice = np.where(real & (k > 0) & (2 * k < n), 2, 1)
    weights = twice / n * np.exp(2j * np.pi / n * (k * np.arange(1, n + 1) % n))
    return np.exp(2j * np.pi / n * k)[:, :, None] * np.eye(n), weights

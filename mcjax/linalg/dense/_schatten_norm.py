"""Norms of the singular values: Ky Fan's and Schatten's.

Both are traces of functions of the Hermitian H = [0, A; Aᴴ, 0], whose eigenvalues are ±σ and zeros:

    σ₁ + ... + σ_k = the sum of the k largest eigenvalues of H  (`_largest_sum`),
    Σ σ^p          = ½ tr |H|^p,    with the gradient f(H)/2, f(x) = p sign(x) |x|^{p-1}.

The derivatives of f(H) are sums over divided differences of f, right where singular values repeat.
Those of |x|^p at x = 0 end at order p, unless p is even, and so do those of Σ σ^p at a singular A.
"""

from dataclasses import dataclass
from functools import partial
from math import inf

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._check import matrix
from ..._core._matmul import norm
from ..._core._potential import derivative
from ..._core._power_of_two import size
from ..._core._shapes import Rectangle, Scalar
from ..functions._divided_differences import DividedDifferences
from ._euclidean import Norm, entries, euclidean
from ._largest_sum import LargestSum, dilation, spectral_form

_LARGE = 16  # powers up to it of √n are in range


def ky_fan_norm(A: Rectangle, k: int) -> Scalar:
    """σ₁ + ... + σ_k: the sum of the k largest singular values.

    Identity: D ky_fan_norm(A)[E] = Re Σ conj(U_k V_kᴴ) ∘ E, over the k leading singular pairs.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      k: 1 <= k <= min(m, n).

    Returns:
      (...), real, with exact derivatives of every order while σ_k > σ_{k+1} (at k = min(m, n): while
      A has full rank), however singular values repeat otherwise. At a tie σ_k = σ_{k+1}, to
      rounding, the gradient is the mean of the subgradients there, and its derivatives are NaN.

    Cost: the singular values; a gradient a thin SVD, a second derivative a full one, a third (m + n)³
    weights.
    Source: Fan, Proc. Nat. Acad. Sci. 37 (1951) 760; Overton and Womersley, Math. Prog. 62 (1993) 321.
    """
    A = matrix(A, "ky_fan_norm")
    if not 1 <= k <= min(A.shape[-2:]):
        raise ValueError(
            f"ky_fan_norm: k must be one of 1..{min(A.shape[-2:])} for matrices of shape "
            f"{A.shape[-2:]}, got {k!r}"
        )
    return _largest(A, k)


def nuclear_norm(A: Rectangle) -> Scalar:
    """Σ σ_i: the trace norm; its gradient at A = U Σ Vᴴ of full rank is conj(U Vᴴ).

    Args:
      A: (..., m, n), real or complex; integers are promoted.

    Returns:
      (...), real. Where A loses rank, to rounding, the gradient is the subgradient that is zero on
      the null spaces, and its derivatives are NaN.

    Cost and source: `ky_fan_norm`.
    """
    A = matrix(A, "nuclear_norm")
    return _largest(A, min(A.shape[-2:]))


def spectral_norm(A: Rectangle) -> Scalar:
    """σ₁ = max ‖A x‖ / ‖x‖; its gradient is conj(u₁ v₁ᴴ).

    Args:
      A: (..., m, n), real or complex; integers are promoted.

    Returns:
      (...), real. Where σ₁ repeats, to rounding, the gradient is the mean of the subgradients, and
      its derivatives are NaN.

    Cost and source: `ky_fan_norm`.
    """
    A = matrix(A, "spectral_norm")
    return _largest(A, min(1, *A.shape[-2:]))


def schatten_norm(A: Rectangle, p: float) -> Scalar:
    """(Σ σ_i^p)^{1/p}: the nuclear norm at p = 1, Frobenius' at 2, the spectral norm at infinity.

    Identity: the gradient is ‖A‖^{1-p} conj(U Σ^{p-1} Vᴴ).

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      p: at least 1, a Python number.

    Returns:
      (...), real, with exact derivatives where singular values repeat. Where A loses rank, to
      rounding, derivatives of order p or more do not exist unless p is even: NaN; the gradient
      always does (p = 1: `nuclear_norm`). At A = 0 it is the subgradient 0.

    Cost: the singular values; a gradient a thin SVD, a k-th derivative a full one and (m + n)^k divided
    differences. Source: Bhatia, Matrix Analysis (1997), section IV.2.
    """
    A = matrix(A, "schatten_norm")
    if not p >= 1:
        raise ValueError(f"schatten_norm: p must be a number >= 1 (below it is no norm), got {p!r}")
    if p == 2:
        return euclidean(entries(A))
    if p in (1, inf):
        return _largest(A, min(A.shape[-2:]) if p == 1 else min(1, *A.shape[-2:]))
    if not A.size:
        return jnp.zeros_like(A.real, shape=A.shape[:-2])
    return _Schatten(A.shape[-2], float(p)).of(A)


def _largest(A, k):
    if not A.size:
        return jnp.zeros_like(A.real, shape=A.shape[:-2])
    return derivative(LargestSum(k, A.shape[-2]), dilation(A), dual=None).real


@dataclass(frozen=True)
class _Schatten(Norm):
    p: float

    def value(self, A):
        unit = self._unit(lax.stop_gradient(A))
        powers = derivative(_PowerSum(self.p, self.rows), dilation(A / unit), dual=None).real
        return unit[..., 0, 0].real * powers ** (1 / self.p)

    def _unit(self, A):
        """A size of A in which powers of σ₁ are in range: between σ₁ and √n σ₁, and of large p σ₁."""
        unit = size(A)
        A = jnp.where(jnp.isfinite(A), A, 0) / unit
        largest = jnp.linalg.svdvals(A)[..., :1, None] if self.p > _LARGE else norm(A)
        return unit * jnp.where(largest > 0, largest, 1).astype(A.dtype)


@dataclass(frozen=True)
class _PowerSum:
    """Φ(H) = ½ tr |H|^p = Σ σ^p of a dilation."""

    p: float
    rows: int
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        return spectral_form(self, point[0], directions, dual)

    def value(self, x):
        return (jnp.abs(x) ** self.p).sum() / 2

    def unit(self, x):
        return jnp.ones_like(x[0])  # of a matrix in units

    def differences(self, x, order):
        """Of f(x)/2; NaN where |x|^p has no derivative of order + 1 at a zero singular value."""
        f = lambda x: self.p / 2 * _power(self.p - 1, True, x)  # noqa: E731
        singular = x[-min(self.rows, len(x) - self.rows)] <= len(x) * jnp.finfo(x.dtype).eps * x[-1]
        smooth = self.p % 2 == 0 or order + 1 < self.p or order == 0
        if order == 0:
            return jax.vmap(f)(x)
        indices = jnp.meshgrid(*[jnp.arange(len(x))] * (order + 1), indexing="ij")
        exact = DividedDifferences(f, x, order)(*indices)
        return exact if smooth else jnp.where(singular, jnp.nan, exact)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _power(q, odd, x):
    """|x|^q, times sign(x) if odd. 0 at 0 where that is infinite, which only null spaces ask for."""
    size = jnp.abs(x)
    power = jnp.where(size > 0, jnp.where(size > 0, size, 1) ** q, 1.0 if q == 0 else 0.0)
    return jnp.sign(x) * power if odd else power


@_power.defjvp
def _power_jvp(q, odd, primals, tangents):
    (x,), (dx,) = primals, tangents
    slope = q * _power(q - 1, not odd, x) if q else jnp.zeros_like(x)
    return _power(q, odd, x), slope * dx

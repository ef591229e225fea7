"""Functions of singular values: U f(Σ) Vᴴ, for any scalar function f.

F(A) is a block of f(H), H = [0, A; Aᴴ, 0], with f extended to an odd function (`_odd_function`). With
K = Uᴴ E V of a square A, and sym K, skew K its Hermitian and skew-Hermitian parts, that says

    D F(A)[E] = U (D⁻ ∘ sym K + D⁺ ∘ skew K) Vᴴ,    D^∓_ij = (f(σ_i) ∓ f(σ_j)) / (σ_i ∓ σ_j),

with f'(σ) in the limit: D⁻ is f[σ_i, σ_j] and D⁺ is f[σ_i, -σ_j]. Derivatives of U or V, which do not
exist where singular values repeat, are not needed.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from ..._core._check import matrix
from ..._core._shapes import Rectangle
from ..functions._divided_differences import DividedDifferences
from ..functions._funm import SpectralPotential, close
from ._odd_function import odd_function, open_form


def svd_function(A: Rectangle, f: Callable) -> Rectangle:
    """U f(Σ) Vᴴ of A = U Σ Vᴴ: singular values mapped, singular vectors kept.

    Soft thresholds f = max(σ - t, 0), clipped spectra min(σ, t), powers σ^p, polar factors f = 1.

    Identity: D F(A)[E] = U (f[σ_i, σ_j] ∘ sym K + f[σ_i, -σ_j] ∘ skew K) Vᴴ, K = Uᴴ E V (square A).

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      f: a scalar JAX function of a number σ >= 0, continued by f(-σ) = -f(σ). It may close over
        traced values; the result is differentiable in them too.

    Returns:
      (..., m, n), complex if A or f is. NaN where f is. Exact derivatives of every order at repeated
      and zero singular values, as far as the odd continuation of f has them there; at a kink of f
      (a threshold) they are what JAX makes of f. If f(0) is not 0, F jumps where A loses rank: the
      value is one of many there, and derivatives are NaN.

    Cost: one SVD; for a first derivative another, with four products and 24 values of f' for each pair
    of singular values; for the k-th, (m + n)^{k+1} divided differences, summed without storing them,
    where the larger of m and n counts as at most 2k + 1 times the smaller.

    Source: Noferini, SIAM J. Matrix Anal. Appl. 38 (2017) 434; Horn and Johnson, Topics in Matrix
    Analysis (1991), section 3.0.
    """
    A = matrix(A, "svd_function")
    function, parameters, out = close(f, jnp.finfo(A.dtype).dtype, "svd_function")
    with jax.numpy_dtype_promotion("standard"):
        A = A.astype(jnp.promote_types(A.dtype, out))
    return odd_function(_SingularPotential(function), A, *parameters)


class _SingularPotential(SpectralPotential):
    """tr G(H; θ) of H = [0, A; Aᴴ, 0], G' = f, the parameters as in `funm`."""

    def open_form(self, f, A, directions):
        return open_form(jax.vmap(f), partial(_differences, f), A, directions)


def _differences(f, s, x, order):
    """Those of the odd continuation of f; NaN if it jumps at 0 and an s is 0 to rounding."""
    jump = f(jnp.zeros_like(s[0])) != 0
    undefined = jump & (s[-1] <= len(s) * jnp.finfo(s.dtype).eps * s[0])

    def odd(x):
        y = f(jnp.where(x < 0, -x, x))
        return jnp.where(jump & (x == 0), 0.0, jnp.where(x < 0, -y, y))

    weights = DividedDifferences(odd, x, order)
    return lambda *indices: jnp.where(undefined, jnp.nan, weights(*indices))

"""The largest real part, and the largest modulus, of the eigenvalues of a general matrix.

max Re λ and max |λ| have the derivatives of the eigenvalue that attains them. Where several do, or one
that repeats m times, take their mean μ(A), a smooth function of A even if they are defective: since
max Re λ >= Re μ everywhere, and = at A, the gradient of Re μ is a subgradient. That of |μ| is one of max |λ|.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._check import square
from ..._core._matmul import norm
from ..._core._shapes import Scalar, Square
from ._clusters import cluster_mean, has_twin
from ._eigenpairs import eigenpairs, tied
from ._eigvals import eigenvalues, gradient_of

_TIE = 10  # times n eps ‖A‖: closer ones are tied


def spectral_abscissa(A: Square) -> Scalar:
    """The largest real part of an eigenvalue: A is stable, e^{tA} → 0, where it is negative.

    Identity: D α(A)[E] = Re y_jᴴ E x_j / (y_jᴴ x_j) where λ_j alone, or a conjugate pair, attains it.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (...), real; -inf at n = 0. Where several eigenvalues attain it to rounding (10 n eps ‖A‖), or one
      that repeats, the gradient is that of their mean, defective or not: a subgradient. Second
      derivatives do not exist there: NaN. NaN for a matrix not finite.

    Errors: those of `eigvals`. Cost: `eigvals`; with derivatives, one `eig` with left eigenvectors.
    Source: Burke and Overton, Variational analysis of non-Lipschitz spectral functions, Math. Prog. 90
    (2001) 317.
    """
    A = square(A, "spectral_abscissa")
    if not A.size:
        return jnp.full(A.shape[:-2], -jnp.inf, A.real.dtype)
    return _largest(jnp.real, jnp.ones_like, A)


def spectral_radius(A: Square) -> Scalar:
    """The largest modulus of an eigenvalue: Aᵏ → 0 where it is below 1.

    Identity: D ρ(A)[E] = Re (λ̄_j/|λ_j|) y_jᴴ E x_j / (y_jᴴ x_j), λ_j that of the largest modulus.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (...), real; 0 at n = 0. As `spectral_abscissa`; 0 is the gradient at a nilpotent A.

    Errors, cost and source: `spectral_abscissa`.
    """
    A = square(A, "spectral_radius")
    if not A.size:
        return jnp.zeros(A.shape[:-2], A.real.dtype)
    return _largest(jnp.abs, _direction, A)


def _direction(w):
    """w̄/|w|."""
    size = jnp.abs(w)
    return w.conj() / jnp.where(size > 0, size, 1).astype(w.dtype)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _largest(height, slope, A, *pairs):
    return height(eigenvalues(A, *pairs)).max(-1)


@_largest.defjvp
def _(height, slope, primals, tangents):
    A, *pairs = primals
    pairs = pairs or eigenpairs(lax.stop_gradient(A))[:3]
    G = _subgradient(height, slope, A, pairs)
    return _largest(height, slope, A, *pairs), (G * tangents[0]).real.sum((-2, -1))


def _subgradient(height, slope, A, pairs):
    """Gᵀ of the mean of the eigenvalues that attain the maximum."""
    w0, V, W = lax.stop_gradient(pairs)
    n = w0.shape[-1]
    h, rounding = height(w0), _TIE * n * float(jnp.finfo(w0.dtype).eps) * norm(A)[..., 0]
    same, rounding = tied(A, w0, W), lax.stop_gradient(rounding)
    attain = h >= h.max(-1, keepdims=True) - rounding
    attain = (same & attain[..., None, :]).any(-1)
    share = 1 / attain.sum(-1, keepdims=True).astype(w0.dtype)
    mean = cluster_mean(jnp.where(attain, eigenvalues(A, *pairs), w0), same)
    mean = jnp.where(jnp.abs(mean) <= rounding, 0, mean)
    weights = jnp.where(attain, share * slope(mean), 0)
    once = attain & (w0.imag >= 0) if not jnp.iscomplexobj(A) else attain
    kink = (attain & has_twin(same)).any(-1) | (once.sum(-1) > 1)
    return gradient_of(A, w0, V, W, weights) + _none_beyond(A, kink[..., None, None])


def _none_beyond(A, kink):
    """Zeros, whose derivative is NaN where there is a kink."""

    def poison(_, X):
        moves = (X != 0).any((-2, -1), keepdims=True)
        return jnp.where(kink & moves, jnp.nan, 0 * X)

    return lax.custom_linear_solve(lambda X: X, A - lax.stop_gradient(A), poison, poison)

"""The principal logarithm of a matrix.

    log z = 2 artanh(w),   w = (z - 1)/(z + 1),

and Cayley's w maps the right half-plane to the unit disc. Gauss-Legendre quadrature of
2 artanh(w) = ∫ w/(1 + t w) dt over [-1, 1] with 2q nodes ±ξ_j is the Padé approximant of log z,

    r(w) = w Σ 2 ω_j / (1 - ξ_j² w²) = w p(w²)/q(w²)

(Dieci, Morini & Papini 1996), even in w, so that W = (A - I)(A + I)⁻¹ and V = W² need two solves and
nine products. A - I is exact near I, so nothing is lost there: `log1pm` is the same algorithm, told
A - I.

With r(w) - 2 artanh(w) = Σ δ_j w^j, j > 4q, the relative error of r and of its derivative is at most
Σ j |δ_j| θ^{j-1} while ‖W^j‖^{1/j} <= θ. A matrix with a wider spectrum is first replaced by its
square root (`_sqrtm`), s times:

    log A = 2^s log(A^{1/2^s}),

inverse scaling and squaring (Kenney & Laub 1989) without a Schur form, which no GPU has. And
log A = log(A/c) + (log c) I, c a power of two, by which dividing is exact.

Derivatives: `mcjax._core._matrix_function`. D log(A)[E] = ∫₀¹ (I + t(A-I))⁻¹ E (I + t(A-I))⁻¹ dt.
"""

from functools import cache, partial, reduce
from math import log
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ..._core._check import hermitian_part, square
from ..._core._evaluate import evaluate
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import times_power_of_two
from ..._core._shapes import Square
from ._condition import branch_distance, funm_cond
from ._funm import funm
from ._growth import growth
from ._sqrtm import denman_beavers

# q, and θ for a tenth of the unit roundoff: the growth of powers is an estimate.
_DEGREE = {"float32": (4, 0.4553), "float64": (8, 0.4862)}
_MOST_ROOTS = 64  # the logarithm of the largest number is 2^10, that of a Jordan block's entry less


class LogmInfo(NamedTuple):
    """How `logm` or `log1pm` went.

    Attributes:
      roots: the square roots that were taken of A before its logarithm.
      branch_distance: the smallest π - |arg λ| of the eigenvalues λ of A, 0 if one is 0; where it is φ,
        errors grow like 1/φ, and below about √eps there is no number.
      condition: the relative condition number of the logarithm at A (`funm_cond`).
    """

    roots: Int[Array, "*batch"]
    branch_distance: Float[Array, "*batch"]
    condition: Float[Array, "*batch"]


def logm(
    A: Square, *, hermitian: bool = False, with_info: bool = False
) -> Square | tuple[Square, LogmInfo]:
    """Principal logarithm: exp(L) = A, eigenvalues of L in the strip |Im z| < π.

    Identity: D log(A)[E] = ∫₀¹ (I + t(A-I))⁻¹ E (I + t(A-I))⁻¹ dt.

    Args:
      A: (..., n, n), real or complex, no eigenvalue on the closed negative real axis.
      hermitian: A is symmetric or Hermitian, positive definite, and (A + Aᴴ)/2 is used. An
        eigenvalue 0 that rounding leaves positive counts as positive.
      with_info: return a `LogmInfo` too, at the cost of forty derivatives. It has none itself.

    Returns:
      log(A), of A's shape and dtype. NaN where there is no principal logarithm of that dtype:
      eigenvalues that are zero or negative (also for complex A, where the branch is undecided). A
      zero that rounding moved is what it became: the condition number says so.
      SciPy returns a complex logarithm of a real matrix with negative eigenvalues, on one side of the
      branch cut: rotate A off the cut for that.

    Errors: eps times the condition number; relative to log(A) also near I, where the entries of
      A - I are exact. Near the negative axis as `sqrtm`.

    Cost: nine products and two solves, and for each halving of a logarithm larger than one a square
    root; a gradient three times that. Source: Higham, Functions of Matrices (2008), chapter 11.
    """
    A = square(A, "logm")
    L = _of_hermitian(A) if hermitian else matrix_function(logarithm, A)
    return (L, _info(logm, A, 0.0, hermitian)) if with_info else L


def log1pm(
    X: Square, *, hermitian: bool = False, with_info: bool = False
) -> Square | tuple[Square, LogmInfo]:
    """log(I + X), accurate for small X.

    Identity: D log1p(X)[E] = ∫₀¹ (I + tX)⁻¹ E (I + tX)⁻¹ dt.

    Args:
      X: (..., n, n), real or complex, no eigenvalue on the real axis at or below -1.
      hermitian: X is symmetric or Hermitian, and (X + Xᴴ)/2 is used.
      with_info: return a `LogmInfo` too: of I + X, but for the condition, which is log1p's at X.

    Returns:
      log(I + X), with an error relative to X, however small; otherwise as `logm`.
    """
    X = square(X, "log1pm")
    L = funm(X, jnp.log1p, hermitian=True) if hermitian else matrix_function(_log1pm, X)
    return (L, _info(log1pm, X, 1.0, hermitian)) if with_info else L


def _info(function, X, shift, hermitian):
    X = lax.stop_gradient(hermitian_part(X) if hermitian else X)
    A = add_diagonal(X, shift)
    no_roots = hermitian or A.size == 0
    roots = jnp.zeros(A.shape[:-2], "int32") if no_roots else evaluate(_roots, A)[0]
    return LogmInfo(roots, branch_distance(A), funm_cond(partial(function, hermitian=hermitian), X))


def _roots(A):
    _, theta = _DEGREE[jnp.finfo(A.dtype).dtype.name]
    scaled = times_power_of_two(A, -_exponent(A))
    return (_take_roots(add_diagonal(scaled, -1.0), theta, 0)[0][..., 0, 0].astype("int32"),)


def _of_hermitian(A):
    """log(A/c) + log(c) I, where no product of directions of A's size leaves the range of numbers."""
    if A.size == 0:
        return A
    k = _exponent(lax.stop_gradient(A))
    L = funm(times_power_of_two(A, -k), jnp.log, hermitian=True)
    return add_diagonal(L, k * log(2))


def logarithm(A, order):
    """log A and, in `order` derivatives of this, its derivatives."""
    return _logarithm(A, lambda A: add_diagonal(A, -1.0), order)


def _log1pm(X, order):
    return _logarithm(add_diagonal(X, 1.0), lambda _: X, order)


def _logarithm(A, minus_one, order):
    """log A; `minus_one` is A ↦ A - I for an A that is not scaled."""
    if A.size == 0:
        return A
    q, theta = _DEGREE[jnp.finfo(A.dtype).dtype.name]
    k = _exponent(lax.stop_gradient(A))
    D = jnp.where(k == 0, minus_one(A), add_diagonal(times_power_of_two(A, -k), -1.0))
    s, D = _take_roots(D, theta, order)
    artanh = partial(_by_nodes if order else _by_polynomials, q)
    # In a branch of its own it shares nothing with the loop before it: less is alive at a time.
    L = lax.cond(jnp.any(jnp.isfinite(D)), lambda D: artanh(_cayley(D)), lambda D: D * jnp.nan, D)
    return add_diagonal(times_power_of_two(L, s), k * log(2))


def _exponent(A):
    """k with 2^k close to the middle of the spectrum: its mean, or if that is small, its size."""
    n = A.shape[-1]
    mean = jnp.trace(A, axis1=-2, axis2=-1).real[..., None, None] / n
    size = jnp.abs(A).max((-2, -1), keepdims=True)
    root_mean_square = size * jnp.sqrt(((jnp.abs(A) / size) ** 2).sum((-2, -1), keepdims=True) / n)
    k = jnp.round(jnp.log2(jnp.maximum(mean, root_mean_square / 2)))
    return jnp.where(jnp.isfinite(k), k, 0.0)


def _take_roots(D, theta, order):
    """s, and R - I for the 2^s-th root R of I + D whose Cayley transform has small powers."""

    def is_far(D):
        truncation, rounding = growth(_cayley(lax.stop_gradient(D)))
        return (truncation > theta) | (rounding > 1.0)

    def halve(state):
        k, s, D, far = state
        chosen = partial(jnp.where, far) if D.ndim > 2 else lambda new, _: new  # one alone is far
        R = denman_beavers(add_diagonal(chosen(D, jnp.zeros_like(D)), 1.0), order)
        D = chosen(add_diagonal(R, -1.0), D)
        return k + 1, jnp.where(far, s + 1, s), D, far & is_far(D)

    def unfinished(state):
        k, *_, far = state
        return (k < _MOST_ROOTS) & far.any()

    s = jnp.zeros_like(D[..., :1, :1].real)
    start = jnp.zeros_like(s, shape=()), s, D, is_far(D)
    _, s, D, far = lax.while_loop(unfinished, halve, start)
    return s, D * jnp.where(far, jnp.nan, 1.0).astype(D.dtype)  # a product: derivatives are NaN too


def _cayley(D):
    """(R - I)(R + I)⁻¹ from D = R - I."""
    return jnp.linalg.solve(add_diagonal(D, 2.0), D)


def _by_polynomials(q, W):
    """2 artanh(W) by r = w p/q: nine products and a solve."""
    V = matmul(W, W)
    V2 = matmul(V, V)
    numerator, denominator = (_horner(c, V, V2) for c in _coefficients(q))
    return jnp.linalg.solve(denominator, matmul(W, numerator))


def _by_nodes(q, W):
    """2 artanh(W) by r's partial fractions: q solves, and a gradient stores half as much."""
    V = matmul(W, W)
    # Not `asarray`: what loops on the data in a sharded batch may hold no constant arrays.
    squares, weights = (jnp.stack([jnp.full((), y, W.dtype) for y in x]) for x in _nodes(q))

    def add(j, total):
        return total + weights[j] * jnp.linalg.solve(add_diagonal(-squares[j] * V, 1.0), W)

    return lax.fori_loop(0, q, add, jnp.zeros_like(W))


def _horner(c, V, V2):
    """Σ c_j V^j, by Horner's rule in V²."""
    odd = len(c) % 2
    P = add_diagonal((c[-1] * V2 + c[-2] * V) if odd else c[-1] * V, c[-3 if odd else -2])
    for j in range(len(c) - 4 - odd, -1, -2):
        P = add_diagonal(matmul(P, V2) + c[j + 1] * V, c[j])
    return P


@cache
def _nodes(q):
    """ξ_j² and 2 ω_j."""
    nodes, weights = np.polynomial.legendre.leggauss(2 * q)
    return nodes[q:] ** 2, 2 * weights[q:]


@cache
def _coefficients(q):
    """Those of p and q in r(w) = w p(w²)/q(w²)."""
    squares, weights = _nodes(q)
    numerator = sum(w * _with_roots(np.delete(squares, j)) for j, w in enumerate(weights))
    return np.asarray(numerator).tolist(), _with_roots(squares).tolist()


def _with_roots(squares):
    """Π (1 - ξ² v), coefficients of ascending powers of v."""
    return reduce(np.convolve, [[1.0, -x] for x in squares], np.ones(1))

"""Cosine, sine, tangent of a matrix, circular and hyperbolic, from its exponential.

    cosh A = (e^A + e^{-A})/2,    sinh A = ((e^A - I) - (e^{-A} - I))/2,
    cos A = cosh iA,              i sin A = sinh iA,

of which the second is accurate for small A through `_expm1m`. For real A there is nothing to add up:
cos A + i sin A = e^{iA}. And tan A = cos(A)⁻¹ sin A.

The hyperbolic tangent must not be made so: cosh A and sinh A have norm e^{‖A‖}, so that eigenvalues
of different sizes lose all digits. With E = e^{2X} - I of a small X and the addition theorem,

    tanh X = (2 I + E)⁻¹ E,    tanh 2X = (I + tanh² X)⁻¹ (2 tanh X),

nothing exceeds 1 for real spectra. At its fixed points ±1 the doubling forgets errors.

Derivatives: `mcjax._core._matrix_function`.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._check import square
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import times_power_of_two
from ..._core._shapes import Square
from ._expm import exponential, one_norm
from ._expm1m import exponential_minus_one
from ._funm import funm


def cosm(A: Square, *, hermitian: bool = False) -> Square:
    """Matrix cosine: SciPy's `cosm`, differentiable to any order in both modes.

    Identity: cos A = (e^{iA} + e^{-iA})/2.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      cos(A), (..., n, n). NaN for a matrix with entries that are not finite.

    Cost: one complex exponential for real A, two for complex. Source: Higham, Functions of Matrices
    (2008), chapter 12.
    """
    return _function("cosm", A, _cos, jnp.cos, hermitian)


def sinm(A: Square, *, hermitian: bool = False) -> Square:
    """Matrix sine: SciPy's `sinm`, differentiable to any order in both modes.

    Identity: sin A = (e^{iA} - e^{-iA})/2i. Errors are relative to A for small A; otherwise, and in
    arguments, returns and cost, as `cosm`.
    """
    return _function("sinm", A, _sin, jnp.sin, hermitian)


def tanm(A: Square, *, hermitian: bool = False) -> Square:
    """Matrix tangent: SciPy's `tanm`, differentiable to any order in both modes.

    Identity: cos(A) tan(A) = sin(A).

    Args:
      A: (..., n, n), real or complex, no eigenvalue an odd multiple of π/2.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      tan(A), (..., n, n). NaN for a matrix with entries that are not finite, and where half of all
      digits are lost.

    Errors: eps times the condition number of cos(A), which grows like e^{|Im λ|}: for spectra near the
      imaginary axis use -1j * tanhm(1j * A).

    Cost: `cosm`, `sinm` and a solve. Source: Higham, Functions of Matrices (2008), chapter 12.
    """
    return _function("tanm", A, _tan, jnp.tan, hermitian)


def coshm(A: Square, *, hermitian: bool = False) -> Square:
    """Hyperbolic matrix cosine: SciPy's `coshm`, differentiable to any order in both modes.

    Identity: cosh A = (e^A + e^{-A})/2.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      cosh(A), (..., n, n). NaN for a matrix with entries that are not finite.

    Cost: two exponentials. Source: Higham, Functions of Matrices (2008), chapter 12.
    """
    return _function("coshm", A, _cosh, jnp.cosh, hermitian)


def sinhm(A: Square, *, hermitian: bool = False) -> Square:
    """Hyperbolic matrix sine: SciPy's `sinhm`, differentiable to any order in both modes.

    Identity: sinh A = (e^A - e^{-A})/2. Errors are relative to A for small A; otherwise, and in
    arguments, returns and cost, as `coshm`.
    """
    return _function("sinhm", A, _sinh, jnp.sinh, hermitian)


def tanhm(A: Square, *, hermitian: bool = False) -> Square:
    """Hyperbolic matrix tangent: SciPy's `tanhm`, differentiable to any order in both modes.

    Identity: cosh(A) tanh(A) = sinh(A).

    Args:
      A: (..., n, n), real or complex, no eigenvalue an odd multiple of iπ/2.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      tanh(A), (..., n, n), without overflow at any norm. NaN for a matrix with entries that are not
      finite, and where half of all digits are lost: near multiples of iπ/2 other than 0.

    Errors: eps times the condition number of the value, relative to A for small A. Near a multiple of
      iπ, where the half of A has no tangent, eps / distance²: for spectra near the imaginary axis use
      -1j * tanm(1j * A).

    Cost: an exponential and, for each halving of A to norm 1, a product, a solve and an inverse.
    Source: Higham, Functions of Matrices (2008), chapter 12 for the identities.
    """
    return _function("tanhm", A, _tanh, jnp.tanh, hermitian)


def _function(name, A, algorithm, scalar, hermitian):
    A = square(A, name)
    return funm(A, scalar, hermitian=True) if hermitian else matrix_function(algorithm, A)


def _cosh(A, order):
    return (exponential(A, order) + exponential(-A, order)) / 2


def _sinh(A, order):
    return (exponential_minus_one(A, order) - exponential_minus_one(-A, order)) / 2


def _cos(A, order):
    return _cosh(1j * A, order) if jnp.iscomplexobj(A) else exponential(_times_i(A), order).real


def _sin(A, order):
    if jnp.iscomplexobj(A):
        return -1j * _sinh(1j * A, order)
    return exponential_minus_one(_times_i(A), order).imag


def _tan(A, order):
    if jnp.iscomplexobj(A):
        C, S = _cos(A, order), _sin(A, order)
    else:
        E = exponential_minus_one(_times_i(A), order)
        C, S = add_diagonal(E.real, 1.0), E.imag
    T, loss = _divide(S, C)
    return _nan_where_lost(T, loss)


def _times_i(A):
    return lax.complex(jnp.zeros_like(A), A)


def _tanh(A, order):
    if A.size == 0:
        return A
    s = jnp.maximum(jnp.ceil(jnp.log2(one_norm(A))), 0.0)
    s = jnp.where(jnp.isfinite(s), s, 0.0)
    E = exponential_minus_one(times_power_of_two(A, 1 - s), order)

    def double(state):
        k, T, worst = state
        doubled, loss = _divide(2 * T, add_diagonal(matmul(T, T), 1.0))
        T, worst = (
            jnp.where(k < s, new, old)
            for new, old in ((doubled, T), (jnp.maximum(worst, loss), worst))
        )
        return k + 1, T, worst

    T, loss = _divide(E, add_diagonal(E, 2.0))
    start = jnp.zeros_like(s, shape=()), T, loss
    _, T, loss = lax.while_loop(lambda state: state[0] < s.max(), double, start)
    return _nan_where_lost(T, loss)


def _divide(N, M):
    """M⁻¹ N and the factor by which M⁻¹ magnifies errors: the condition of M, but for scalings D M D⁻¹."""
    frozen = lax.stop_gradient(M)
    size, inverse_size = jnp.abs(frozen), jnp.abs(jnp.linalg.inv(frozen))
    loss = (inverse_size * size.mT).sum(-1, keepdims=True).max(-2, keepdims=True, initial=0.0)
    return jnp.linalg.solve(M, N), loss


def _nan_where_lost(T, loss):
    lost = ~(loss**2 < 1 / jnp.finfo(loss.dtype).eps)
    return T * jnp.where(lost, jnp.nan, 1.0).astype(T.dtype)  # a product: derivatives are NaN too

"""Real and complex powers of a matrix, A^t = exp(t log A).

Both factors of the composition carry derivatives of every order, in A and in t:

    d A^t = D exp(t log A)[t D log(A)[dA]] + log(A) A^t dt.

t is split, t = k + f with |f| < 1, and A^t = A^k A^f: then a large t does not enlarge the rounding of the
logarithm, and integer powers need none. Both have the sign of t: a factor that is large where the other
is small would lose digits, or be out of range. Of a t that is an array the first bits of k are split off.

Hermitian A ⪰ 0: f(λ) = λ^t (`_funm`); rounding may leave λ slightly below 0, which counts as 0.
"""

from functools import cache
from math import trunc
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..._core._check import hermitian_part, square
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import size
from ..._core._shapes import Scalar, Square
from ._condition import branch_distance, funm_cond
from ._expm import exponential
from ._funm import funm
from ._logm import logarithm

_LARGEST = 15  # whole power of an exponent that is an array


class PowerInfo(NamedTuple):
    """How far from trouble a power is.

    Attributes:
      branch_distance: the smallest π - |arg λ| of the eigenvalues λ of A, 0 if one is 0.
      condition: the relative condition number of the power at A (`funm_cond`).
    """

    branch_distance: Float[Array, "*batch"]
    condition: Float[Array, "*batch"]


def fractional_matrix_power(
    A: Square, t: Scalar | complex, *, hermitian: bool = False, with_info: bool = False
) -> Square | tuple[Square, PowerInfo]:
    """A^t: SciPy's `fractional_matrix_power`, differentiable in A and in t.

    Identity: A^t = exp(t log A), so ∂A^t/∂t = log(A) A^t. Roots and inverse roots are t = ±1/p.

    Args:
      A: (..., n, n), real or complex, no eigenvalue on the closed negative real axis. If t is an
        integer given as a number of Python's or NumPy's, any matrix, and for t < 0 any invertible one.
      t: one number, real or complex; `jax.vmap` over t for several.
      hermitian: A is symmetric or Hermitian, and (A + Aᴴ)/2 is used; for t > 0 it may be singular.
      with_info: return a `PowerInfo` too, at the cost of forty derivatives. It has none itself.

    Returns:
      The principal power, of A's dtype, complex if t is. NaN where there is none.

    Errors: eps times the condition number; for a t that is an array of |t| > 16, times |t|. Derivatives for
      t > 1 that are better conditioned than A, eps times the condition of A, unless `hermitian`: they
      pass through that of the logarithm.

    Cost: a logarithm and an exponential; with `hermitian`, one eigendecomposition.
    Source: Higham, Functions of Matrices (2008), section 11.1; Higham and Lin, SIAM J. Matrix Anal.
    Appl. 34 (2013) 1341, for the splitting of t.
    """
    A = square(A, "fractional_matrix_power")
    t = t.item() if isinstance(t, np.generic) else t
    if not isinstance(t, int | float | complex) or not np.isfinite(t):
        t = jnp.asarray(t)
        if t.ndim or not jnp.issubdtype(t.dtype, jnp.number):
            raise ValueError(
                f"fractional_matrix_power: t must be one number, got {t.dtype} of shape {t.shape}; "
                "use jax.vmap for several powers"
            )
    with jax.numpy_dtype_promotion("standard"):
        A = A.astype(jnp.result_type(A.dtype, t))
    A = hermitian_part(A) if hermitian else A
    power = _hermitian_power if hermitian else _general_power
    return (power(A, t), _info(power, A, t)) if with_info else power(A, t)


def _info(power, A, t):
    return PowerInfo(branch_distance(A), funm_cond(lambda A: power(A, t), A))


def _general_power(A, t):
    return (_array_power if isinstance(t, jax.Array) else _number_power)(A, t)


def _array_power(A, t):
    t = jnp.asarray(t, A.dtype)
    whole = jnp.trunc(jnp.clip(lax.stop_gradient(t.real), -_LARGEST, _LARGEST))
    part = _power(A, t - whole.astype(A.dtype))
    product = lambda part: matmul(_binary_power(A, whole), part)  # noqa: E731
    return lax.cond(whole == 0, lambda part: part, product, part)


def _binary_power(A, k):
    """A^k for a whole number |k| <= _LARGEST."""

    def of_bit(_, state):
        k, P, square = state
        half = jnp.floor(k / 2)
        P = jnp.where(k > 2 * half, matmul(P, square), P)
        return half, P, jnp.where(half > 0, matmul(square, square), square)

    A = jnp.where(k < 0, jnp.linalg.inv(A), A)
    start = jnp.abs(k), add_diagonal(jnp.zeros_like(A), 1.0), A
    return lax.fori_loop(0, _LARGEST.bit_length(), of_bit, start)[1]


def _number_power(A, t):
    whole = trunc(t.real)
    part = t - whole
    if part == 0:
        return _whole_power(A, whole)
    if whole == 0:
        return _power(A, t)
    return matmul(_whole_power(A, whole), _power(A, part))


def _whole_power(A, k):
    with jax.default_matmul_precision("highest"):
        return jnp.linalg.matrix_power(A, k)


def _power(A, t):
    """exp(t log A), which magnifies the rounding of the logarithm where |t| > 1."""
    scale, t = size(lax.stop_gradient(A)), jnp.asarray(t, A.dtype)  # a large log costs digits
    return scale**t * matrix_function(exponential, t * matrix_function(logarithm, A / scale))


def _hermitian_power(A, t):
    n, dtype = A.shape[-1], A.dtype.name
    if isinstance(t, jax.Array):
        power = _clipped_power(n, dtype, t)
    elif t == round(t.real):
        return _whole_power(A, round(t.real))
    else:
        power = _same_power(n, dtype, t)
    scale, t = size(lax.stop_gradient(A)), jnp.asarray(t, A.dtype)
    # Powers of scale and of A over scale are out of range where those of A need not be.
    far = jnp.abs(t * jnp.log2(scale)) > jnp.finfo(A.dtype).maxexp / 4
    scale = jnp.where(far, jnp.ones_like(scale), scale)
    return scale**t * funm(A / scale, power, hermitian=True)


def _clipped_power(n, dtype, t):
    rounding = n * float(jnp.finfo(dtype).eps)
    kind = dtype if jnp.iscomplexobj(t) else None  # a real base has no complex powers
    return lambda x: jnp.asarray(jnp.where((x < 0) & (x > -rounding), 0.0, x), kind) ** t


_same_power = cache(_clipped_power)  # one function for one number, so that `funm` is compiled once

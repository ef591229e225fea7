"""The logarithm of a determinant's absolute value.

D log|det A|[E] = Re tr(A⁻¹ E),    D² log|det A|[E, F] = -Re tr(A⁻¹ E A⁻¹ F).

One inverse is the gradient; differentiating the factorisation would cost more and give the same.
"""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, lu_factor

from .._core._check import hermitian_part, square

_ASSUMPTIONS = ("gen", "pos")


def logdet(A: jax.Array, *, assume_a: str = "gen") -> jax.Array:
    """log |det A|, without overflow, with A⁻ᵀ as its gradient.

    Identity: D logdet(A)[E] = Re tr(A⁻¹ E).

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      assume_a: "gen", or "pos" for symmetric or Hermitian positive definite A (SciPy's names), when
        (A + Aᴴ)/2 is used and factored by Cholesky at half the cost.

    Returns:
      (...), real. At a singular A it is -inf ("pos": NaN, as wherever A is not positive definite)
      and its derivatives, which do not exist, are NaN; `det` is smooth there.

    Cost: one factorisation; the gradient one inverse. Source: Magnus and Neudecker, Matrix
    Differential Calculus (2019), section 8.4.
    """
    A = square(A, "logdet")
    if assume_a not in _ASSUMPTIONS:
        raise ValueError(f"logdet: assume_a must be one of {_ASSUMPTIONS}, got {assume_a!r}")
    return _logdet_pos(hermitian_part(A)) if assume_a == "pos" else _logdet_gen(A)


@jax.custom_jvp
def _logdet_gen(A):
    diagonal = jnp.diagonal(lu_factor(A)[0], axis1=-2, axis2=-1)
    return jnp.log(jnp.abs(diagonal)).sum(-1)


@jax.custom_jvp
def _logdet_pos(A):
    diagonal = jnp.diagonal(jnp.linalg.cholesky(A, symmetrize_input=False), axis1=-2, axis2=-1)
    return 2 * jnp.log(diagonal.real).sum(-1)


@_logdet_gen.defjvp
def _(primals, tangents):
    (A,), (E,) = primals, tangents
    value = _logdet_gen(A)
    return value, _trace(jnp.linalg.inv(A), E, value)


@_logdet_pos.defjvp
def _(primals, tangents):
    (A,), (E,) = primals, tangents
    value = _logdet_pos(A)
    L = jnp.linalg.cholesky(A, symmetrize_input=False)
    identity = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    return value, _trace(cho_solve((L, True), identity), E, value)


def _trace(inverse, E, value):
    """Re tr(A⁻¹ E), or NaN where A is singular."""
    exists = jnp.isfinite(value)[..., None, None]
    return (jnp.where(exists, inverse.mT, jnp.nan) * E).real.sum((-2, -1))

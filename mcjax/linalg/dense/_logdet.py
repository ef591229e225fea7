"""The logarithm of a determinant's absolute value.

log|det A| = Re Φ(A) with the potential Φ(A) = log det A, whose derivatives need one inverse:

    D Φ[E] = tr(A⁻¹ E),    D^k Φ[E₁..E_k] = (-1)^{k-1} Σ tr(A⁻¹ E₁ A⁻¹ E_{σ2} ... A⁻¹ E_{σk}),

the sum over all orders of the other directions. Left open, the last slot holds ± (A⁻¹ E ... A⁻¹)ᵀ.
"""

from dataclasses import dataclass
from functools import reduce
from itertools import permutations

import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, lu_factor

from ..._core._check import hermitian_part, square
from ..._core._matmul import matmul
from ..._core._potential import derivative
from ..._core._shapes import Scalar, Square

_ASSUMPTIONS = ("gen", "pos")


def logdet(A: Square, *, assume_a: str = "gen") -> Scalar:
    """log |det A|, without overflow, with A⁻ᵀ as its gradient.

    Identity: D logdet(A)[E] = Re tr(A⁻¹ E).

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      assume_a: "gen", or "pos" for symmetric or Hermitian positive definite A (SciPy's names), when
        (A + Aᴴ)/2 is used and factored by Cholesky at half the cost.

    Returns:
      (...), real. At a singular A it is -inf ("pos": NaN, as wherever A is not positive definite)
      and its derivatives, which do not exist, are NaN; `det` is smooth there.

    Cost: one factorisation; the gradient one inverse, a Hessian-vector product two products more.
    Source: Magnus and Neudecker, Matrix Differential Calculus (2019), section 8.4.
    """
    A = square(A, "logdet")
    if assume_a not in _ASSUMPTIONS:
        raise ValueError(f"logdet: assume_a must be one of {_ASSUMPTIONS}, got {assume_a!r}")
    if assume_a == "pos":
        A = hermitian_part(A)
    return derivative(_LogDeterminant(assume_a == "pos"), A, dual=None).real


@dataclass(frozen=True)
class _LogDeterminant:
    """Φ(A) = log det A, up to its imaginary part, which is a constant."""

    positive: bool
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        (A,) = point
        value, inverse = (_by_cholesky if self.positive else _by_lu)(A)
        if not directions and dual is None:
            return value.astype(A.dtype)
        exists = jnp.isfinite(value)[..., None, None]
        Z = jnp.where(exists, inverse(), jnp.nan)
        if dual is None:
            *directions, last = directions
            return (_open_form(Z, directions) * last).sum((-2, -1))
        return _open_form(Z, directions)


def _open_form(Z, directions):
    """(-1)^k Σ (Z E_{σ1} Z ... E_{σk} Z)ᵀ over the orders σ of the directions."""
    terms = [
        reduce(lambda product, E: matmul(matmul(product, E), Z), order, Z)
        for order in permutations(directions)
    ]
    return (-1) ** len(directions) * reduce(jnp.add, terms).mT


def _by_lu(A):
    factors = lu_factor(A)
    diagonal = jnp.diagonal(factors[0], axis1=-2, axis2=-1)
    return jnp.log(jnp.abs(diagonal)).sum(-1), lambda: jnp.linalg.inv(A)


def _by_cholesky(A):
    L = jnp.linalg.cholesky(A, symmetrize_input=False)
    diagonal = jnp.diagonal(L, axis1=-2, axis2=-1)
    identity = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    return 2 * jnp.log(diagonal.real).sum(-1), lambda: cho_solve((L, True), identity)

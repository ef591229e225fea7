"""The sign of a matrix: its eigenvalues become the signs of their real parts.

Newton's method for S² = I, which inverts and averages (Roberts 1980; scaled as in Kenney & Laub 1992),

    X ← ½ (μ X + μ⁻¹ X⁻¹)   from X = A,      μ = (‖X⁻¹‖/‖X‖)^{1/2},

converges quadratically, X - S ← ½ X⁻¹ (X - S)². So once a step of relative length √eps has been made,
one more leaves rounding. In its k-th derivative, m steps leave δ^{2^m - k}: one step more for k = 1,
two for k = 2 and 3. Identity for the derivative: with N = S A,  N L + L N = E - S E S.

It converges to some sign where an eigenvalue is on the imaginary axis to rounding, too. How much the steps
so far have magnified a relative change of A, ‖A‖ A⁻¹ Π ½ (μ X - μ⁻¹ X⁻¹) X₊⁻¹, tells: all factors commute,
and two random rows are multiplied by them.

Hermitian A: f(λ) = λ/|λ| (`_funm`).
"""

from functools import cache

import jax.numpy as jnp
from jax import lax

from ..._core._check import square
from ..._core._matmul import matmul, norm
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import size
from ..._core._shapes import Square
from ._funm import funm
from ._growth import random_rows

_TOUCH = 10  # times n eps ‖A‖: an eigenvalue so near to the axis is on it
_MOST_STEPS = 100  # an eigenvalue at the angle φ to the imaginary axis takes log2(1/φ) steps


def signm(A: Square, *, hermitian: bool = False) -> Square:
    """Matrix sign: S² = I, S commutes with A, and S A has its eigenvalues in the right half-plane.

    Identity: N L + L N = E - S E S for L = D sign(A)[E] and N = S A = (A²)^{1/2}.

    Args:
      A: (..., n, n), real or complex, no eigenvalue on the imaginary axis.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      sign(A), of A's shape and dtype; (I ± S)/2 project on its invariant subspaces. NaN where an
      eigenvalue is on the imaginary axis to rounding, where there is no sign.

    Cost: an inverse a step, about 8 of them, a gradient about three times that; with `hermitian`, one
    eigendecomposition. Source: Higham, Functions of Matrices (2008), chapter 5.
    """
    A = square(A, "signm")
    scaled = A / size(lax.stop_gradient(A))
    if hermitian:
        return funm(scaled, _sign(A.shape[-1], A.dtype.name), hermitian=True)
    return matrix_function(_newton, scaled)


@cache
def _sign(n, dtype):
    rounding = n * float(jnp.finfo(dtype).eps)
    return lambda x: jnp.where(jnp.abs(x) < rounding, jnp.nan, jnp.sign(x))


def _newton(A, order):
    tolerance = jnp.finfo(A.dtype).eps ** 0.5

    def scaled_step(state):
        k, X, active, rows, magnified = state
        inverse = jnp.linalg.inv(X)
        mu = lax.stop_gradient(jnp.sqrt(norm(inverse)) / jnp.sqrt(norm(X))).astype(A.dtype)
        stepped = (mu * X + inverse / mu) / 2
        before, frozen, after = lax.stop_gradient((X, inverse, stepped))
        moved = norm(after - before) > tolerance * norm(after)
        rows = matmul(rows, frozen)
        magnified = jnp.maximum(magnified, norm(rows))
        rows = matmul(rows, after - frozen / mu)
        return k + 1, jnp.where(active, stepped, X), active & moved, rows, magnified

    def unfinished(state):
        k, _, active, *_ = state
        return (k < _MOST_STEPS) & active.any()

    length, rows = norm(lax.stop_gradient(A)), random_rows(lax.stop_gradient(A))[..., :2, :]
    change = length.astype(A.dtype) * rows
    start = jnp.zeros_like(A.real, shape=()), A, length >= 0, change, jnp.zeros_like(length)
    _, X, active, _, magnified = lax.while_loop(unfinished, scaled_step, start)
    for _ in range(1 + order.bit_length()):
        X = (X + jnp.linalg.inv(X)) / 2
    rounding = _TOUCH * A.shape[-1] * jnp.finfo(A.dtype).eps
    undefined = active | ~(rounding * magnified < norm(rows))
    return X * jnp.where(undefined, jnp.nan, 1.0).astype(X.dtype)  # derivatives are NaN too

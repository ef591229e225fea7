"""exp(A) - I, accurate for small A.

The polynomials of `_expm` have the constant 1 as their last term, so that E = T(A / 2^s) - I comes
without cancellation, with an error relative to A / 2^s. And P² - I = 2 E + E² for P = I + E:

    E ← E (2 I + E)     doubles A,

s times. Where E is large this is squaring, with its rounding errors; where it is small, doubling.
Triangular A: as for `expm`, with e^a - 1 on the diagonal. Derivatives are those of exp(A).
"""

import jax.numpy as jnp

from ..._core._check import square
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._shapes import Square
from ._expm import scale_and_square
from ._funm import funm


def expm1m(A: Square, *, hermitian: bool = False) -> Square:
    """exp(A) - I, accurate for small A.

    Identity: D expm1m(A)[E] = D exp(A)[E] = ∫₀¹ e^{(1-t)A} E e^{tA} dt.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used.

    Returns:
      exp(A) - I, (..., n, n). NaN for a matrix with entries that are not finite.

    Errors: relative to A for small A, however small; otherwise as `expm`.

    Cost: as `expm`. Source: Higham, Functions of Matrices (2008), section 10.5; the scalar is
    `jnp.expm1`.
    """
    A = square(A, "expm1m")
    return (
        funm(A, jnp.expm1, hermitian=True)
        if hermitian
        else matrix_function(exponential_minus_one, A)
    )


def exponential_minus_one(A, order):
    """exp(A) - I and, in `order` derivatives of this, its derivatives."""
    return scale_and_square(
        A, order, jnp.expm1, lambda E: E, lambda E: matmul(E, add_diagonal(E, 2.0))
    )

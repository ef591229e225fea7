"""The φ functions of exponential integrators.

    φ_k(A) = Σ A^j / (j + k)!,    φ_0 = exp,    φ_k(A) = ∫₀¹ e^{(1-t)A} t^{k-1}/(k-1)! dt,

so that y' = A y + Σ u_j t^{j-1}/(j-1)! has the solution y(1) = e^A y(0) + Σ φ_j(A) u_j. With X = A / 2^s,

    φ_k(X)      from its Taylor series to X¹⁶ in six products (Paterson & Stockmeyer 1973),
    φ_{j-1}(X) = X φ_j(X) + I/(j-1)!,
    φ_j(2X)    = 2^{-j} (φ_0(X) φ_j(X) + Σ_{i=1}^{j} φ_i(X)/(j-i)!),

the last s times (Skaflestad & Wright 2009). On a real spectrum all its terms are positive, so nothing
cancels. s as for `_expm`, from the powers of A.

Derivatives: `mcjax._core._matrix_function`.
"""

from functools import cache, reduce
from math import factorial

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._check import square
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._shapes import Square
from ._expm import exponential, one_norm, scale

_DEGREE = 16
# ‖X^j‖^{1/j} at which the series' remainder, and that of two derivatives, is below rounding.
_THETA = {"float32": 2.0, "float64": 0.6}


def phim(k: int, A: Square) -> Square:
    """φ_k(A) = Σ A^j / (j + k)!, with φ_0(A) = exp(A) and A φ_1(A) = exp(A) - I, also at singular A.

    Identity: φ_k(A) = ∫₀¹ e^{(1-t)A} t^{k-1}/(k-1)! dt, and so for derivatives.

    Args:
      k: 0, 1, 2, ..., a Python integer.
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      φ_k(A), (..., n, n). NaN for a matrix with entries that are not finite.

    Errors: eps times the condition number, and as for `expm` by a factor up to the norm more where
      powers of |A| grow faster than those of A.

    Cost: 6 + k + s (k + 1) products, s about log2 of the norm; a gradient three times that, and
    memory for k + 1 matrices. Source: Skaflestad and Wright, Appl. Numer. Math. 59 (2009) 783.
    """
    A = square(A, "phim")
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 0:
        raise ValueError(f"phim: k must be 0, 1, 2, ..., a Python integer, got {k!r}")
    return matrix_function(_algorithm(k), A)


@cache
def _algorithm(k):
    return exponential if k == 0 else lambda A, order: _scale_and_double(A, k)


def _scale_and_double(A, k):
    if A.size == 0:
        return A
    s, X, X2 = scale(A, one_norm(A), _THETA)

    def double(state):
        i, phis = state
        return i + 1, [
            jnp.where(i < s, new, old) for new, old in zip(_double(phis), phis, strict=True)
        ]

    state = jnp.zeros_like(s.max()), _all_down(X, _series(X, X2, k), k)
    return lax.while_loop(lambda state: state[0] < s.max(), double, state)[1][k]


def _series(X, X2, k):
    """Σ X^j / (j + k)! up to j = 16, four powers of X at a time."""
    X3, X4 = matmul(X2, X), matmul(X2, X2)

    def four(j):
        c = [1 / factorial(j + i + k) for i in range(4)]
        return add_diagonal(c[1] * X + c[2] * X2 + c[3] * X3, c[0])

    top = four(_DEGREE - 4) + 1 / factorial(_DEGREE + k) * X4
    return reduce(lambda P, j: matmul(P, X4) + four(j), range(_DEGREE - 8, -4, -4), top)


def _all_down(X, phi, k):
    """[φ_0, ..., φ_k] from φ_k."""
    phis = [phi]
    for j in range(k - 1, -1, -1):
        phis.insert(0, add_diagonal(matmul(X, phis[0]), 1 / factorial(j)))
    return phis


def _double(phis):
    def doubled(j):  # 2⁻ʲ of each term, since their sum may overflow before 2⁻ʲ of it does
        terms = (phis[i] / (2.0**j * factorial(j - i)) for i in range(1, j + 1))
        return sum(terms, matmul(phis[0], 2.0**-j * phis[j]))

    return [doubled(j) for j in range(len(phis))]

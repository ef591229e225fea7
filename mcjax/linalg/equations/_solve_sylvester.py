"""The Sylvester equation A X + X B = Q.

Derivatives come from the equation:  A dX + dX B = dQ - dA X - X dB,  and in reverse, with Y from
Aᵀ Y + Y Bᵀ = X̄,  Q̄ = Y, Ā = -Y Xᵀ, B̄ = -Xᵀ Y  (`_core._solve`).

Where the eigenvalues of A and B lie on one side of the imaginary axis, the solver is a few products, by
doubling (Smith 1968); else that of Bartels and Stewart (1972) (`_two_sided`).
"""

import jax.numpy as jnp

from ..._core._check import matrix, same_dtype, square
from ..._core._matmul import matmul
from ..._core._shapes import OtherSquare, Rectangle, Square
from ._info import EquationInfo, equation_info
from ._two_sided import sylvester


def solve_sylvester(
    a: Square, b: OtherSquare, q: Rectangle, *, with_info: bool = False
) -> Rectangle | tuple[Rectangle, EquationInfo]:
    """X with A X + X B = Q: SciPy's `solve_sylvester`, differentiable in A, B and Q.

    Args:
      a, b, q: A, (..., n, n), B, (..., m, m), and Q, (..., n, m), with broadcasting batches.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, m). NaN where A and -B share an eigenvalue to rounding: no X, or no unique one.

    Cost: about 40 products if the eigenvalues of A and of B all have positive real parts, or all
    negative ones; else two Schur decompositions (on GPUs eigenvectors) and 2m triangular solves of size
    n. A gradient reuses the factors. Source: Smith, SIAM J. Appl. Math. 16 (1968) 198; Bartels and Stewart,
    Comm. ACM 15 (1972) 820; Higham, Accuracy and Stability (2002), chapter 16.
    """
    A, B = square(a, "solve_sylvester"), square(b, "solve_sylvester")
    A, B, Q = same_dtype(A, B, matrix(q, "solve_sylvester"))
    if Q.shape[-2:] != (A.shape[-1], B.shape[-1]):
        raise ValueError(
            f"solve_sylvester: A X + X B = Q needs Q of shape {(A.shape[-1], B.shape[-1])} for A "
            f"{A.shape[-2:]} and B {B.shape[-2:]}, got {Q.shape[-2:]}; did you mean Q.mT, or -B?"
        )
    batch = jnp.broadcast_shapes(*(x.shape[:-2] for x in (A, B, Q)))
    A, B, Q = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B, Q))
    X = sylvester.solve(A, B, Q)
    return (X, equation_info(X, matmul(A, X), matmul(X, B), -Q)) if with_info else X

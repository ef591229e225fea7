"""The discrete Lyapunov equation A X Aᴴ - X + Q = 0, also Stein's.

Derivatives come from the equation:  dX - A dX Aᴴ = dQ + dA X Aᴴ + A X dAᴴ,  and in reverse, with Y from
Y - Aᴴ Y A = X̄,  Q̄ = Y, Ā = Y A Xᴴ + Yᴴ A X  (`_core._solve`). Solved as in `_two_sided`: by doubling,
X = Σ A^k Q (Aᴴ)^k, where all |λ| < 1.
"""

from ..._core._matmul import matmul
from ..._core._shapes import Square
from ._info import EquationInfo, equation_info
from ._solve_continuous_lyapunov import pair
from ._two_sided import stein


def solve_discrete_lyapunov(
    a: Square, q: Square, *, with_info: bool = False
) -> Square | tuple[Square, EquationInfo]:
    """X with A X Aᴴ - X + Q = 0: SciPy's `solve_discrete_lyapunov`, differentiable in A and Q.

    Args:
      a, q: A, (..., n, n), of any spectrum that leaves X unique, and Q, (..., n, n), Hermitian or not;
        batches broadcast.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, n). NaN where A has eigenvalues λ and 1/λ̄ to rounding: no X, or no unique one.

    Cost: about 40 products if all |λ| < 1, else one Schur decomposition and 3n triangular solves of size
    n; a gradient reuses the factors. Source: Smith, SIAM J. Appl. Math. 16 (1968) 198; Kitagawa, Int. J.
    Control 25 (1977) 745.
    """
    A, Q = pair(a, q, "solve_discrete_lyapunov")
    X = stein.solve_adjoint(A, Q)
    return (X, _info(X, A, Q)) if with_info else X


def _info(X, A, Q):
    return equation_info(X, matmul(matmul(A, X), A.mT.conj()), -X, Q)

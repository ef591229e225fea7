"""The continuous Lyapunov equation A X + X Aᴴ = Q.

Derivatives come from the equation:  A dX + dX Aᴴ = dQ - dA X - X dAᴴ,  and in reverse, with Y from
Aᴴ Y + Y A = X̄,  Q̄ = Y, Ā = -(Y Xᴴ + Yᴴ X)  (`_core._solve`).

It is a Sylvester equation whose second matrix is the adjoint of the first, so that one set of powers,
or one decomposition, serves both sides (`_two_sided`).
"""

import jax.numpy as jnp

from ..._core._check import matrix, same_dtype, square
from ..._core._matmul import matmul
from ..._core._shapes import Square
from ._info import EquationInfo, equation_info
from ._two_sided import sylvester


def solve_continuous_lyapunov(
    a: Square, q: Square, *, with_info: bool = False
) -> Square | tuple[Square, EquationInfo]:
    """X with A X + X Aᴴ = Q: SciPy's `solve_continuous_lyapunov`, differentiable in A and Q.

    Args:
      a, q: A, (..., n, n), of any spectrum that leaves X unique, and Q, (..., n, n), Hermitian or not;
        batches broadcast.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, n). NaN where A has eigenvalues λ and -λ̄ to rounding: no X, or no unique one.

    Cost: about 40 products if A or -A is stable, else one Schur decomposition and 3n triangular solves of
    size n; a gradient reuses the factors. Source: Smith, SIAM J. Appl. Math. 16 (1968) 198; Bartels and
    Stewart, Comm. ACM 15 (1972) 820.
    """
    A, Q = pair(a, q, "solve_continuous_lyapunov")
    X = sylvester.solve_adjoint(A, Q)
    return (X, equation_info(X, matmul(A, X), matmul(X, A.mT.conj()), -Q)) if with_info else X


def pair(A, Q, name):
    """A and Q of one size, one dtype and one batch."""
    A, Q = same_dtype(square(A, name), matrix(Q, name))
    if Q.shape[-2:] != A.shape[-2:]:
        raise ValueError(f"{name}: Q has to have the size of A, {A.shape[-2:]}, got {Q.shape[-2:]}")
    batch = jnp.broadcast_shapes(A.shape[:-2], Q.shape[:-2])
    return [jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, Q)]

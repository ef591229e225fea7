"""The discrete algebraic Riccati equation

    Aᴴ X A - Eᴴ X E - (Aᴴ X B + S) (R + Bᴴ X B)⁻¹ (Bᴴ X A + Sᴴ) + Q = 0,

reduced to  Aᴴ X (I + G X)⁻¹ A - X + Q = 0  (`_riccati`). With A_c = (I + G X)⁻¹ A its derivative is

    dX - A_cᴴ dX A_c = dAᴴ X A_c + A_cᴴ X dA - A_cᴴ X dG X A_c + dQ,

a Stein equation, with the X that the next derivative is taken of (`_root`). In reverse, Hermitian X̄:
Y - A_c Y A_cᴴ = X̄,  Q̄ = Y, Ḡ = -X A_c Y A_cᴴ X, Ā = 2 X A_c Y. Doubling begins with A, G and Q.
"""

import jax.numpy as jnp

from ..._core._check import hermitian_part
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._shapes import Rectangle, Square
from . import _riccati
from ._info import EquationInfo, equation_info
from ._riccati import adj
from ._root import root
from ._two_sided import stein


def solve_discrete_are(
    a: Square,
    b: Rectangle,
    q: Square,
    r: Square,
    e: Square | None = None,
    s=None,
    *,
    with_info: bool = False,
) -> Square | tuple[Square, EquationInfo]:
    """Stabilising X of Aᴴ X A - Eᴴ X E - (Aᴴ X B + S) (R + Bᴴ X B)⁻¹ (Bᴴ X A + Sᴴ) + Q = 0.

    SciPy's `solve_discrete_are`, differentiable in every argument at every order.

    Args:
      a, b: A, (..., n, n), and B, (..., n, m), with broadcasting batches.
      q, r: Q, (..., n, n), and R, (..., m, m). Their Hermitian parts are used. R and E have inverses.
      e, s: E, (..., n, n), and S, (..., n, m): I and 0 if they are not given.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, n), Hermitian: the one for which A - B (R + Bᴴ X B)⁻¹ (Bᴴ X A + Sᴴ) - λ E has all
      eigenvalues in the open unit disc. NaN where there is none: an unstable mode that B does not
      reach, an eigenvalue of the symplectic pencil of modulus 1, a singular R or E (though a singular R
      may have an X: SciPy finds it).

    Errors: eps times the condition of the equation, and of R and E, which are inverted.

    Cost: about 10 LU factorisations and 100 products, a gradient about as much again; three times that
    where Q does not see an unstable mode, or there is no X. Source: Chu, Fan, Lin and Wang, Int. J.
    Control 77 (2004) 767; Hewer, IEEE Trans. Autom. Control 16 (1971) 382.
    """
    A, G, Q = _riccati.reduced(a, b, q, r, e, s, "solve_discrete_are")
    X = root(_algorithm, _tangent, A, G, Q) if A.size else A
    return (X, _info(X, A, G, Q)) if with_info else X


def _info(X, A, G, Q):
    return equation_info(X, matmul(adj(A), matmul(X, _closed_loop(A, G, X))), -X, Q)


def _tangent(X, parameters, directions):
    (A, G, _), (dA, dG, dQ) = parameters, directions
    closed = _closed_loop(A, G, X)
    XA = matmul(X, closed)
    first = matmul(adj(XA), dA)
    change = first + adj(first) - matmul(matmul(adj(XA), dG), XA) + dQ
    return stein.solve_adjoint(adj(closed), change)


def _closed_loop(A, G, X):
    return _riccati.over(add_diagonal(matmul(G, X), 1.0), A)


def _algorithm(A, G, Q):
    s = _riccati.scale(G, Q).astype(A.dtype)
    G, Q = G * s, Q / s
    X = _improve(A, G, Q, _riccati.seeing_all(_riccati.doubling, _close, _improve, A, G, Q))
    residual = _residual(A, Q, X, _closed(A, G, X))
    return s * _riccati.unless_wrong(X, residual, norm(residual + X - Q) + norm(X) + norm(Q))


def _improve(A, G, Q, X):
    """X after a step of Newton's method."""
    closed = _closed(A, G, X)
    return hermitian_part(X + stein.estimate(_residual(A, Q, X, closed), adj(closed)))


def _closed(A, G, X):
    return jnp.linalg.solve(add_diagonal(matmul(G, X), 1.0), A)


def _residual(A, Q, X, closed):
    return hermitian_part(matmul(adj(A), matmul(X, closed)) - X + Q)


def _close(A, G, X):
    both = jnp.linalg.solve(add_diagonal(matmul(G, X), 1.0), jnp.concatenate([A, G], -1))
    return jnp.split(both, 2, -1)

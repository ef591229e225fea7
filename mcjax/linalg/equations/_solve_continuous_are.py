"""The continuous algebraic Riccati equation

    Aᴴ X E + Eᴴ X A - (Eᴴ X B + S) R⁻¹ (Bᴴ X E + Sᴴ) + Q = 0,

reduced to  Aᴴ X + X A - X G X + Q = 0  (`_riccati`). With the closed loop A_c = A - G X its derivative is

    A_cᴴ dX + dX A_c = -(dAᴴ X + X dA - X dG X + dQ),

a Lyapunov equation, with the X that the next derivative is taken of (`_root`). In reverse, Hermitian X̄:
A_c Y + Y A_cᴴ = -X̄,  Q̄ = Y, Ḡ = -X Y X, Ā = 2 X Y.

Doubling begins with a Cayley transform of the Hamiltonian K = [[A, -G], [-Q, -Aᴴ]]:

    N = [[A - p, -G], [-Q, p - Aᴴ]],     N⁻¹ [[A + p, -G], [-Q, -p - Aᴴ]] = [[A₀, G₀], [-H₀, A₀ᴴ]],

which takes λ to (λ + p)/(λ - p). N is regular for every p > 0 that is no eigenvalue of a part of A that
G does not move or Q does not see: -[[Q, (A-p)ᴴ], [p-A, G]], its rows changed, has a Hermitian part <= 0.
Fastest for p near the geometric mean of the moduli |λ|; that itself is an eigenvalue of A too often.
"""

import jax.numpy as jnp

from ..._core._check import hermitian_part
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._shapes import Rectangle, Square
from . import _riccati
from ._info import EquationInfo, equation_info
from ._riccati import adj
from ._root import root
from ._two_sided import sylvester


def solve_continuous_are(
    a: Square,
    b: Rectangle,
    q: Square,
    r: Square,
    e: Square | None = None,
    s=None,
    *,
    with_info: bool = False,
) -> Square | tuple[Square, EquationInfo]:
    """Stabilising X of Aᴴ X E + Eᴴ X A - (Eᴴ X B + S) R⁻¹ (Bᴴ X E + Sᴴ) + Q = 0.

    SciPy's `solve_continuous_are`, differentiable in every argument at every order.

    Args:
      a, b: A, (..., n, n), and B, (..., n, m), with broadcasting batches.
      q, r: Q, (..., n, n), and R, (..., m, m). Their Hermitian parts are used. R and E have inverses.
      e, s: E, (..., n, n), and S, (..., n, m): I and 0 if they are not given.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, n), Hermitian: the one for which A - B R⁻¹ (Bᴴ X E + Sᴴ) - λ E has all eigenvalues in
      the open left half-plane. NaN where there is none: an unstable mode that B does not reach, an
      eigenvalue of the Hamiltonian on the imaginary axis, a singular R or E.

    Errors: eps times the condition of the equation, and of R and E, which are inverted.

    Cost: about 10 LU factorisations and 100 products, a gradient about as much again; three times that
    where Q does not see an unstable mode, or there is no X. Source: Chu, Fan and Lin, Linear Algebra
    Appl. 396 (2005) 55; Kleinman, IEEE Trans. Autom. Control 13 (1968) 114.
    """
    A, G, Q = _riccati.reduced(a, b, q, r, e, s, "solve_continuous_are")
    X = root(_algorithm, _tangent, A, G, Q) if A.size else A
    return (X, _info(X, A, G, Q)) if with_info else X


def _info(X, A, G, Q):
    XA = matmul(X, A)
    return equation_info(X, XA, adj(XA), -matmul(matmul(X, G), X), Q)


def _tangent(X, parameters, directions):
    (A, G, _), (dA, dG, dQ) = parameters, directions
    XdA = matmul(X, dA)
    change = XdA + adj(XdA) - matmul(matmul(X, dG), X) + dQ
    return sylvester.solve_adjoint(adj(A - matmul(G, X)), -change)


def _algorithm(A, G, Q):
    s = _riccati.scale(G, Q).astype(A.dtype)
    G, Q = G * s, Q / s
    X = _improve(A, G, Q, _riccati.seeing_all(_double, _close, _improve, A, G, Q))
    size = 2 * norm(matmul(X, A)) + norm(matmul(matmul(X, G), X)) + norm(Q)
    return s * _riccati.unless_wrong(X, _residual(A, G, Q, X), size)


def _improve(A, G, Q, X):
    """X after a step of Newton's method."""
    closed = adj(A) - matmul(X, G)
    return hermitian_part(X + sylvester.estimate(-_residual(A, G, Q, X), closed))


def _residual(A, G, Q, X):
    XA = matmul(X, A)
    return hermitian_part(XA + adj(XA) - matmul(matmul(X, G), X) + Q)


def _double(A, G, Q, **options):
    return _riccati.doubling(*_cayley(A, G, Q), **options)


def _close(A, G, X):
    return A - matmul(G, X), G


def _cayley(A, G, Q):
    """A₀, G₀, H₀."""
    n = A.shape[-1]
    _, logarithm = jnp.linalg.slogdet(_blocks(A, -G, -Q, -adj(A)))
    p = 1.3 * jnp.exp(logarithm / (2 * n))[..., None, None]
    minus, plus = (add_diagonal(A, c.astype(A.dtype)) for c in (-p, p))
    transform = jnp.linalg.solve(
        _blocks(minus, -G, -Q, -adj(minus)), _blocks(plus, -G, -Q, -adj(plus))
    )
    A0, G0, H0 = transform[..., :n, :n], transform[..., :n, n:], -transform[..., n:, :n]
    return A0, hermitian_part(G0), hermitian_part(H0)


def _blocks(a, b, c, d):
    return jnp.concatenate([jnp.concatenate([a, b], -1), jnp.concatenate([c, d], -1)], -2)

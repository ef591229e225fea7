"""The quadratic matrix equation A X² + B X + C = 0.

Derivatives come from the equation:  with M = A X + B,

    M dX + A dX X = -(dA X² + dB X + dC),    or    dX + (M⁻¹ A) dX X = -M⁻¹ (...),

a Stein equation, with the X that the next derivative is taken of (`_root`). The 2n eigenvalues of
λ² A + λ B + C are those of X and the inverses of those of -M⁻¹ A, so that it has a solution where the
eigenvalues of X are smaller than all others.

Cyclic reduction (Bini, Latouche & Meini 2005; Hodges' and Golub's idea of 1970). Write the equation times
X^{i-1}, i = 1, 2, ..., as rows of a block tridiagonal system with blocks c, b, a, and eliminate every
second row:

    c ← -c b⁻¹ c,   a ← -a b⁻¹ a,   b ← b - c b⁻¹ a - a b⁻¹ c,   and in the first row   f ← f - a b⁻¹ c,

from (a, b, c, f) = (A, B, C, B). It squares the eigenvalues; a b⁻¹ c → 0 quadratically, and f X = -C.
Multiplying a and dividing c by a number changes neither b nor f: they are kept of one size.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._check import matrix, same_dtype, square
from ..._core._matmul import matmul, norm
from ..._core._shapes import Square
from ._info import EquationInfo, equation_info
from ._riccati import over, scale, unless_wrong
from ._root import root
from ._two_sided import stein

_MOST_STEPS = 30  # with eigenvalues of moduli in a ratio 1 - δ it takes log2(36/δ)


def solve_quadratic(
    A: Square, B: Square, C: Square, *, with_info: bool = False
) -> Square | tuple[Square, EquationInfo]:
    """The minimal solvent X of A X² + B X + C = 0, differentiable in A, B and C.

    Of the solutions it is the one whose eigenvalues are the n smallest in modulus of the 2n (some may be
    infinite) of λ² A + λ B + C. The largest n are those of 1/Y with C Y² + B Y + A = 0.

    Args:
      A, B, C: (..., n, n), with broadcasting batches. A and C may be singular.
      with_info: return an `EquationInfo` too.

    Returns:
      X, (..., n, n). NaN where the n-th and the next eigenvalue have one modulus to about √eps, where
      no minimal solvent exists, or where an elimination meets a singular b.

    Cost: about 8 steps, each an LU factorisation and four products; a gradient two Stein equations.
    Source: Bini, Latouche and Meini, Numerical Methods for Structured Markov Chains (2005), chapter 7;
    Higham and Kim, IMA J. Numer. Anal. 20 (2000) 499.
    """
    A, B, C = (check(x, "solve_quadratic") for check, x in ((square, A), (matrix, B), (matrix, C)))
    if not A.shape[-2:] == B.shape[-2:] == C.shape[-2:]:
        raise ValueError(
            "solve_quadratic: A, B and C have to have one size, got "
            f"{A.shape[-2:]}, {B.shape[-2:]} and {C.shape[-2:]}"
        )
    A, B, C = same_dtype(A, B, C)
    batch = jnp.broadcast_shapes(*(x.shape[:-2] for x in (A, B, C)))
    A, B, C = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B, C))
    X = root(_algorithm, _tangent, A, B, C) if A.size else A
    return (X, _info(X, A, B, C)) if with_info else X


def _info(X, A, B, C):
    return equation_info(X, matmul(matmul(A, X), X), matmul(B, X), C)


def _tangent(X, parameters, directions):
    (A, B, _), (dA, dB, dC) = parameters, directions
    M = matmul(A, X) + B
    change = matmul(matmul(dA, X) + dB, X) + dC
    return stein.solve(-over(M, A), X, -over(M, change))


def _algorithm(A, B, C):
    X = _cyclic_reduction(A, B, C)
    M = matmul(A, X) + B
    residual = matmul(M, X) + C
    P, step = jnp.split(-jnp.linalg.solve(M, jnp.concatenate([A, residual], -1)), 2, -1)
    X = X + stein.estimate(step, P, X)
    terms = matmul(matmul(A, X), X), matmul(B, X), C
    return unless_wrong(X, sum(terms), sum(map(norm, terms)))


def _cyclic_reduction(A, B, C):
    def balanced(a, c):
        s = scale(a, c).astype(a.dtype)
        return a * s, c / s

    def step(state):
        k, a, b, c, f, active = state
        ba, bc = jnp.split(jnp.linalg.solve(b, jnp.concatenate([a, c], -1)), 2, -1)
        abc, cba = matmul(a, bc), matmul(c, ba)
        new = (*balanced(-matmul(a, ba), -matmul(c, bc)), b - abc - cba, f - abc)
        a, c, b, f = (jnp.where(active, x, y) for x, y in zip(new, (a, c, b, f), strict=True))
        return k + 1, a, b, c, f, active & (norm(abc) > jnp.finfo(A.dtype).eps * norm(f))

    def unfinished(state):
        k, *_, active = state
        return (k < _MOST_STEPS) & active.any()

    a, c = balanced(A, C)
    start = jnp.zeros_like(norm(A), int, ()), a, B, c, B, norm(A) >= 0
    *_, f, active = lax.while_loop(unfinished, step, start)
    return -jnp.linalg.solve(jnp.where(active, jnp.nan, f), C)

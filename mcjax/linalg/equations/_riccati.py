"""What the two algebraic Riccati equations share: their reduction to three matrices, and doubling.

With Ã = A E⁻¹, Q̃ = E⁻ᴴ Q E⁻¹ and S̃ = E⁻ᴴ S the same X solves the equation with E = I; and with
A - B R⁻¹ Sᴴ, Q - S R⁻¹ Sᴴ the one with S = 0. There remain A, G = B R⁻¹ Bᴴ and Q.

Doubling (Anderson 1978; Chu, Fan & Lin 2005): the pencil

    [[A, 0], [-H, I]] - λ [[I, G], [0, Aᴴ]],

whose deflating subspace [I; X] belongs to the eigenvalues in the unit disc, keeps that subspace, and
squares its eigenvalues, under

    W = I + G H,   A ← A W⁻¹ A,   G ← G + A W⁻¹ G Aᴴ,   H ← H + Aᴴ H W⁻¹ A.

H → X and A → 0, quadratically, if no eigenvalue has modulus 1, and A does not if one has. One LU
factorisation and six products a step. A step of Newton's method then takes away its rounding.

Of a mode that is not in Q, H never learns: with one that is unstable, A grows. Then let X₀ belong to
Q + τ I, τ > 0, which has all modes. It is stabilising too, and X - X₀ <= 0 is the stabilising solution of
the equation with the closed loop of X₀ for A, and -τ I, what X₀ leaves of the given equation, for Q.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from ..._core._check import hermitian_part, matrix, same_dtype, square
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._power_of_two import nearest
from ..._core._solve import sealed_solve
from ._regular import unless_singular

_MOST_STEPS = 50


def reduced(A, B, Q, R, E, S, name):
    """A, G and Q of the equation with E = I and S = 0, of one dtype and one batch."""
    A, B, Q, R, E, S = _checked(A, B, Q, R, E, S, name)
    Q, R = hermitian_part(Q), hermitian_part(R)
    if E is not None:
        adjoint = adj(E)
        A = adj(over(adjoint, adj(A)))
        Q = over(adjoint, adj(over(adjoint, Q)))
        S = None if S is None else over(adjoint, S)
    BR = adj(over(R, adj(B)))
    if S is not None:
        A, Q = A - matmul(BR, adj(S)), Q - matmul(S, over(R, adj(S)))
    return A, hermitian_part(matmul(BR, adj(B))), hermitian_part(Q)


def _checked(A, B, Q, R, E, S, name):
    A = square(A, name)
    B = matrix(B, name)
    given = [B, *(x if x is None else matrix(x, name) for x in (Q, R, E, S))]
    n, m = A.shape[-1], B.shape[-1]
    shapes = {"B": (n, m), "Q": (n, n), "R": (m, m), "E": (n, n), "S": (n, m)}
    for x, (letter, shape) in zip(given, shapes.items(), strict=True):
        if x is not None and x.shape[-2:] != shape:
            raise ValueError(
                f"{name}: {letter} has to have shape {shape} for A {(n, n)} with {m} inputs (columns "
                f"of B), got {x.shape[-2:]}"
            )
    present = same_dtype(A, *(x for x in given if x is not None))
    batch = jnp.broadcast_shapes(*(x.shape[:-2] for x in present))
    arrays = iter(jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in present)
    return next(arrays), *(x if x is None else next(arrays) for x in given)


def adj(X):
    return X.mT.conj()


def over(M, Y):
    """M⁻¹ Y, differentiable in both."""
    if Y.size == 0:
        return Y

    def one(M, Y):
        return sealed_solve(_product, _inverse, (_times, _times_transposed), (M,), Y)

    return jnp.vectorize(one, signature="(n,n),(n,m)->(n,m)")(M, Y)


def _product(parameters, Y):
    return matmul(parameters[0], Y)


def _inverse(M):
    inverse = jnp.linalg.inv(M)

    def sizes(x):
        return jnp.abs(inverse) @ (jnp.abs(M) @ x)

    return (unless_singular(inverse, sizes, jnp.ones_like(M[0].real)),)


def _times(inverse, Y):
    return (matmul(inverse, Y),)


def _times_transposed(inverse, Y):
    return (matmul(inverse.mT, Y),)


def doubling(A, G, H, most=_MOST_STEPS):
    """X, the limit of H; NaN where A does not vanish in `most` steps. Over stacks."""
    tolerance = jnp.finfo(A.dtype).eps ** 0.5

    def step(state):
        k, A, G, H, active = state
        both = jnp.linalg.solve(add_diagonal(matmul(G, H), 1.0), jnp.concatenate([A, G], -1))
        WA, WG = jnp.split(both, 2, -1)
        new = (
            matmul(A, WA),
            hermitian_part(G + matmul(matmul(A, WG), adj(A))),
            hermitian_part(H + matmul(adj(A), matmul(H, WA))),
        )
        A, G, H = (jnp.where(active, x, y) for x, y in zip(new, (A, G, H), strict=True))
        return k + 1, A, G, H, active & (norm(A) > tolerance)  # of NaN no more steps

    def unfinished(state):
        k, *_, active = state
        return (k < most) & active.any()

    start = jnp.zeros_like(norm(A), int, ()), A, G, H, norm(A) >= 0
    _, A, _, H, _ = lax.while_loop(unfinished, step, start)
    return jnp.where(norm(A) <= tolerance, H, jnp.nan)


def seeing_all(double: Callable, close: Callable, improve: Callable, A, G, Q):
    """X of (A, G, Q) by `double`, NaN where there is none.

    Args:
      close: A, G, X₀ ↦ A and G of the closed loop of X₀.
      improve: A, G, Q, X ↦ X after a step of Newton's method.
    """
    none = jnp.zeros_like(Q)

    def in_two():
        tau = (norm(Q) + norm(A) * (norm(A) / norm(G))).astype(A.dtype)
        X0 = double(A, G, add_diagonal(Q, tau))
        X = X0 + double(*close(A, G, X0), add_diagonal(none, -tau))
        X = lax.fori_loop(0, 3, lambda _, X: improve(A, G, Q, X), X)  # τ may be far too large
        # Rounding makes one eigenvalue √eps within the circle of two on it: closer ones do not count.
        return X + double(*close(A, G, X), none, most=jnp.finfo(A.dtype).nmant // 2)

    X = double(A, G, Q)
    missed = jnp.isnan(X).any((-2, -1), keepdims=True)
    return jnp.where(missed, lax.cond(missed.any(), in_two, lambda: X), X)


def scale(G, Q):
    """A power of two s, for which s G and Q / s are of one size; with them, X / s is the solution."""
    return nearest(norm(Q), 2) / nearest(norm(G), 2)


def unless_wrong(X, residual, size):
    """X, or NaN where it leaves more than half its digits as a residual."""
    return jnp.where(norm(residual) <= jnp.finfo(X.dtype).eps ** 0.5 * size, X, jnp.nan)

"""The Hessenberg form A = Q H Qᴴ, H zero below its first subdiagonal, Q e₁ = e₁.

Differentiate, with Ω = Qᴴ Q̇ skew-Hermitian and M = Qᴴ Ȧ Q:

    Ḣ = M + H Ω - Ω H,    Ω e₁ = 0,                                                                (*)

where Ḣ is zero below the subdiagonal, and real on it. Column j of (*) gives column j + 1 of Ω from the
earlier ones: (Ω H)_j = h_{j+1,j} Ω_{j+1} + Σ_{k<=j} h_kj Ω_k, so that

    h_{j+1,j} Ω_{i,j+1} = (M + H Ω)_ij - Σ_{k<=j} h_kj Ω_ik    for i > j + 1; at i = j + 1 i times the
                                                              imaginary part of this;

and above its diagonal Ω is -Ωᴴ. The subdiagonal divides, at a complex matrix all of it: where it vanishes
the next column of Q is arbitrary. JAX gets to see the equation, below its subdiagonal, as one operator
with this solution (`custom_linear_solve`), so that no step is stored.

The form is computed by reflections, with the signs of LAPACK's: the subdiagonal gets the sign opposite to
that of (the real part of) what it replaces.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._check import square
from ..._core._matmul import matmul, norm, row_minus_column
from ..._core._shapes import Square
from ._native import native_primitive, zero

_ZERO = 10  # times n eps ‖A‖: a subdiagonal entry below this is rounding


def hessenberg(A: Square, calc_q: bool = False):
    """The Hessenberg form of a general matrix: SciPy's `hessenberg`.

    Identity: A = Q H Qᴴ;  D Q[E] = Q Ω, D H[E] = Qᴴ E Q + H Ω - Ω H, with Ω skew-Hermitian, Ω e₁ = 0.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      calc_q: return Q too.

    Returns:
      H, or (H, Q), (..., n, n): h_ij = 0 for i > j + 1, the subdiagonal real, Q unitary with Q e₁ = e₁.
      Derivatives of every order where the subdiagonal has no zero, of a real matrix but for the last
      entry: NaN if it has one to rounding (10 n eps ‖A‖). LAPACK's signs jump where a column has nothing
      below its subdiagonal, as those of an H do; derivatives there are those with the signs kept. NaN for
      a matrix that is not finite.

    Errors: eps ‖A‖ in H; in derivatives and Q, times ‖A‖ over the product of subdiagonal entries at worst.
    Cost: n reflections of all of A, a level-2 algorithm; a derivative takes as much.
    Source: Golub and Van Loan, Matrix Computations (2013), section 7.4; the derivative is that of a Krylov
    basis: Krämer et al., Gradients of functions of large matrices (2024), arXiv 2405.17277.
    """
    A = square(A, "hessenberg")
    H, Q = hessenberg_p.bind(A) if A.size else (A, A)
    return (H, Q) if calc_q else H


def _evaluate(A):
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    HQ = jnp.vectorize(_reflected, signature="(n,n)->(n,n),(n,n)")(jnp.where(finite, A, 0))
    return tuple(jnp.where(finite, X, jnp.nan) for X in HQ)


def _reflected(A):
    i = jnp.arange(len(A))
    eye = jnp.where(row_minus_column(A) == 0, A * 0 + 1, A * 0)  # of A's type on a mesh

    def step(state, j):
        H, Q = state
        v, tau = _reflection(jnp.where(i > j, H[:, j], 0), j + 1)
        H = H - tau.conj() * v[:, None] * matmul(
            v.conj()[None, :], H
        )  # (I - τ v vᴴ)ᴴ H (I - τ v vᴴ)
        H, Q = (X - tau * matmul(X, v[:, None]) * v.conj()[None, :] for X in (H, Q))
        return (jnp.where((i[:, None] > j + 1) & (i[None, :] == j), 0, H), Q), None

    H, Q = lax.scan(step, (A, eye), jnp.arange(max(len(A) - 1, 0)))[0]
    return jnp.where(row_minus_column(H) == 1, H.real.astype(H.dtype), H), Q


def _reflection(x, k):
    """v with v_k = 1 and τ, for which (I - τ v vᴴ)ᴴ x = β e_k, x being 0 before k."""
    scale = jnp.abs(x).max()
    x = x / jnp.where(scale > 0, scale, 1).astype(x.dtype)
    head, rest = x[k], x.at[k].set(0)
    size = jnp.sqrt((jnp.abs(x) ** 2).sum())
    beta = jnp.where(head.real < 0, size, -size).astype(x.dtype)
    done = (rest == 0).all() & (head.imag == 0)
    divisor = jnp.where(done, 1, head - beta)
    tau = jnp.where(done, 0, (beta - head) / jnp.where(done, 1, beta))
    return (rest / divisor).at[k].set(1), tau


hessenberg_p = native_primitive("hessenberg_form", _evaluate)


def _jvp(primals, tangents):
    (A,), (E,) = primals, tangents
    H, Q = hessenberg_p.bind(A)
    if type(E) is ad.Zero:
        return (H, Q), tuple(map(zero, (H, Q)))
    M = matmul(matmul(Q.mT.conj(), E), Q)
    turn = _skew(_turn(H, M))
    moved = M + matmul(H, turn) - matmul(turn, H)
    below = row_minus_column(H)
    moved = jnp.where(below > 1, 0, jnp.where(below == 1, moved.real.astype(H.dtype), moved))
    return (H, Q), (moved, matmul(Q, turn))


ad.primitive_jvps[hessenberg_p] = _jvp


def _turn(H, M):
    """Ω on and below its diagonal, its first column 0."""
    H0 = lax.stop_gradient(H)

    def equations(K):
        W = _skew(_lower(K))
        return _lower(_shifted(matmul(W, H) - matmul(H, W)))

    def solve(_, rhs):
        return jnp.vectorize(_columns, signature="(n,n),(n,n)->(n,n)")(H0, rhs)

    def transposed(_, cotangent):
        return jax.linear_transpose(lambda rhs: solve(None, rhs), cotangent)(cotangent)[0]

    return lax.custom_linear_solve(equations, _lower(_shifted(M)), solve, transposed)


def _columns(H, rhs):
    """(*), its right-hand side moved one column to the right."""
    n, i = len(H), jnp.arange(len(H))
    if n < 2:
        return 0 * rhs
    subdiagonal = jnp.diagonal(H, -1)
    rounding = _ZERO * n * jnp.finfo(H.dtype).eps * norm(H)[0]
    subdiagonal = jnp.where(jnp.abs(subdiagonal) <= rounding, jnp.nan, subdiagonal)

    def column(W, j):
        h = H[:, j]
        known = matmul(H, W[:, j, None])[:, 0] - matmul(W, jnp.where(i <= j, h, 0)[:, None])[:, 0]
        new = (rhs[:, j + 1] + known) / subdiagonal[j]
        new = jnp.where(i > j + 1, new, jnp.where(i == j + 1, _imaginary(new), 0))
        above = jnp.where(i <= j, -W[j + 1].conj(), 0)
        return W.at[:, j + 1].set(new + above), None

    W = lax.scan(column, rhs * 0, jnp.arange(n - 1))[0]
    return _lower(W)


def _imaginary(X):
    """i Im X: 0 in real arithmetic."""
    return (X - X.conj()) / 2 if jnp.iscomplexobj(X) else jnp.zeros_like(X)


def _lower(K):
    """What is free in Ω: the lower triangle without the first column, imaginary on the diagonal."""
    below = row_minus_column(K)
    kept = jnp.where(below > 0, K, jnp.where(below == 0, _imaginary(K), 0))
    return kept.at[..., :, 0].set(0)


def _skew(K):
    """Ω from its lower triangle."""
    return K - jnp.where(row_minus_column(K) > 0, K, 0).mT.conj()


def _shifted(X):
    """Column j moved to column j + 1."""
    return jnp.roll(X, 1, -1)

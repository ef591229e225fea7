"""A = U diag(σ) Vᴴ, m >= n, as one operation, whose derivative of a pair divides by its own gaps alone.

(u_j, v_j)/√2 is an eigenvector of [0, A; Aᴴ, 0] for σ_j, so all is as in `_decomposition`. Differentiate
A v_j = σ_j u_j and Aᴴ u_j = σ_j v_j, and fix the common phase. For all columns, X = U̇ and Y = V̇:

    X Σ - A Y + U diag(μ) = Ȧ V,    Y Σ - Aᴴ X + V diag(μ) = Ȧᴴ U,    diag(Uᴴ X + Vᴴ Y) = 0,        (*)

    solved by   P = Uᴴ Ȧ V = T + S, T Hermitian and S skew,   μ = diag T,
                X = U (K ∘ T + L ∘ S) + (Ȧ V - U P) Σ⁻¹,      K_ij = 1/(σ_j - σ_i), K_ii = 0,
                Y = V (K ∘ T - L ∘ S),                        L_ij = 1/(σ_j + σ_i).

JAX gets to see (*). K = 0 in a cluster of equal singular values. Those at zero are one cluster with the
null space, since -σ is an eigenvalue as well: L and Σ⁻¹ are zero there too. Columns of a cluster have the
derivative of some basis of it, and second derivatives that are NaN, unless they vanish. `_svd` audits them.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._matmul import matmul
from ._clusters import has_twin, tied, vanishing
from ._decomposition import diagonal, embed, forbid, inverse_gaps
from ._native import native_primitive, zero


def factors(A, full_matrices):
    """LAPACK's U, σ and V; NaN for a matrix that is not finite."""
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    U, s, Vh = jnp.linalg.svd(jnp.where(finite, A, 0), full_matrices=full_matrices)
    U, V = (jnp.where(finite, X, jnp.nan) for X in (U, Vh.mT.conj()))
    return U, jnp.where(finite[..., 0], s, jnp.nan), V


def singular(A):
    """U, σ descending, V, with the derivatives of some basis at ties. A must not be wide."""
    return tuple(singular_p.bind(A))


singular_p = native_primitive("singular_value_decomposition", lambda A: factors(A, False))


def _jvp(primals, tangents):
    (A,), (E,) = primals, tangents
    U, s, V = singular(A)
    if type(E) is ad.Zero:
        return (U, s, V), (zero(U), zero(s), zero(V))
    X, Y, T, _ = perturbation(A, U, s, V, E)
    return (U, s, V), (X, diagonal(T).real, Y)


ad.primitive_jvps[singular_p] = _jvp


def perturbation(A, U, s, V, E):
    """X, Y and T of (*), and Ȧ V."""
    U0, s0, V0 = lax.stop_gradient((U, s, V))
    same, none = tied(-s0), vanishing(s0)
    twin = has_twin(same) | none
    K = inverse_gaps(s0, same).astype(V.dtype)
    both = none[..., :, None] & none[..., None, :]
    sums = s0[..., :, None] + s0[..., None, :]
    L = jnp.where(both, 0, 1 / jnp.where(both, 1, sums)).astype(V.dtype)
    inverse = jnp.where(none, 0, 1 / jnp.where(none, 1, s0))[..., None, :].astype(V.dtype)
    sigma = s[..., None, :].astype(V.dtype)

    def equations(unknown):
        X, Y, T = unknown
        mu = diagonal(T)[..., None, :]
        above = X * sigma - matmul(A, Y) + U * mu
        below = Y * sigma - matmul(A.mT.conj(), X) + V * mu
        phases = embed((U.conj() * X).sum(-2) + (V.conj() * Y).sum(-2))
        return tuple(forbid(x, twin) for x in (above, below, phases))

    def solve(_, rhs):
        above, below, phases = rhs
        P, Q = matmul(U0.mT.conj(), above), matmul(V0.mT.conj(), below)
        T, S = (P + Q) / 2, (P - Q) / 2
        even, odd = K * T + embed(diagonal(phases)) / 2, L * S
        X = matmul(U0, even + odd - P * inverse) + above * inverse
        return X, matmul(V0, even - odd), T

    def transposed(_, cotangents):
        X, Y, T = cotangents
        left, right = matmul(U0.mT, X), matmul(V0.mT, Y)
        even, S = left + right, L * (left - right)
        T = T + K * even
        above = matmul(U0.conj(), (T + S) / 2 - left * inverse) + X * inverse
        return above, matmul(V0.conj(), (T - S) / 2), embed(diagonal(even)) / 2

    above, below = matmul(E, V), matmul(E.mT.conj(), U)
    rhs = above, below, 0 * below  # JAX transposes a right-hand side linear in E as a whole
    return *lax.custom_linear_solve(equations, rhs, solve, transposed), above

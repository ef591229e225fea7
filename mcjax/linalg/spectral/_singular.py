"""A = U diag(σ) Vᴴ, m >= n, as one operation, whose derivative of a pair divides by its own gaps alone.

(u_j, v_j)/√2 is an eigenvector of [0, A; Aᴴ, 0] for σ_j, so all is as in `_decomposition`. Differentiate
A v_j = σ_j u_j and Aᴴ u_j = σ_j v_j, and fix the common phase. For all columns, X = U̇ and Y = V̇:

    X Σ - A Y + U diag(μ) = Z V,   Y Σ - Aᴴ X + V diag(μ) = Zᴴ U,   diag(Uᴴ X + Vᴴ Y) = 0,   Z = Ȧ,    (*)

    solved by   P = Uᴴ Ȧ V = T + S, T Hermitian and S skew,   μ = diag T,
                X = U (K ∘ T + L ∘ S) + (Ȧ V - U P) Σ⁻¹,      K_ij = 1/(σ_j - σ_i), K_ii = 0,
                Y = V (K ∘ T - L ∘ S),                        L_ij = 1/(σ_j + σ_i).

Z is an unknown so that a gradient is Z̄, one matrix, and not Ȧ V and Ȧᴴ U are put together: two products
less. The term in Σ⁻¹ is what leaves the span of U, so that there is none for square A.
JAX gets to see (*). K = 0 in a cluster of equal singular values. Those at zero are one cluster with the
null space, since -σ is an eigenvalue as well: L and Σ⁻¹ are zero there too. Columns of a cluster have the
derivative of some basis of it, and second derivatives that are NaN, unless they vanish. `_svd` audits them.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._matmul import matmul, transposed_matmul
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
    """X, Y, T and Z of (*)."""
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
        X, Y, T, Z = unknown
        mu = diagonal(T)[..., None, :]
        above = X * sigma - matmul(A, Y) + U * mu - matmul(Z, V)
        below = Y * sigma - matmul(A.mT.conj(), X) + V * mu - matmul(Z.mT.conj(), U)
        phases = embed((U.conj() * X).sum(-2) + (V.conj() * Y).sum(-2))
        return *(forbid(x, twin) for x in (above, below, phases)), Z + _linear_zeros(A)

    def solve(_, rhs):
        above, below, phases, Z = rhs
        M = matmul(Z, V0)
        P = matmul(U0.mT.conj(), M)
        Q = P.mT.conj() + matmul(V0.mT.conj(), below)
        P, above = P + matmul(U0.mT.conj(), above), M + above
        T, S = (P + Q) / 2, (P - Q) / 2
        even, odd = K * T + embed(diagonal(phases)) / 2, L * S
        return spread(U0, even + odd, P, above), matmul(V0, even - odd), T, Z

    def transposed(_, cotangents):
        X, Y, T, Z = cotangents
        left, right = transposed_matmul(U0, X), transposed_matmul(V0, Y)
        even, S = left + right, L * (left - right)
        T = T + K * even
        P, Q = (T + S) / 2, (T - S) / 2
        above, below = spread(U0.conj(), P, left, X), matmul(V0.conj(), Q)
        M = spread(U0.conj(), P + Q.mT.conj(), left, X)
        return above, below, embed(diagonal(even)) / 2, Z + matmul(M, V0.mT)

    def spread(U, C, P, Y):
        """U C + (Y - U P) Σ⁻¹, where P are the coordinates of Y."""
        if A.shape[-2] == A.shape[-1]:
            return matmul(U, C)
        return matmul(U, C - P * inverse) + Y * inverse

    # JAX transposes a right-hand side that is linear in E as a whole.
    nothing = _linear_zeros(E)
    square = nothing[..., : A.shape[-1], :]
    return lax.custom_linear_solve(equations, (nothing, square, square, E), solve, transposed)


def _linear_zeros(E):
    """0 E, which XLA sees to be zero."""
    return jnp.pad(E[..., :0], [(0, 0)] * (E.ndim - 1) + [(0, E.shape[-1])])

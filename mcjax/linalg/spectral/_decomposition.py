"""A = V diag(w) Vᴴ as one operation, whose derivative of a column divides by its own gaps alone.

Differentiate A v_j = λ_j v_j and fix the phase, v_jᴴ v̇_j = 0. For all columns, X = V̇:

    X Λ - A X + V diag(μ) = Ȧ V,      diag(Vᴴ X) = 0,                                        (*)
    solved by   T = Vᴴ Ȧ V,    μ = diag T,    X = V (K ∘ T),   K_ij = 1/(λ_j - λ_i), K_ii = 0.

X = V (K ∘ T) is the rule of JAX. Its next derivative turns v_i inside a tie although x_j, of λ_j apart
from the tie, does not depend on that. Differentiating the equation (*) instead, column j sees A, λ_j
and v_j and nothing else, at every order. So (*) is what JAX gets to see (`custom_linear_solve`).

In a cluster of equal eigenvalues K = 0: the first derivative then is that of some basis of the
cluster. Second derivatives of its columns are NaN, unless they vanish. `_eigh` audits both.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._matmul import matmul, row_minus_column, transposed_matmul
from ._clusters import has_twin, tied
from ._native import native_primitive, zero


def evaluate(A):
    """LAPACK's w and V; NaN for a matrix that is not finite."""
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    A = jnp.where(finite, A, jnp.zeros_like(A))  # LAPACK loops on infinities
    w, V = jnp.linalg.eigh(A, symmetrize_input=False)
    return jnp.where(finite[..., 0], w, jnp.nan), jnp.where(finite, V, jnp.nan)


decomposition_p = native_primitive("eigendecomposition", evaluate)


def decomposition(A):
    """w ascending and V, with the derivatives of some basis at ties. A must be Hermitian."""
    return tuple(decomposition_p.bind(A))


def _jvp(primals, tangents):
    (A,), (E,) = primals, tangents
    w, V = decomposition(A)
    if type(E) is ad.Zero:
        return (w, V), (zero(w), zero(V))
    T, X = perturbation(A, w, V, E)
    return (w, V), (diagonal(T).real, X)


ad.primitive_jvps[decomposition_p] = _jvp


def perturbation(A, w, V, E):
    """T and X of (*)."""
    w0, V0 = lax.stop_gradient((w, V))
    same = tied(w0)
    twin = has_twin(same)
    K = inverse_gaps(w0, same).astype(V.dtype)

    def equations(TX):
        T, X = TX
        residual = X * w[..., None, :].astype(V.dtype) - matmul(A, X)
        residual = residual + V * diagonal(T)[..., None, :]
        return forbid(residual, twin), forbid(embed((V.conj() * X).sum(-2)), twin)

    def solve(_, rhs):
        N, R = rhs
        T = matmul(V0.mT.conj(), N)
        return T, matmul(V0, K * T + _on_diagonal(R))

    def transposed(_, cotangents):
        T, X = cotangents
        Y = transposed_matmul(V0, X)
        return matmul(V0.conj(), T + K * Y), _on_diagonal(Y)

    N = matmul(E, V)
    # JAX transposes a right-hand side that is linear in E as a whole; a NaN stays in its column.
    return lax.custom_linear_solve(equations, (N, 0 * N), solve, transposed)


def inverse_gaps(w, same):
    """K, 0 inside clusters."""
    gaps = w[..., None, :] - w[..., :, None]
    return jnp.where(same, 0, 1 / jnp.where(same, 1, gaps))


def forbid(X, twin):
    """X, where columns in a tie may not be but zero: a linear map, 0 ↦ 0 and all else to NaN."""
    poison = lambda _, X: jnp.where(twin[..., None, :] & (X != 0), jnp.nan, X)  # noqa: E731
    return lax.custom_linear_solve(lambda X: X, X, poison, poison)


def undefined(x, twin):
    """x (..., n), NaN where an eigenvalue is tied: a linear map whose transpose is NaN if that is used."""

    def backwards(_, x):
        return jnp.where(twin & (x != 0), jnp.nan, x)

    return lax.custom_linear_solve(
        lambda x: x, x, lambda _, x: jnp.where(twin, jnp.nan, x), backwards
    )


def diagonal(X):
    """A sum, whose transpose no mesh of devices minds, as it would the scatter of `jnp.diagonal`."""
    return _on_diagonal(X).sum(-2)


def _on_diagonal(X):
    return jnp.where(row_minus_column(X) == 0, X, jnp.zeros((), X.dtype))


def embed(d):
    """diag(d) over a batch."""
    return _on_diagonal(jnp.broadcast_to(d[..., None, :], (*d.shape, d.shape[-1])))

"""The principal square root of a matrix.

The scaled product form of the Denman-Beavers iteration (Cheng, Higham, Kenney & Laub 2001),

    M ← ½ (I + ½ (μ² M + μ⁻² M⁻¹)),    X ← ½ μ X (I + μ⁻² M⁻¹),    from M = X = A,

is Newton's method for sign([[0, A], [I, 0]]): X² = A M holds throughout, M → I and X → A^{1/2}
quadratically. With μ = (‖M⁻¹‖/‖M‖)^{1/4} the number of steps hardly depends on the conditioning.
Only inverses and products: no Schur form, which no GPU has.

Each step squares M - I, up to a factor. So once ‖M - I‖ = δ <= √eps, a last step leaves an error δ²
in X. In its k-th derivative, m steps leave δ^{2^m - k}: one step more for k = 1, two for k = 2 and 3.
Identity for the derivative:  X L + L X = E,  L = D sqrtm(A)[E].

Hermitian A ⪰ 0: f(λ) = √λ (`_funm`); rounding may leave λ slightly below 0, which counts as 0.
"""

from functools import cache

import jax.numpy as jnp
from jax import lax

from ..._core._check import square
from ..._core._matmul import add_diagonal, matmul
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import size
from ..._core._shapes import Square
from ._funm import funm

_MOST_STEPS = 100  # an eigenvalue at angle π - φ takes log2(1/φ) steps; on the branch cut no number


def sqrtm(A: Square, *, hermitian: bool = False) -> Square:
    """Principal square root: X X = A, eigenvalues of X in the open right half-plane.

    Identity: X L + L X = E for L = D sqrtm(A)[E].

    Args:
      A: (..., n, n), real or complex, no eigenvalue on the closed negative real axis.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used; A may then be singular.

    Returns:
      X of A's shape and dtype. NaN where there is no principal root of that dtype: eigenvalues that
      are negative (also for complex A, where the branch is undecided) or zero (with `hermitian`,
      only the derivative is infinite there). SciPy returns a complex root of a real matrix with
      negative eigenvalues on one side of the branch cut: rotate A off the cut for that.

    Errors: eps times the condition number of the root; near the negative axis, at an eigenvalue of
      angle π - φ, eps/φ² (the iteration squares it).

    Cost: about 8 inverses and products, a gradient about twice that; with `hermitian`, one
    eigendecomposition. Source: Higham, Functions of Matrices (2008), section 6.3.
    """
    A = square(A, "sqrtm")
    root = size(lax.stop_gradient(A), 2)
    scaled = A / root / root
    if hermitian:
        return root * funm(scaled, _clipped_root(A.shape[-1], A.dtype.name), hermitian=True)
    return root * matrix_function(denman_beavers, scaled)


@cache
def _clipped_root(n, dtype):
    tolerance = n * float(jnp.finfo(dtype).eps)
    return lambda x: jnp.sqrt(jnp.where((x < 0) & (x > -tolerance), 0.0, x))


def denman_beavers(A, order):
    """A^{1/2} and, in `order` derivatives of this, its derivatives."""
    tolerance = jnp.finfo(A.dtype).eps ** 0.5

    def distance(M):
        return _norm(add_diagonal(lax.stop_gradient(M), -1.0))

    def scaled_step(state):
        k, M, X, active = state
        inverse = jnp.linalg.inv(M)
        mu2 = lax.stop_gradient(jnp.sqrt(_norm(inverse) / _norm(M))).astype(A.dtype)
        stepped = _step(mu2, M, X, inverse)
        M, X = (jnp.where(active, new, old) for new, old in zip(stepped, (M, X), strict=True))
        return k + 1, M, X, active & (distance(M) > tolerance)

    def unfinished(state):
        k, *_, active = state
        return (k < _MOST_STEPS) & active.any()

    start = (jnp.zeros_like(_norm(A), shape=()), A, A, distance(A) > tolerance)
    _, M, X, active = lax.while_loop(unfinished, scaled_step, start)
    for _ in range(1 + order.bit_length()):
        M, X = _step(1.0, M, X, jnp.linalg.inv(M))
    return X * jnp.where(active, jnp.nan, 1.0).astype(X.dtype)  # a product: derivatives are NaN too


def _step(mu2, M, X, inverse):
    scaled = inverse / mu2
    return add_diagonal((mu2 * M + scaled) / 4, 0.5), jnp.sqrt(mu2) / 2 * (X + matmul(X, scaled))


def _norm(M):
    return jnp.sqrt((jnp.abs(M) ** 2).sum((-2, -1), keepdims=True))

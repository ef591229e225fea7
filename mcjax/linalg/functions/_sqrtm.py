"""The principal square root of a matrix.

The scaled product form of the Denman-Beavers iteration (Cheng, Higham, Kenney & Laub 2001),

    M ← ½ (I + ½ (μ² M + μ⁻² M⁻¹)),    X ← ½ μ X (I + μ⁻² M⁻¹),    from M = X = A,

is Newton's method for sign([[0, A], [I, 0]]): X² = A M holds throughout, M → I and X → A^{1/2}
quadratically. With μ = (‖M⁻¹‖/‖M‖)^{1/4} the number of steps hardly depends on the conditioning.
Only inverses and products: no Schur form, which no GPU has.

Each step squares M - I, up to a factor. So once ‖M - I‖ = δ <= √eps, a last step leaves an error δ²
in X. In its k-th derivative, m steps leave δ^{2^m - k}: one step more for k = 1, two for k = 2 and 3.

Of an ill-conditioned A rounding leaves an X whose square is A to fewer digits. Newton's step X + L with
X L + L X = A - X² puts that right, to the last digits where the residual is known to more of them: functions
of X may be better conditioned than X. Identity for the derivative:  X L + L X = E,  L = D sqrtm(A)[E].

Hermitian A ⪰ 0: f(λ) = √λ (`_funm`); rounding may leave λ slightly below 0, which counts as 0.
"""

from functools import cache, partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ..._core._check import hermitian_part, square
from ..._core._evaluate import evaluate
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import size
from ..._core._shapes import Square
from ._condition import branch_distance, funm_cond
from ._funm import funm

_MOST_STEPS = 100  # an eigenvalue at angle π - φ takes log2(1/φ) steps; on the branch cut no number
_MOST_CORRECTIONS = 10  # from few digits; each doubles them, until rounding


class SqrtmInfo(NamedTuple):
    """How `sqrtm` went.

    Attributes:
      iterations: of the Denman-Beavers iteration, a few steps at its end included.
      branch_distance: the smallest π - |arg λ| of the eigenvalues λ of A, 0 if one is 0; where it is φ,
        errors grow like 1/φ, and below about √eps there is no number.
      condition: the relative condition number of the root at A (`funm_cond`).
    """

    iterations: Int[Array, "*batch"]
    branch_distance: Float[Array, "*batch"]
    condition: Float[Array, "*batch"]


def sqrtm(
    A: Square, *, hermitian: bool = False, with_info: bool = False
) -> Square | tuple[Square, SqrtmInfo]:
    """Principal square root: X X = A, eigenvalues of X in the open right half-plane.

    Identity: X L + L X = E for L = D sqrtm(A)[E].

    Args:
      A: (..., n, n), real or complex, no eigenvalue on the closed negative real axis.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used; A may then be singular.
      with_info: return a `SqrtmInfo` too, at the cost of forty derivatives. It has none itself.

    Returns:
      X of A's shape and dtype. NaN where there is no principal root of that dtype: eigenvalues that
      are negative (also for complex A, where the branch is undecided) or zero (with `hermitian`,
      only the derivative is infinite there; a zero that rounding moved is what it became). SciPy
      returns a complex root of a real matrix with negative eigenvalues, on one side of the branch cut:
      rotate A off the cut for that.

    Errors: eps times the condition number of the root, which is 1/φ for an eigenvalue of angle π - φ.
      Often less: where rounding is magnified it is corrected. NaN where the iteration leaves less than
      half of the digits: φ below about √eps, or ‖X‖² beyond some 10⁷ ‖A‖ (double precision).

    Cost: about 8 inverses and products, a gradient about twice that; with `hermitian`, one
    eigendecomposition. Source: Higham, Functions of Matrices (2008), section 6.3.
    """
    A = square(A, "sqrtm")
    root = size(lax.stop_gradient(A), 2)
    scaled = A / root / root
    if hermitian:
        X = root * funm(scaled, _clipped_root(A.shape[-1], A.dtype.name), hermitian=True)
    else:
        X = root * matrix_function(denman_beavers, scaled)
    return (X, _info(scaled, hermitian)) if with_info else X


def _info(A, hermitian):
    A = lax.stop_gradient(hermitian_part(A) if hermitian else A)
    iterations = jnp.zeros(A.shape[:-2], "int32") if hermitian else evaluate(_iterations, A)[0]
    condition = funm_cond(partial(sqrtm, hermitian=hermitian), A)
    return SqrtmInfo(iterations, branch_distance(A), condition)


def _iterations(A):
    return (_converge(A)[0][..., 0, 0].astype("int32") + 1,)


@cache
def _clipped_root(n, dtype):
    tolerance = n * float(jnp.finfo(dtype).eps)
    return lambda x: jnp.sqrt(jnp.where((x < 0) & (x > -tolerance), 0.0, x))


def denman_beavers(A, order):
    """A^{1/2} and, in `order` derivatives of this, its derivatives."""
    _, M, X, active = _converge(A)
    for _ in range(1 + order.bit_length()):
        M, X = _step(1.0, M, X, jnp.linalg.inv(M))
    X, error = _refined(X, A, order)
    failed = active | ~(error <= jnp.finfo(A.dtype).eps ** 0.5)
    return X * jnp.where(failed, jnp.nan, 1.0).astype(X.dtype)  # a product: derivatives are NaN too


def _refined(X, A, order):
    """X, corrected where A - X² is more than rounding, and ‖A - X²‖/‖X‖².

    After the value each derivative needs a step: it flows through the residual alone.
    """
    rounding = A.shape[-1] * jnp.finfo(A.dtype).eps

    def error(X):
        return lax.stop_gradient(norm(A - matmul(X, X)) / norm(X) ** 2)

    def unfinished(state):
        k, _, left = state
        return (k < _MOST_CORRECTIONS + order) & (left > 0).any()

    def corrected(state):
        k, X, left = state
        X = X + jnp.where(left > 0, _newton_step(X, A), jnp.zeros_like(X))
        return k + 1, X, jnp.where(error(X) > rounding, left, left - 1)

    left = jnp.where(error(X) > rounding, order + 1, 0)
    _, X, _ = lax.while_loop(unfinished, corrected, (0, X, left))
    return X, error(X)


def _newton_step(X, A):
    """L with X L + L X = R = A - X²: L = U L U + (1 - U) R (1 - U)/2p for U = (X + p)⁻¹ (X - p), p > 0.

    By doubling. Of the eigenvalues λ² of A and λ of X the means are not both small, near the cut either:
    mean |λ|² = 2 mean (Re λ)² - Re mean λ².
    """
    frozen = lax.stop_gradient((X, A))
    mean, square = (jnp.trace(M, axis1=-2, axis2=-1).real / X.shape[-1] for M in frozen)
    p = jnp.maximum(mean, jnp.sqrt(jnp.abs(square))).astype(X.dtype)[..., None, None]
    U = jnp.linalg.solve(add_diagonal(frozen[0], p), add_diagonal(frozen[0], -p))
    small = jnp.finfo(X.dtype).eps ** 0.25  # its square is what is left undone

    def unfinished(state):
        k, U, _ = state
        return (k < _MOST_STEPS) & (norm(U) > small).any()

    def doubled(state):
        k, U, L = state
        return k + 1, matmul(U, U), L + matmul(matmul(U, L), U)

    R = _residual(X, A)
    R = R - matmul(U, R)
    R = R - matmul(R, U)
    return lax.while_loop(unfinished, doubled, (0, U, R / (2 * p)))[2]


def _residual(X, A):
    """A - X² to half as many digits more than a product has: rounding of ‖X‖² may be large beside A.

    With H the first half of the digits of X, products and sums in H² are exact.
    """
    H = lax.stop_gradient(X)
    digits = (jnp.finfo(X.dtype).nmant - (2 * X.shape[-1] - 1).bit_length()) // 2
    unit = size(H) / 2**digits
    H = jnp.round(H / unit) * unit
    return A - matmul(H, H) - (matmul(H, X - H) + matmul(X - H, X))


def _converge(A):
    """The number of steps to M ≈ I, M and X, and where it has failed."""
    tolerance = jnp.finfo(A.dtype).eps ** 0.5

    def distance(M):
        return norm(add_diagonal(lax.stop_gradient(M), -1.0))

    def scaled_step(state):
        steps, M, X, active = state
        inverse = jnp.linalg.inv(M)
        mu2 = lax.stop_gradient(jnp.sqrt(norm(inverse) / norm(M))).astype(A.dtype)
        stepped = _step(mu2, M, X, inverse)
        M, X = (jnp.where(active, new, old) for new, old in zip(stepped, (M, X), strict=True))
        return steps + active.astype(steps.dtype), M, X, active & (distance(M) > tolerance)

    def unfinished(state):
        steps, *_, active = state
        return ((steps < _MOST_STEPS) & active).any()

    start = (jnp.zeros_like(norm(A)), A, A, distance(A) > tolerance)
    return lax.while_loop(unfinished, scaled_step, start)


def _step(mu2, M, X, inverse):
    scaled = inverse / mu2
    return add_diagonal((mu2 * M + scaled) / 4, 0.5), jnp.sqrt(mu2) / 2 * (X + matmul(X, scaled))

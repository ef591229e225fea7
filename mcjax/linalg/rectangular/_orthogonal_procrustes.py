"""The orthogonal Procrustes problem: the unitary R with ‖A R - B‖ least.

‖A R - B‖² = ‖A‖² + ‖B‖² - 2 Re tr(Rᴴ M) with M = Aᴴ B, so R is the polar factor of M (`_polar`), and
the largest value of Re tr(Rᴴ M) is the sum of M's singular values. There Re tr(dRᴴ M) = 0:

    D scale[dA, dB] = Re ⟨dA R, B⟩ + Re ⟨A R, dB⟩,    ⟨X, Y⟩ = tr(Xᴴ Y).

R has no size: it is the polar factor of A'ᴴ B', A' and B' being A and B over powers of two near their
largest entries. Neither are there products of A with B in the derivatives of the scale, which is ⟨A R, B⟩.
"""

import jax
import jax.numpy as jnp

from ..._core._check import matrix, same_dtype
from ..._core._matmul import matmul
from ..._core._power_of_two import size
from ..._core._shapes import Rectangle
from ._isometry import isometry


def orthogonal_procrustes(A: Rectangle, B: Rectangle) -> tuple[jax.Array, jax.Array]:
    """The unitary R with ‖A R - B‖ least: SciPy's `orthogonal_procrustes`, with derivatives.

    Identity: R is the polar factor of M = Aᴴ B, and D scale[dM] = Re tr(Rᴴ dM).

    Args:
      A, B: (..., m, n), with broadcasting batches.

    Returns:
      R, (..., n, n), orthogonal or unitary; scale, (...), the sum of the singular values of Aᴴ B:
      (scale / ‖A‖²) A R is the nearest multiple. Derivatives of both exist where Aᴴ B is regular;
      where it is singular, to rounding, R is one of many and they are NaN.

    Cost: one product and one SVD of size n; the gradient another. Source: Schönemann, Psychometrika
    31 (1966) 1.
    """
    A, B = same_dtype(matrix(A, "orthogonal_procrustes"), matrix(B, "orthogonal_procrustes"))
    if A.shape[-2:] != B.shape[-2:]:
        raise ValueError(
            f"orthogonal_procrustes: A and B must have one shape (..., m, n), got {A.shape} and "
            f"{B.shape}; the rows of both are the points that are matched"
        )
    A, B = jnp.broadcast_arrays(A, B)
    M = matmul(_unit(A).mT.conj(), _unit(B))
    R = isometry(M, rank=M.shape[-1])
    return R, _scale(A, B, R)


def _unit(A):
    return A / size(jax.lax.stop_gradient(A))


def _dot(X, Y):
    """Re ⟨X, Y⟩."""
    return (X.conj() * Y).real.sum((-2, -1))


@jax.custom_jvp
def _scale(A, B, R):
    a, b = (size(X)[..., 0, 0].real for X in (A, B))
    return _dot(matmul(_unit(A), R), _unit(B)) * jnp.minimum(a, b) * jnp.maximum(a, b)


@_scale.defjvp
def _scale_jvp(primals, tangents):
    A, B, R = primals
    dA, dB, dR = tangents
    stationary = 0 * dR.real.sum((-2, -1))  # NaN where R is one of many
    return _scale(A, B, R), _dot(matmul(dA, R), B) + _dot(matmul(A, R), dB) + stationary

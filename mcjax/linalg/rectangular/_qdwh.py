"""The isometry U of A = U P without an SVD: the dynamically weighted Halley iteration (QDWH).

    X ← X (a I + b XᴴX)(I + c XᴴX)⁻¹

takes each singular value l to l (a + b l²) / (1 + c l²), towards 1. The weights a, b and c that raise the
least one most depend on it alone. With the least one that A of full rank can have to rounding, eps / n,
they are numbers, six triples for float64. jax's QDWH stops earlier where it can, in a loop in which the
devices that share a batch would wait for one another. A step is a QR factorisation, stable at any l,

    [√c X; I] = [Q₁; Q₂] R,     X ← (b/c) X + (a - b/c) / √c Q₁ Q₂ᴴ.

Source: Nakatsukasa, Bai and Gygi, SIAM J. Matrix Anal. Appl. 31 (2010) 2700.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from ..._core._matmul import add_diagonal, matmul
from ..._core._shapes import Rectangle
from ._isometry import StepPotential
from ._odd_function import odd_function


def isometry_by_qdwh(A: Rectangle) -> Rectangle:
    """U Vᴴ, or NaN where the iteration finds no isometry. Derivatives are those of `isometry`."""
    return odd_function(_ByQDWH(min(A.shape[-2:]), 0.0), A)


class _ByQDWH(StepPotential):
    """The potential of the isometry, with another algorithm for its gradient."""

    def derivative(self, point, directions, slots, dual):
        if directions:
            return super().derivative(point, directions, slots, dual)
        (A,) = point
        return jnp.vectorize(_pair, signature="(m,n)->(m,n)")(A)


def _pair(A):
    """U; for complex A, of A above Ā, Ū above U (`odd_function`)."""
    if not jnp.iscomplexobj(A):
        return _qdwh(A)
    U = _qdwh(A[: len(A) // 2])
    return jnp.concatenate([U.conj(), U])


def _qdwh(A):
    n, eps = A.shape[1], float(jnp.finfo(A.dtype).eps)
    Q, X = jnp.linalg.qr(A)
    X = X / jnp.abs(X).max().astype(X.dtype)
    X = X / jnp.sqrt((jnp.abs(X) ** 2).sum()).astype(X.dtype)
    for a, b, c in _weights(eps / n, eps):
        stacked, _ = jnp.linalg.qr(jnp.concatenate([c**0.5 * X, jnp.eye(n, dtype=X.dtype)]))
        Q1, Q2 = jnp.split(stacked, 2)
        X = b / c * X + (a - b / c) / c**0.5 * matmul(Q1, Q2.mT.conj())
    defect = jnp.abs(add_diagonal(matmul(X.mT.conj(), X), -1.0)).max()
    return matmul(Q, jnp.where(defect <= 100 * n * eps, X, jnp.nan))


def _weights(least: float, eps: float) -> Iterator[tuple[float, float, float]]:
    """a, b and c of every step, while the least singular value is not 1."""
    while 1 - least > 10 * eps:
        square = least**2
        d = np.cbrt(4 * (1 - square) / square**2)
        root = np.sqrt(1 + d)
        a = float(root + np.sqrt(8 - 4 * d + 8 * (2 - square) / (square * root)) / 2)
        b = (a - 1) ** 2 / 4
        c = a + b - 1
        yield a, b, c
        least *= (a + b * square) / (1 + c * square)

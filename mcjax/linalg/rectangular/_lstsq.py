"""Least squares and least norm: x = A⁺ b.

With the residual r = b - A x, and Π = A⁺ A the projector on the row space, x is the only solution of

    [ I   A          ] [ r ]   [ b ]        Aᴴ r lies in the row space and (I - Π) x in its complement,
    [ Aᴴ  c (Π - I)  ] [ x ] = [ 0 ],       so both are 0: the normal equations, and the least norm.

This square system is regular whatever the rank, so all derivatives are those of a linear equation
(`_core._solve`), with A and Π as its parameters. Rounding errors of the second row reach x through
(AᴴA)⁺; with c the square of the least singular value, those that are made of x come out as they are.
Π = Fᴴ F with F from `_isometry`, smooth while the rank is kept; A Π stands for A, which sets
the singular values to zero that count as zero. For the first derivative that gives

    D x[E] = A⁺ (db - E x) + A⁺ A⁺ᴴ Eᴴ r + (I - A⁺ A) Eᴴ A⁺ᴴ x              (Golub & Pereyra 1973),

and no derivative of a singular vector occurs. The solver is the SVD, and refinement of the augmented
system, as Björck has it (1967), makes its rounding errors those of the problem.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._check import matrix, same_dtype
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul
from ..._core._power_of_two import size
from ..._core._shapes import Rectangle
from ..._core._solve import sealed_solve
from ._isometry import isometry


def lstsq(
    a: Rectangle, b: jax.Array, rcond: float | None = None
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The x of least norm among those with ‖a x - b‖ least: NumPy's `lstsq`, with derivatives.

    Identity: D x[E] = -A⁺ E x + A⁺ A⁺ᴴ Eᴴ r + (I - A⁺ A) Eᴴ A⁺ᴴ x, r = b - A x, at constant rank.

    Args:
      a: A, (..., m, n), real or complex, of any rank; integers are promoted.
      b: (m,) or (..., m, k), with broadcasting batches; a batch of vectors needs b[..., None].
      rcond: singular values up to rcond times the largest count as zero; None for eps max(m, n).

    Returns:
      x, (n,) or (..., n, k). Its derivatives are right along changes of A that keep its rank; along
      others x jumps, and they are those of the part that does not.
      residuals, (1,) or (..., k): Σ |b - A x|², at any rank (NumPy's is empty below full rank).
      rank, (...), and the singular values, (..., min(m, n)), whose derivatives are JAX's, of first
      order and symmetric functions of them where they repeat.

    Errors: eps (κ ‖x‖ + κ² ‖r‖ / ‖A‖), as a backward stable method has; κ is of what is not cut off.

    Cost: two SVDs, a third for s, and products with thin matrices; the gradient one SVD more, of 2n
    rows if A is tall. Source: Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; Björck, BIT 7
    (1967) 1.
    """
    is_vector = np.ndim(b) == 1
    a, b = same_dtype(
        matrix(a, "lstsq"), matrix(jnp.asarray(b)[:, None] if is_vector else b, "lstsq")
    )
    m = a.shape[-2]
    if b.shape[-2] != m:
        raise ValueError(
            f"lstsq: a of shape {a.shape} needs b of shape ({m},) or (..., {m}, k), got "
            f"{b.shape[:1] if is_vector else b.shape}; for a batch of vectors pass b[..., None]"
        )
    rcond = _relative_cut(rcond, a)
    s = jnp.vectorize(_singular_values, signature="(m,n)->(p)")(a)
    rank = (s > rcond * s[..., :1]).sum(-1)
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (jnp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (a, b))
    solve = jnp.vectorize(partial(_solve_one, rcond), signature="(m,n),(m,k)->(n,k),(k)")
    x, residuals = solve(a, b)
    return x[..., 0] if is_vector else x, residuals, rank, s


def _relative_cut(rcond, A):
    eps = float(jnp.finfo(A.dtype).eps)
    if rcond is None:
        return eps * max(A.shape[-2:])
    if not isinstance(rcond, int | float | np.number):
        raise TypeError(f"lstsq: rcond must be a number or None, got {type(rcond).__name__}")
    return float(rcond) if rcond >= 0 else eps


def _singular_values(A):
    if not A.size:
        return jnp.zeros(min(A.shape), A.real.dtype)
    finite = jnp.isfinite(A).all()
    s = jnp.linalg.svd(jnp.where(finite, A, jnp.zeros_like(A)), compute_uv=False)
    return jnp.where(finite, s, jnp.nan)


def _solve_one(rcond, A, b):
    m, n = A.shape
    if not A.size or not b.size:
        return jnp.zeros((n, b.shape[1]), b.dtype), (b.conj() * b).real.sum(0)
    scale = size(lax.stop_gradient(A))
    A = A / scale
    F = isometry(A, rcond=rcond)
    rhs = jnp.pad(b, ((0, n), (0, 0)))
    factors = evaluate(_factor, lax.stop_gradient(A), lax.stop_gradient(F))
    parameters = (A, F, *factors)
    z = sealed_solve(_apply, _last_three, (_solve, _solve_transposed), parameters, rhs)
    r = z[:m]
    return z[m:] / scale, (r.conj() * r).real.sum(0)


def _apply(parameters, z):
    """The augmented system, with A Π for A."""
    A, F, _, inverse, _ = parameters
    r, x = z[: len(A)], z[len(A) :]
    row_x, row_Ar = (matmul(F.mT.conj(), matmul(F, y)) for y in (x, matmul(A.mT.conj(), r)))
    return jnp.concatenate([r + matmul(A, row_x), row_Ar + _weight(inverse) * (row_x - x)])


def _weight(inverse):
    """c, from 1/σ and zeros."""
    largest = jnp.abs(inverse).max()
    return jnp.where(largest > 0, 1 / largest**2, 1.0).astype(inverse.dtype)


def _factor(A, F):
    """The kept columns of U and V, and 1/σ; zeros for those that are not kept."""
    finite = jnp.isfinite(A).all()
    U, s, Vh = jnp.linalg.svd(jnp.where(finite, A, jnp.zeros_like(A)), full_matrices=False)
    kept = jnp.arange(len(s), dtype=s.dtype) < jnp.round((jnp.abs(F) ** 2).sum())
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1.0), 0.0)
    U, V = (jnp.where(kept[None, :], X, jnp.zeros_like(X)) for X in (U, Vh.mT.conj()))
    return U, inverse[:, None].astype(A.dtype), V


def _last_three(A, F, U, inverse, V):
    return U, inverse, V


def _solve(U, inverse, V, z):
    p, q = z[: len(U)], z[len(U) :]
    Up, Vq = matmul(U.mT.conj(), p), matmul(V.mT.conj(), q)
    r = p + matmul(U, inverse * Vq - Up)
    x = matmul(V, inverse * (Up - inverse * Vq)) + (matmul(V, Vq) - q) / _weight(inverse)
    return (jnp.concatenate([r, x]),)


def _solve_transposed(U, inverse, V, z):
    """The matrix is Hermitian, so its transpose is its conjugate."""
    return _solve(U.conj(), inverse, V.conj(), z)

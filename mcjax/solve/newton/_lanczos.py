"""The least eigenvalue of a Hessian, from products: does any direction curve down?

Lanczos's method from a vector in no order, which no symmetry of the problem makes orthogonal to the
eigenvector. The vectors q_j are orthogonalised twice against all before, so the Ritz values are those of
the projected matrix T = Q H Qᵀ to rounding. Where nothing is left of q_j, the space is invariant: the row
is zero, and so is an eigenvalue of T, which is not negative.

Source: Parlett, The Symmetric Eigenvalue Problem (1998), chapter 13.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..._core._axes import align
from ..._core._matmul import matmul
from ._truncated_cg import norm

STEPS = 32  # enough for an end of the spectrum that matters; exact for fewer parameters


class Curve(NamedTuple):
    """A unit vector v, least = vᵀHv < 0, and Hv; zeros if none is negative beyond rounding of the largest."""

    least: Array
    v: Array
    Hv: Array


def least_curvature(hessian: Callable, like: Array) -> Curve:
    """The direction of the most negative curvature that STEPS products find."""
    n, eps = like.size, jnp.finfo(like.dtype).eps
    if not n:
        return Curve(jnp.zeros((), like.dtype), like, like)
    scattered = jnp.sin(jnp.arange(1, n + 1, dtype=like.dtype) ** 2)

    def grow(carry, j):
        Q, HQ, q = carry
        size = norm(q)
        for _ in range(2):
            q = q - _combined(_combined(q, Q.T), Q)
        left = norm(q)
        q = jnp.where(left > 10 * n * eps * size, q / jnp.where(left > 0, left, 1), 0)
        Hq = hessian(q)
        return (Q.at[j].set(q), HQ.at[j].set(Hq), Hq), None

    rows, scattered, _ = align(jnp.zeros((min(n, STEPS), n), like.dtype), scattered, like)
    (Q, HQ, _), _ = lax.scan(grow, (rows, rows, scattered), jnp.arange(len(rows)))
    T = matmul(Q, HQ.T)
    values, vectors = jnp.linalg.eigh((T + T.T) / 2)
    rounding = min(100 * len(rows) * eps, eps**0.5)
    beyond = values[0] < -rounding * jnp.abs(values).max()
    curve = Curve(values[0], _combined(vectors[:, 0], Q), _combined(vectors[:, 0], HQ))
    return Curve(*(jnp.where(beyond, x, 0) for x in curve))


def _combined(c, Q):
    """Σ c_j q_j"""
    return matmul(c[None, :], Q)[0]

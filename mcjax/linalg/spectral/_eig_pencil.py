"""A x β = B x α in homogeneous form: the pencil is turned until its right matrix can be inverted.

For c² + s² = 1 let C = c B + s A and D = c A - s B. Then

    D x = μ C x   is   A x (c - μ s) = B x (s + μ c),       α = s + μ c,    β = c - μ s,

a rotation of (α, β), so that eigenvalues of the pencil are those of C⁻¹ D, an infinite one as good as any
other (β = 0). Derivatives are those of C⁻¹ D, with c and s constant. If uᴴ is a left eigenvector of C⁻¹ D,
uᴴ C⁻¹ is one of the pencil. Of eight angles, the one is taken whose C is best conditioned, or 0
where that is nearly as good. If all are singular, so is the pencil: det(A - λ B) = 0 for every λ.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ..._core._check import same_dtype, square
from ..._core._evaluate import evaluate
from ..._core._matmul import norm
from ..._core._power_of_two import nearest, size

_PREFER = 10  # times as ill-conditioned as the best C, B itself is still taken


class Turned(NamedTuple):
    """a, b, c and s, constants (..., 1, 1), with A = a (c D + s C) and B = b (c C - s D)."""

    C: Array
    D: Array
    scales: tuple[Array, Array, Array, Array]

    @property
    def quotient(self):
        """C⁻¹ D."""
        return jnp.linalg.solve(self.C, self.D) if self.C.size else self.D

    def homogeneous(self, mu):
        """(α, β) for an eigenvalue μ of C⁻¹ D."""
        return _normalized(mu, *(x[..., 0].astype(mu.dtype) for x in self.scales))


def turned(A, B, name):
    """The pencil, turned, of matrices of one batch."""
    A, B = same_dtype(square(A, name), square(B, name))
    if A.shape[-1] != B.shape[-1]:
        raise ValueError(
            f"{name}: a pencil is of two matrices of one size, got shapes {A.shape} and {B.shape}"
        )
    batch = jnp.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = (jnp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, B))
    if not A.size:
        one = jnp.ones((*batch, 1, 1), A.dtype)
        return Turned(B, A, (one, one, one, 0 * one))
    a, b = (lax.stop_gradient(size(X)) for X in (A, B))
    A, B = A / a, B / b
    c, s = evaluate(_best_angle, *lax.stop_gradient((A, B)))
    return Turned(c * B + s * A, c * A - s * B, (a, b, c, s))


def _normalized(mu, a, b, c, s):
    """(α, β) of the matrices before they were scaled, |α|² + |β|² = 1, the larger real and positive."""
    alpha, beta = (s + mu * c) * a, (c - mu * s) * b
    both = jnp.stack([alpha, beta])
    both = both / nearest(lax.stop_gradient(jnp.abs(both).max(0))).astype(both.dtype)[None]
    first = lax.stop_gradient(jnp.abs(alpha) >= jnp.abs(beta))
    larger = jnp.where(first, both[0], both[1])
    length = jnp.sqrt((both * both.conj()).real.sum(0))
    scaled = both * (larger.conj() / (jnp.abs(larger) * length).astype(both.dtype))[None]
    return scaled[0], scaled[1]


def _best_angle(A, B):
    """cos and sin, (..., 1, 1); NaN for a singular pencil."""
    step = lax.broadcasted_iota(
        A.real.dtype, (8, *[1] * A.ndim), 0
    )  # what is mapped has no constants
    angle = np.pi / 8 * (step - 3)
    c, s = jnp.cos(angle), jnp.sin(angle)
    C = c.astype(A.dtype) * B[None] + s.astype(A.dtype) * A[None]
    condition = norm(C) * norm(jnp.linalg.inv(C))
    condition = jnp.where(jnp.isfinite(condition), condition, jnp.inf)
    handicap = jnp.where(s == 0, 1.0, float(_PREFER)).astype(condition.dtype)
    best = jnp.argmin(condition * handicap, 0, keepdims=True)
    least = jnp.take_along_axis(condition, best, 0)[0]
    eps = A.shape[-1] * float(jnp.finfo(A.dtype).eps)
    c, s = (jnp.broadcast_to(x, condition.shape) for x in (c, s))
    regular = jnp.where(10 * eps * least < 1, 1, jnp.nan).astype(A.dtype)
    return tuple(jnp.take_along_axis(x, best, 0)[0].astype(A.dtype) * regular for x in (c, s))

"""An eigenpair of a family of matrices as the root of equations, by Newton's method.

    F(s, v) = (M(s) v,  cᴴ v - 1,  d s - 1) = 0

for one parameter s = λ without the last equation, or for two, s = (α, β), which have a common factor. c and
d are constants, close to v and to 1/s, so the root is isolated and F is holomorphic. Its Jacobian is
singular only where the eigenvalue is not simple. JAX differentiates the root, not the iteration
(`custom_root`); derivatives of every order solve with the Jacobian again.

An error eps κ of the root, κ the condition of the Jacobian, is as large as the distance 1/κ to a double
eigenvalue once eps κ² = 1. From there on derivatives are NaN. κ is a number only if M and s are measured
in units of their own: the Jacobian is that of M / scale by s / unit.

A sum over many eigenpairs asks for no derivative of most of them, but JAX transposes all. So where there
is none, all stays finite inside: the Jacobian is replaced by a constant, v by a vector in general position,
so that whatever moves M moves the root. Only at the end is what moved forbidden (`only_if`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul, norm

_POLISH = 3  # steps from a start that is right to half of the digits


class Root(NamedTuple):
    """s (k,) and v (n,) of length 1, differentiable; what depends on them exists only if simple."""

    s: jax.Array
    v: jax.Array
    simple: jax.Array


def equations(M, s, v, scale, unit: jax.Array | float = 1.0):
    """F of x = (s / unit, v), M in units of scale, and c and d of an s and v, v of length 1."""
    k, c, d = len(s), v.conj(), s.conj() / jnp.vdot(s, s)

    def F(x):
        s, v = x[:k] * unit, x[k:]
        borders = [(c * v).sum() - 1] + [(d * s).sum() - 1] * (k == 2)
        image = matmul(M(s) / scale, v[:, None])[:, 0]
        return jnp.concatenate([image, jnp.stack(borders)])

    return F


def correction(J, y):
    """Newton's -J⁻¹ y, rows of J in units of their own; nothing where y = 0, even if J is singular."""
    rows = jnp.abs(J).max(1, keepdims=True)
    rows = jnp.where(rows > 0, rows, 1).astype(J.dtype)
    return jnp.where((y == 0).all(), 0, -jnp.linalg.solve(J / rows, y / rows[:, 0]))


def polished(M, s, v, scale):
    """The root near (s, v), by steps none of which is taken where it does not help."""
    F = equations(M, s, v, scale)

    def polish(_, x):  # no further at a double eigenvalue
        moved = x + correction(jacobian(F, x), F(x))
        return jnp.where(length(F(moved)) <= length(F(x)), moved, x)

    x = lax.fori_loop(0, _POLISH, polish, jnp.concatenate([s, v]))
    return x[: len(s)], normalized(x[len(s) :])


def differentiable(M, s, v, scale, unit, found) -> Root:
    """A root (s, v), if found, as a function of all that M depends on. M(s) is finite in any case."""
    k, (s, v, scale, unit) = len(s), lax.stop_gradient((s, v, scale, unit))
    scale, unit = (jnp.where(x > 0, x, 1).astype(v.dtype) for x in (scale, unit))
    F = equations(M, s, v, scale, unit)
    x = jnp.concatenate([s / unit, v])
    sizes = jnp.linalg.svd(lax.stop_gradient(jacobian(F, x)), compute_uv=False)
    simple = found & (sizes[-1] > float(jnp.finfo(v.dtype).eps) ** 0.5 * sizes[0])
    x = jnp.concatenate([x[:k], jnp.where(simple, v, _general(v))])

    def tangent_solve(linear, y):
        J = jacobian(linear, jnp.zeros_like(y))
        return jnp.linalg.solve(jnp.where(simple, J, jnp.eye(len(y), dtype=J.dtype) + 1), y)

    x = lax.custom_root(F, x, lambda _, x: x, tangent_solve)
    return Root(x[:k] * unit, normalized(x[k:]), simple)


def jacobian(f, x):
    """The matrix of f'(x), f holomorphic where x is complex."""
    return jax.jacfwd(f, holomorphic=jnp.iscomplexobj(x))(x)


@jax.custom_jvp
def only_if(exists, x):
    """x, whose tangents other than 0 become NaN unless it exists."""
    return x


@only_if.defjvp
def _only_if_jvp(primals, tangents):
    exists, x = primals
    return only_if(exists, x), _forbidden(exists, tangents[1])


def _forbidden(exists, x):
    """x if it exists; else 0 ↦ 0, and anything else to NaN. To JAX a linear map, its own transpose.

    Times NaN would be another, but its transpose makes NaN of the 0 of a loss that uses no x.
    """

    def poison(_, x):
        return jnp.where(exists | (x == 0).all(), x, nan(x.dtype))

    return lax.custom_linear_solve(lambda x: x, x, poison, poison)


def shown(value, x):
    """A value that may be NaN or infinite, with the derivatives of an x that is finite."""
    return lax.stop_gradient(value) + (x - lax.stop_gradient(x))


def nan(dtype):
    """NaN in the imaginary part, too."""
    part = jnp.asarray(jnp.nan, jnp.finfo(dtype).dtype)
    return lax.complex(part, part) if jnp.issubdtype(dtype, jnp.complexfloating) else part


def normalized(v):
    """v of length 1, its largest component real and positive."""
    largest = jnp.argmax(jnp.abs(lax.stop_gradient(v)))
    phase = v[largest].conj() / jnp.abs(v[largest]).astype(v.dtype)
    return v * phase / length(v).astype(v.dtype)


def length(x):
    return norm(x.reshape(1, -1))[0, 0]


def _general(v):
    """A vector of size 1, as good as random."""
    return jnp.cos(0.7 * jnp.arange(1, len(v) + 1, dtype=v.real.dtype) ** 2).astype(v.dtype)

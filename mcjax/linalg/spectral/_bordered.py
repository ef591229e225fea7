"""An eigenpair of a family of matrices as the root of equations, by Newton's method.

    F(s, v) = (M(s) v,  cᴴ v - 1,  d s - 1) = 0

for one parameter s = λ without the last equation, or for two, s = (α, β), which have a common factor. c and
d are constants, close to v and to 1/s, so the root is isolated and F is holomorphic. Its Jacobian is
singular only where the eigenvalue is not simple. JAX differentiates the root, not the iteration
(`custom_root`); derivatives of every order solve with the Jacobian again.

An error eps κ of the root, κ the condition of the Jacobian, is as large as the distance 1/κ to a double
eigenvalue once eps κ² = 1. From there on derivatives are NaN.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul

_POLISH = 3  # steps from a start that is right to half of the digits
_ROUNDING = 100  # times n eps ‖M‖ ‖v‖: a residual so small is zero


class Root(NamedTuple):
    """s (k,), v (n,) of length 1, ‖M v‖ in units of M, whether that is rounding, and s is simple."""

    s: jax.Array
    v: jax.Array
    residual: jax.Array
    converged: jax.Array
    simple: jax.Array


def eigenpair(M, s, v, scale, maxiter=None) -> Root:
    """The root of F near (s, v), by a few steps, or by up to maxiter of them.

    scale: the size of what M(s) is made of, which cancels where M(s) = 0.
    """
    s, v = lax.stop_gradient((s, v))
    k, (c, d) = len(s), (v.conj(), s.conj() / jnp.vdot(s, s))
    scale = jnp.where(scale > 0, scale, 1).astype(v.dtype)

    def equations(x):
        borders = [(c * x[k:]).sum() - 1] + [(d * x[:k]).sum() - 1] * (k == 2)
        image = matmul(M(x[:k]) / scale, x[k:, None])[:, 0]
        return jnp.concatenate([image, jnp.stack(borders)])

    def newton(equations, x):
        def step(x):
            return x - jnp.linalg.solve(jacobian(equations, x), equations(x))

        def polish(_, x):  # no further where it does not help, as at a double eigenvalue
            moved = step(x)
            return jnp.where(_norm(equations(moved)) <= _norm(equations(x)), moved, x)

        if maxiter is None:
            return lax.fori_loop(0, _POLISH, polish, x)

        def go_on(state):
            i, x, before = state
            moved, size = _norm(x - before), _norm(x)
            return (i < maxiter) & (moved > 4 * jnp.finfo(x.dtype).eps * size)

        start = (1, step(x), x)
        return lax.while_loop(go_on, lambda state: (state[0] + 1, step(state[1]), state[1]), start)[
            1
        ]

    x = lax.custom_root(equations, jnp.concatenate([s, v]), newton, _tangent_solve)
    s, v = x[:k], _normalized(x[k:])
    x0 = lax.stop_gradient(x)
    J = jacobian(equations, x0)
    reach = jnp.maximum(_norm(J[:-k, k:]), _norm(matmul(J[:-k, :k], x0[:k, None])))  # ‖M‖, ‖M' λ‖
    residual = _norm(equations(x0)) / (_norm(x0[k:]) * jnp.maximum(reach, 1))
    sizes = jnp.linalg.svd(J, compute_uv=False)
    eps = jnp.finfo(v.dtype).eps
    simple = sizes[-1] > eps**0.5 * sizes[0]
    return Root(s, v, residual, residual <= _ROUNDING * len(v) * eps, simple)


def jacobian(f, x):
    """The matrix of f'(x), f holomorphic where x is complex."""
    return jax.jacfwd(f, holomorphic=jnp.iscomplexobj(x))(x)


def _tangent_solve(linear, y):
    return jnp.linalg.solve(jacobian(linear, jnp.zeros_like(y)), y)


@jax.custom_jvp
def only_if(exists, x):
    """x, whose derivative is NaN unless it exists."""
    return x


@only_if.defjvp
def _only_if_jvp(primals, tangents):
    exists, x = primals
    return only_if(exists, x), tangents[1] * jnp.where(exists, 1, jnp.nan).astype(x.dtype)


def _normalized(v):
    """v of length 1, its largest component real and positive."""
    largest = jnp.argmax(jnp.abs(lax.stop_gradient(v)))
    phase = v[largest].conj() / jnp.abs(v[largest]).astype(v.dtype)
    return v * phase / _norm(v).astype(v.dtype)


def _norm(x):
    return jnp.sqrt((jnp.abs(x) ** 2).sum())

"""Eigenpairs of matrices that depend on λ in any way: M(λ) v = 0.

M has no size but its own at the end of the iteration, and λ no unit but its own: what counts as rounding
is asked there. Near a root M(λ) is singular as the number f(λ) is 0, with f = -σ the last singular value,
w and u its vectors, and f', f'' those of f = -wᴴ(...) in

    M x + f w = 0,  uᴴ x = 1:     f' = -wᴴ M' u,   f'' = -wᴴ (M'' u + 2 M' u'),   u' = -M⁺ M' u,

M⁺ the inverse without σ. Where several singular values are 0, λ is a root to all of them. Newton's
correction |f / f'| has two units. One is |λ|; the other, for roots at 0, is the length 2 |f' / f''| over
which f' changes (Smale). Where f only decays, as exp λ and 1/λ do, that length is no larger than the
corrections, so that they never count as small.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Num

from ..._core._matmul import matmul
from ._bordered import (
    correction,
    differentiable,
    equations,
    jacobian,
    length,
    nan,
    normalized,
    only_if,
    shown,
)

_ROUNDING = 100  # times n eps ‖M‖ ‖v‖: a residual so small is zero
_KNOWN = 10  # times eps^(1/3): λ to a third of its digits, as where it is triple


class NonlinearEig(NamedTuple):
    """λ, v (n,), ‖M(λ) v‖ in units of M and λ M', and whether that is rounding of a root."""

    eigenvalue: Num[Array, ""]
    eigenvector: Num[Array, " n"]
    residual: Float[Array, ""]
    converged: Bool[Array, ""]


def nonlinear_eig(
    M: Callable,
    guess: complex | Array,
    *params,
    v0: Num[Array, " n"] | None = None,
    maxiter: int = 50,
) -> NonlinearEig:
    """An eigenpair of M(λ, *params) v = 0 near a guess, and its derivatives in all that M depends on.

    Identity: dλ = -wᴴ (dM) v / wᴴ M'(λ) v, with wᴴ M(λ) = 0.

    Args:
      M: a holomorphic function of λ that returns a matrix (n, n). What it closes over counts as a
        parameter.
      guess: λ to start from. Complex if λ may be; a real guess for a real M looks for a real λ.
      params: arguments of M after λ, any pytrees.
      v0: vector to start from, by default that which M(guess) makes smallest.
      maxiter: limit on the steps of Newton's method.

    Returns:
      (λ, v, residual, converged), v of length 1 with its largest component real and positive.
      The residual is in units of M and λ M' at the λ found. Converged: it is rounding, and another step
      would not change λ, whatever its size. Derivatives exist in all modes and at
      every order. They are NaN where the eigenvalue is double to rounding, in units of λ or, where it
      is close to 0, of the length over which M changes. NaN throughout where the iteration did not
      converge.

    Errors: eps κ in λ and v, κ the condition of the Jacobian of (M(λ) v, cᴴ v - 1). Near-by eigenvalues
      may be found instead of the nearest. `jax.vmap` over guesses finds several.
    Cost: an SVD, and for each step M, its Jacobian by n + 1 directional derivatives, and a solution of
      n + 1 equations. At the end two SVDs, M' and M''. Derivatives: a Jacobian and a solution, once.
    Source: Güttel and Tisseur, The nonlinear eigenvalue problem, Acta Numerica (2017), section 4; Blum,
    Cucker, Shub and Smale, Complexity and Real Computation (1998), chapter 8, for the second unit.
    """
    s = jnp.atleast_1d(jnp.asarray(guess))
    if s.shape != (1,):
        raise ValueError(f"nonlinear_eig: guess is a number, got shape {jnp.shape(guess)}")
    s = s if jnp.issubdtype(s.dtype, jnp.inexact) else s.astype(float)
    shape = jax.eval_shape(lambda s: M(s, *params), s[0])
    if len(shape.shape) != 2 or shape.shape[0] != shape.shape[1] or not shape.shape[0]:
        raise ValueError(f"nonlinear_eig: M(λ) must be a matrix (n, n), got {shape.shape}")
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(s.dtype, shape.dtype)
    guessed = lax.stop_gradient(s.astype(dtype))

    def matrix(s):
        return M(s[0], *params).astype(dtype)

    if v0 is None:
        v0 = jnp.linalg.svd(lax.stop_gradient(matrix(guessed)))[2][-1].conj()
    v0 = lax.stop_gradient(jnp.asarray(v0, dtype))
    s, v = _iterated(matrix, guessed, v0 / length(v0).astype(dtype), maxiter)
    taylor = lax.stop_gradient(_taylor(matrix, s))
    guessed_size = length(lax.stop_gradient(matrix(guessed)))
    v, residual, converged = _verdict(taylor, s, v, guessed_size)
    scale, unit = _units(taylor, s)
    safe = jnp.where(converged, s, guessed)
    root = differentiable(matrix, safe, v, scale, unit, converged)
    pair = only_if(root.simple, jnp.concatenate([root.s, root.v]))
    pair = shown(jnp.where(converged, jnp.concatenate([s, v]), nan(dtype)), pair)
    return NonlinearEig(pair[0], pair[1:], residual, converged)


def _iterated(matrix, s, v, maxiter):
    """(s, v) after as many of Newton's steps as lead on, without derivatives."""
    eps = float(jnp.finfo(v.dtype).eps)

    def newton(F, x):
        def at(x):
            """Newton's correction, its relative size, and whether F is rounding."""
            J, y = jacobian(F, x), F(x)
            change = correction(J, y)
            size = jnp.maximum(_ratio(change[:1], x[:1]), _ratio(change[1:], x[1:]))
            reach = length(J[:-1, 1:]) * length(x[1:]) + length(J[:-1, 0] * x[0])
            return change, size, length(y[:-1]) <= _ROUNDING * len(v) * eps * reach

        def go_on(state):
            i, _, (_, size, rounding), before = state
            return (i < maxiter) & (size > eps) & ~(rounding & (size >= before))

        def step(state):
            i, x, (change, size, _), _ = state
            return i + 1, x + change, at(x + change), size

        return lax.while_loop(go_on, step, (0, x, at(x), jnp.full_like(x.real[0], jnp.inf)))[1]

    F, x = equations(matrix, s, v, 1), jnp.concatenate([s, v])
    # A root to JAX so that it does not differentiate the loop, whatever M closes over.
    x = lax.stop_gradient(lax.custom_root(F, x, newton, lambda _, y: y))
    return x[:1], normalized(x[1:])


def _taylor(matrix, s):
    """M, M' and M'' at s."""

    def derivative(f):
        return lambda s: jax.jvp(f, (s,), (jnp.ones_like(s),))[1]

    first = derivative(matrix)
    return matrix(s), first(s), derivative(first)(s)


def _verdict(taylor, s, v, guessed):
    """v, the residual, and whether there is a root: it is rounding, and Newton's method stands still.

    guessed: ‖M‖ at the guess.
    """
    n, eps, distance = len(v), float(jnp.finfo(v.dtype).eps), jnp.abs(s[0])
    M0, M1, _ = taylor
    W, sizes, Uh = jnp.linalg.svd(M0)
    limit = _ROUNDING * n * eps
    reach = jnp.maximum(length(M0), length(M1) * distance)
    zero = sizes <= (limit * reach if n > 1 else jnp.inf)
    correction, change = _reduced(taylor, W, sizes, Uh, zero)
    # Where M'' = 0 there is no such length; M is a line, and as long as from the guess to 0.
    line = guessed / length(M1)
    unit = jnp.fmax(distance, jnp.where(jnp.isinf(change), line, change))
    if n == 1:  # M = 0 at a root, and has no size but that of M' times the unit
        residual = _ratio(correction, unit)
        return v, residual, residual <= limit
    image = length(matmul(M0, v[:, None]))
    v = jnp.where(image <= limit * reach, v, normalized(Uh[-1].conj()))  # late where λ is triple
    residual = _ratio(matmul(M0, v[:, None]), reach)
    known = correction <= _KNOWN * eps ** (1 / 3) * unit
    return v, residual, (residual <= limit) & known


def _reduced(taylor, W, sizes, Uh, zero):
    """|f / f'|, of all singular values that are zero if it is several, and 2 |f' / f''|."""
    T1, T2 = (matmul(matmul(W.mT.conj(), X), Uh.mT.conj()) for X in taylor[1:])
    block = jnp.where(zero[:, None] & zero[None, :], T1, 0)
    turned = -T1[:-1, -1] / sizes[:-1].astype(T1.dtype)  # u' in singular vectors
    second = T2[-1, -1] + 2 * (T1[-1, :-1] * turned).sum()
    sizes = jnp.where(zero, sizes, 0)
    return sizes.max() / length(block), 2 * jnp.abs(T1[-1, -1] / second)


def _units(taylor, s):
    """Sizes of what M is made of, and of λ: where that is about 0, of the change that changes M."""
    size, *slopes = (length(X) for X in taylor)
    least = jnp.where(size > 0, size, float(jnp.finfo(size.dtype).tiny) ** 0.5)
    unit = jnp.minimum(least / slopes[0], jnp.sqrt(2 * least / slopes[1]))
    unit = jnp.maximum(jnp.abs(s[0]), unit)
    return jnp.maximum(size, jnp.maximum(slopes[0] * unit, slopes[1] * unit * unit / 2)), unit


def _ratio(x, unit):
    """‖x‖ in units of the size of another, 0 if x = 0."""
    size = length(x)
    return jnp.where(size == 0, 0, size / length(unit))

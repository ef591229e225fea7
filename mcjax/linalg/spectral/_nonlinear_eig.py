"""Eigenpairs of matrices that depend on λ in any way: M(λ) v = 0."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Num

from ._bordered import eigenpair, only_if


class NonlinearEig(NamedTuple):
    """λ, v (n,), ‖M(λ) v‖ in units of M and λ M', and whether that is rounding."""

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
      Derivatives exist in all modes and at every order. They are NaN where the eigenvalue is double to
      rounding. NaN throughout where the iteration did not converge.

    Errors: eps κ in λ and v, κ the condition of the Jacobian of (M(λ) v, cᴴ v - 1). Near-by eigenvalues
      may be found instead of the nearest. `jax.vmap` over guesses finds several.
    Cost: an SVD, and for each step M, its Jacobian by n + 1 directional derivatives, and a solution of
      n + 1 equations. Derivatives: the last two again, once.
    Source: Güttel and Tisseur, The nonlinear eigenvalue problem, Acta Numerica (2017), section 4.
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
    s = s.astype(dtype)

    def matrix(s):
        return M(s[0], *params).astype(dtype)

    if v0 is None:
        v0 = jnp.linalg.svd(lax.stop_gradient(matrix(s)))[2][-1].conj()
    v0 = jnp.asarray(v0, dtype)
    scale = jnp.linalg.norm(lax.stop_gradient(matrix(s)))
    root = eigenpair(matrix, s, v0 / jnp.linalg.norm(v0).astype(dtype), scale, maxiter)
    found = jnp.where(root.converged, 1, jnp.nan).astype(dtype)
    value, vector = (only_if(root.simple, x) * found for x in (root.s[0], root.v))
    return NonlinearEig(value, vector, root.residual, root.converged)

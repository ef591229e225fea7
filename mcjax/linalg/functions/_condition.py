"""How much a matrix function magnifies relative errors of its matrix.

    κ = ‖D f(A)‖_F ‖A‖_F / ‖f(A)‖_F,    ‖D f(A)‖_F = max ‖D f(A)[E]‖_F over ‖E‖_F = 1,

the largest singular value of the linear map E ↦ D f(A)[E]. Its adjoint is that of `jax.vjp`, so the
power method on one after the other finds it for any f whose derivatives are right, of any number of
arguments and results (Higham, Functions of Matrices (2008), algorithm 3.20). At n <= 4 the map is a
matrix of at most 16 columns, and its singular values are exact.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._check import square
from ..._core._evaluate import evaluate
from ..._core._power_of_two import size
from ..._core._shapes import Scalar, Square
from ._expm import expm

_EXACT = 4
_STEPS = 20


def expm_cond(A: Square) -> Scalar:
    """Relative condition number of the matrix exponential, in the Frobenius norm: SciPy's `expm_cond`.

    Identity: κ = ‖D exp(A)‖_F ‖A‖_F / ‖exp(A)‖_F. Arguments, errors and cost as `funm_cond`.
    """
    return funm_cond(expm, square(A, "expm_cond"))


def funm_cond(f: Callable, A: Square) -> Scalar:
    """Relative condition number of a function of matrices at A, in the Frobenius norm.

    Identity: κ = ‖D f(A)‖_F ‖A‖_F / ‖f(A)‖_F, so that ‖f(A + E) - f(A)‖/‖f(A)‖ <= κ ‖E‖/‖A‖ to first
    order: about log10 κ digits of f(A) are lost.

    Args:
      f: any differentiable JAX function of an array (n, n), such as those of this module, to an array.
      A: (..., n, n).

    Returns:
      κ, (...), real. 0 at A = 0 unless f(0) = 0 (NaN then), and at n = 0; inf or NaN where D f(A) is.

    Errors: exact to rounding at n <= 4 where A is real or f is analytic. Above that a lower bound, after
      twenty steps of the power method rarely below 0.95 κ. It has no derivative: NaN, unless the
      gradient of A is stopped.

    Cost: f, and forty of its derivatives. Source: Higham, Functions of Matrices (2008), section 3.4.
    """
    A = square(A, "funm_cond")
    if not callable(f):
        raise TypeError(f"funm_cond: f must be a function of a matrix, got {type(f).__name__}")
    one = jnp.vectorize(lambda A: _condition(f, A), signature="(n,n)->()")
    return _not_differentiable(one(lax.stop_gradient(A)), A)


@jax.custom_jvp
def _not_differentiable(condition, A):
    return condition


@_not_differentiable.defjvp
def _(primals, tangents):
    condition, _ = primals
    return condition, jnp.nan * tangents[1].real.sum((-2, -1)).astype(condition.dtype)


def branch_distance(A: Square) -> Scalar:
    """min π - |arg λ| over the eigenvalues of A: how far it is from the cut of log and of roots."""
    (eigenvalues,) = evaluate(_eigenvalues, lax.stop_gradient(A))
    angle = jnp.pi - jnp.abs(jnp.angle(eigenvalues))
    return jnp.where(eigenvalues == 0, 0.0, angle).min(-1, initial=jnp.pi)


def _eigenvalues(A):
    return (jnp.linalg.eig(A / size(A))[0] if A.size else jnp.zeros_like(A, shape=A.shape[:-1]),)


def _condition(f, A):
    if A.size == 0:
        return jnp.zeros((), jnp.finfo(A.dtype).dtype)
    value, forwards = jax.linearize(f, A)
    size = _norm(value)
    norm = _exactly(forwards, A) if A.shape[-1] <= _EXACT else _by_power_method(forwards, A)
    return lax.stop_gradient(norm * (_norm(A) / size))


def _exactly(forwards, A):
    n = A.shape[-1]
    directions = jnp.eye(n * n, dtype=A.dtype).reshape(n * n, n, n)
    columns = jax.vmap(forwards)(directions).reshape(n * n, -1)
    return jnp.linalg.norm(columns, 2)


def _by_power_method(forwards, A):
    transposed = jax.linear_transpose(forwards, A)

    def step(_, state):
        E, _ = state
        L = forwards(E)
        (back,) = transposed(L.conj())
        return back.conj() / _norm(back).astype(A.dtype), _norm(L)

    i, j = (lax.broadcasted_iota("float32", A.shape, axis) + 1 for axis in (0, 1))
    E = jnp.cos(0.7 * i * j * j).astype(A.dtype) + 0 * A  # as good as random
    start = E / _norm(E).astype(A.dtype), 0 * _norm(A)
    return lax.fori_loop(0, _STEPS, step, start)[1]


def _norm(X):
    """‖X‖_F, without overflow of the squares."""
    size = jnp.abs(X)
    largest = size.max(initial=0.0)
    safe = jnp.where(largest > 0, largest, 1.0)
    return safe * jnp.sqrt(((size / safe) ** 2).sum())

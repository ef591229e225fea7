"""exp(A) b without exp(A): the action of a matrix exponential, also of an A that is only a function.

    exp(A) b = T(A/s)^s b,        T(X) = Σ_{j<=m} X^j/j!,        ‖A‖/s <= θ,

with products A x alone (Al-Mohy & Higham 2011). θ = 3, where they allow 9.9: the terms of a decaying
exponential then exceed its value by e³/4 at most, and not by thousands.

Derivatives. The scalar Φ(c, b, θ) = cᵀ exp(A(θ)) b is a potential (`_core._potential`) linear in c and
b. Its dual of c is the action, that of b the action of Aᵀ, and derivatives of both along directions of
θ are `jax.jvp` of the algorithm. The dual of θ,

    ∂Φ/∂θ = ∫₀¹ λ(t)ᵀ (∂A/∂θ) x(t) dt,    x(t) = e^{tA} b,  λ(t) = e^{(1-t)Aᵀ} c,

is evaluated for T(A/s)^s step by step backwards, from up to 64 states that the way forward has kept;
if there are more steps, those between them are made again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import log

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._check import same_dtype, square
from ..._core._matmul import matmul
from ..._core._potential import derivative
from ._funm import Program

_THETA = 3.0
_TERMS = {
    "float32": 19,
    "float64": 30,
}  # θ^j/j! is below a tenth of the unit roundoff from there on
_KEPT = 64
_MOST_STEPS = 100_000
_SMALL = 16  # up to this size the 1-norm is at most four times ‖A‖₂


def expm_multiply(A, B):
    """exp(A) B without forming exp(A): SciPy's `expm_multiply`, differentiable in A and B.

    Identity: D (exp(A) B)[E, F] = ∫₀¹ e^{(1-t)A} E e^{tA} B dt + exp(A) F.

    Args:
      A: (..., n, n), or a linear JAX function x ↦ A x for sparse and matrix-free operators, of any
        arrays x like B. It may close over traced values; the result is differentiable in them, to
        any order in both modes.
      B: (n,) or (..., n, k); for a function A, an array that it maps to one of the same shape.

    Returns:
      exp(A) B, of B's shape and the common dtype. NaN where A is not finite, or its norm is beyond
      3e5, which would take 3e6 products.

    Errors: eps ‖A‖ relative to the largest ‖exp(tA) B‖ of 0 <= t <= 1, and more if A is far from
      normal. The norm of a function, or of an array of 1-norm above 6, is estimated, by a bound that
      fails for one operator in a hundred, and then by little.

    Cost: about ten products A x for each unit of ‖A‖₂, at least 5, and 16 with one column for the
    estimate, half of them transposed. A derivative forwards costs twice as many, a gradient in A four
    times. Under `jit` with a batch sharded over devices, gradients of a batch agree on its number of
    steps.

    Source: Al-Mohy and Higham, SIAM J. Sci. Comput. 33 (2011) 488.
    """
    return _of_function(A, B) if callable(A) else _of_array(A, B)


def _of_array(A, B):
    A, B = same_dtype(square(A, "expm_multiply"), _array(B))
    columns = B[:, None] if B.ndim == 1 else B
    if columns.ndim < 2 or columns.shape[-2] != A.shape[-1]:
        raise ValueError(
            f"expm_multiply: exp(A) B needs B of shape (n,) or (..., n, k), n = {A.shape[-1]}, got "
            f"{B.shape}"
        )
    act = jnp.vectorize(_Action(_multiply, _norm).apply, signature="(n,k),(n,n)->(n,k)")
    Y = act(columns, A)
    return Y[..., 0] if B.ndim == 1 else Y


def _multiply(X, A):
    return matmul(A, X)


def _norm(X, A):
    """The 1-norm, up to √n times ‖A‖₂; so the estimate where that may save more products than it takes."""
    one = jnp.abs(A).sum(0).max(initial=0.0)
    if len(A) <= _SMALL:
        return one
    estimate = partial(_NormEstimate(_multiply), X[:, :1])
    return lax.cond(one > 2 * _THETA, lambda A: jnp.minimum(one, estimate(A)), lambda A: one, A)


def _of_function(A, B):
    B = _array(B)
    out = jax.eval_shape(A, B)
    if getattr(out, "shape", None) != B.shape:
        raise ValueError(
            f"expm_multiply: the function A must map an array of B's shape {B.shape} to one of that "
            f"shape, but it returned {out}"
        )
    b = B.astype(out.dtype).reshape(-1)
    closed = jax.make_jaxpr(lambda x: A(x.reshape(B.shape)).reshape(-1))(b)
    matvec = Program(closed.jaxpr)
    action = _Action(matvec, _NormEstimate(matvec))
    return action.apply(b, *map(jnp.asarray, closed.consts)).reshape(B.shape)


def _array(B):
    B = jnp.asarray(B)
    return B if jnp.issubdtype(B.dtype, jnp.inexact) else B.astype(jnp.result_type(float))


@dataclass(frozen=True)
class _NormEstimate:
    """(100 ‖(Aᴴ A)^8 z‖)^{1/16} for a random z of unit variance: a bound on ‖A‖₂ if the part of z along
    the singular vector of ‖A‖₂ is above 1/100, and larger by (100 √n)^{1/16} at most."""

    matvec: Callable

    def __call__(self, x, *parameters):
        def multiply(x):
            return self.matvec(x, *parameters)

        transposed = jax.linear_transpose(multiply, x)

        def iterate(_, state):
            z, growth = state
            (z,) = transposed(multiply(z).conj())
            size = jnp.sqrt((jnp.abs(z) ** 2).sum())
            return z.conj() / jnp.where(size > 0, size, 1.0).astype(z.dtype), growth + jnp.log(size)

        i = lax.broadcasted_iota("float32", x.shape, 0) + 1
        z = (2**0.5 * jnp.cos(0.7 * i * i)).astype(x.dtype) + jnp.zeros_like(x)
        _, growth = lax.fori_loop(0, 8, iterate, (z, jnp.zeros_like(x, shape=()).real + log(100)))
        return jnp.exp(growth / 16)


@dataclass(frozen=True)
class _Action:
    """Φ(c, b, θ) = cᵀ exp(A(θ)) b. It is linear in c and b, which are always given as directions: the
    points themselves are zeros that tell shapes."""

    matvec: Callable  # (x, *θ) ↦ A(θ) x
    norm: Callable  # (x, *θ) ↦ a bound on ‖A(θ)‖
    loops_on_data = True

    def apply(self, b, *parameters):
        """exp(A) b."""
        zeros = 0 * lax.stop_gradient(b)  # of the mesh that b is on
        return derivative(self, zeros, zeros, *parameters, directions=(b,), slots=(1,))

    def derivative(self, point, directions, slots, dual):
        _, zeros, *parameters = point
        pairs = list(zip(slots, directions, strict=True))
        c, b = (next((d for s, d in pairs if s == slot), None) for slot in (0, 1))
        along = [(s - 2, d) for s, d in pairs if s > 1]
        order = len(along)

        def function(*parameters):
            steps = self._steps(zeros, parameters, order)
            if dual == 0:
                return steps.run(b)
            if dual == 1:
                return replace(steps, matvec=_Transposed(self.matvec)).run(c)
            return steps.gradient(c, b, dual - 2)

        for argument, d in along:
            function = _derivative_in(function, argument, d)
        return function(*parameters)

    def _steps(self, x, parameters, order):
        norm = self.norm(x, *map(lax.stop_gradient, parameters))
        exists = norm <= _THETA * _MOST_STEPS
        s = jnp.where(exists, jnp.maximum(jnp.ceil(norm / _THETA), 1), 1)
        most, tiny = _TERMS[norm.dtype.name], jnp.finfo(norm.dtype).eps / 20
        j = jnp.arange(1, most + 1, dtype=norm.dtype)
        sizes = jnp.cumprod(jnp.minimum(norm / s, _THETA) / j)
        terms = (sizes > tiny).sum(dtype="int32") + 2 * order + 1
        nan = jnp.where(exists, 1.0, jnp.nan).astype(x.dtype)
        return _Steps(self.matvec, parameters, s, terms, most + 2 * order, nan)


@dataclass(frozen=True)
class _Transposed:
    matvec: Callable

    def __call__(self, x, *parameters):
        return jax.linear_transpose(lambda x: self.matvec(x, *parameters), x)(x)[0]


def _derivative_in(function, argument, direction):
    def differentiated(*parameters):
        def moved(p):
            return function(*parameters[:argument], p, *parameters[argument + 1 :])

        return jax.jvp(moved, (parameters[argument],), (direction,))[1]

    return differentiated


@dataclass(frozen=True)
class _Steps:
    """x ↦ T(A/s)^s x: s steps, with as many terms each as the norm and the derivatives need."""

    matvec: Callable
    parameters: tuple
    s: jax.Array
    terms: jax.Array
    most_terms: int
    exists: jax.Array  # 1 or NaN

    def run(self, x):
        """exp(A) x."""
        return self.exists * self._repeat(self.s.astype("int32"), x)

    def _repeat(self, count, x):
        def once(_, x):
            return self._step(x, self.parameters, self.terms)

        return lax.fori_loop(0, count, once, x)

    def _step(self, x, parameters, terms):
        def add(j, state):
            term, total = state
            h = 1 / (self.s * j.astype(self.s.dtype))
            term = self.matvec(term, *parameters) * h.astype(x.dtype)
            return term, total + term

        return lax.fori_loop(1, terms + 1, add, (x, x))[1]

    def gradient(self, c, b, argument):
        """The dual of a parameter."""
        steps = self.s.astype("int32")
        stride = (steps + _KEPT - 1) // _KEPT
        before, parameter, after = _around(self.parameters, argument)

        def keep(i, state):
            x, kept = state
            k = i // stride
            kept = kept.at[k].set(jnp.where(i % stride == 0, x, kept[k]))
            return self._step(x, self.parameters, self.terms), kept

        def back(i, state):
            c, gradient = state
            i = steps - 1 - i
            x = self._repeat(i % stride, kept[i // stride])

            def step(parameter, x):
                return self._step(x, (*before, parameter, *after), self.most_terms)

            change, c = jax.vjp(step, parameter, x)[1](c)
            return c, gradient + change

        nothing = jnp.zeros_like(b, shape=(_KEPT, *b.shape))
        _, kept = lax.fori_loop(0, steps, keep, (b, nothing))
        start = c, jnp.zeros_like(parameter)
        _, gradient = lax.fori_loop(0, steps, back, start)
        return gradient * self.exists.real.astype(parameter.dtype)


def _around(x, i):
    return x[:i], x[i], x[i + 1 :]

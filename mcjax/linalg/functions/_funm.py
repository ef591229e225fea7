"""Functions of Hermitian matrices: f(A) = V f(λ) Vᴴ, for any scalar function f.

In the eigenbasis, K = Vᴴ E V, the derivatives are sums over divided differences (Daleckii & Krein
1965; Higham, Functions of Matrices, section 3.2; Horn & Johnson 1991, section 6.6):

    D f[E]_ij          = f[λ_i, λ_j] K_ij
    D²f[E₁, E₂]_ij     = Σ_m f[λ_i, λ_m, λ_j] (K₁_im K₂_mj + K₂_im K₁_mj)
    D^k f[E₁..E_k]_ij  = Σ over permutations and inner indices, likewise.

No 1/(λ_i - λ_j) is left: f[λ, λ] = f'(λ), and so on. The sum is right at any degeneracy as soon as
the divided differences are (`_divided_differences`), although V itself is not even continuous there.

Parameters of f, found among what it closes over, are further arguments of the potential
Φ(A, θ) = tr F(A; θ): along a direction dθ, f is replaced by ∂f/∂θ dθ, another scalar function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import eval_jaxpr

from ..._core._check import hermitian_part, square
from ..._core._matmul import matmul
from ..._core._potential import derivative
from ..._core._shapes import Square
from ._divided_differences import DividedDifferences


def funm(A: Square, f: Callable, *, hermitian: bool = True) -> Square:
    """f(A) = V f(λ) Vᴴ of a Hermitian matrix, with exact derivatives at repeated eigenvalues.

    Identity: D f(A)[E] = V (f[λ_i, λ_j] ∘ Vᴴ E V) Vᴴ, with stable divided differences.

    Args:
      A: (..., n, n) symmetric or Hermitian; (A + Aᴴ)/2 is used.
      f: a scalar JAX function of a real number, real or complex valued. It may close over traced
        values; the result is differentiable in them too.
      hermitian: must be True. For other matrices there is no single stable route to every f: use
        the function that has a name (`expm`, `sqrtm`).

    Returns:
      f(A), (..., n, n), complex if A or f is. NaN where f is. Derivatives of order k need f to have
      k derivatives at repeated eigenvalues, none between distinct ones; where f has none (sqrt at a
      repeated 0) they are infinite or NaN.

    Cost: one eigendecomposition; for a first derivative two products, n² values of f and 12 n² of
    f'; for the k-th, n^{k+1} divided differences, summed without storing them. Parameters of f are
    shared by the batch.

    Source: Daleckii and Krein, AMS Transl. 47 (1965); Higham, Functions of Matrices (2008), 3.2.
    """
    A = square(A, "funm")
    if not hermitian:
        raise NotImplementedError(
            "funm: hermitian=False is not supported for an arbitrary f; use mcjax.linalg.expm or "
            "sqrtm, or hermitian=True if A is symmetric or Hermitian"
        )
    A = hermitian_part(A)
    real = jnp.finfo(A.dtype).dtype
    function, parameters, out = close(f, real, "funm")
    with jax.numpy_dtype_promotion("standard"):
        A = A.astype(jnp.promote_types(A.dtype, out))
    return derivative(SpectralPotential(function), A, *parameters).mT


@dataclass(frozen=True)
class SpectralPotential:
    """Φ(A, θ) = tr F(A; θ), F' = f, of Hermitian A: `function` is f(λ, θ...)."""

    function: Callable
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        if dual:  # the dual of a parameter: pull the last matrix direction back through it
            return self._parameter_dual(point, directions, slots, dual)
        A, *parameters = point
        f = self._along(parameters, [(d, s) for d, s in zip(directions, slots, strict=True) if s])
        matrices = [d for d, s in zip(directions, slots, strict=True) if not s]
        return self.open_form(f, A, matrices)

    def open_form(self, f, A, directions):
        """D^{k+1}Φ along k directions of A, the last one open, for one f."""
        form = jnp.vectorize(
            lambda A, *E: _spectral_form(f, A, E), signature=_signature(1 + len(directions))
        )
        return form(A, *directions).mT

    def _along(self, parameters, directions):
        """x ↦ f(x; θ) differentiated along directions of θ."""
        function = lambda *parameters: lambda x: self.function(x, *parameters)  # noqa: E731
        for d, slot in directions:
            function = _derivative_in(function, slot - 1, d)
        return function(*parameters)

    def _parameter_dual(self, point, directions, slots, dual):
        last = len(slots) - 1 - slots[::-1].index(0)
        rest = directions[:last] + directions[last + 1 :]
        rest_slots = slots[:last] + slots[last + 1 :]

        def value(parameter):
            moved = (*point[:dual], parameter, *point[dual + 1 :])
            return self.derivative(moved, rest, rest_slots, 0)

        return jax.vjp(value, point[dual])[1](directions[last])[0]


def _signature(count):
    return ",".join(["(n,n)"] * count) + "->(n,n)"


def _derivative_in(function, argument, direction):
    def differentiated(*parameters):
        def at(x):
            def moved(p):
                return function(*parameters[:argument], p, *parameters[argument + 1 :])(x)

            return jax.jvp(moved, (parameters[argument],), (direction,))[1]

        return at

    return differentiated


def _spectral_form(f, A, directions):
    """D^k f(A)[E₁..E_k] of one Hermitian matrix."""
    if not A.size:
        return A
    x, V = jnp.linalg.eigh(A)
    if not directions:
        return matmul(V * jax.vmap(f)(x).astype(A.dtype)[None, :], V.mT.conj())
    return sum_over_paths(DividedDifferences(f, x, len(directions)), V, directions)


def sum_over_paths(differences, V, directions):
    """D^k f(A)[E₁..E_k], k >= 1, from the eigenvectors and the divided differences at index arrays."""
    Vh = V.mT.conj()
    K = [matmul(matmul(Vh, E), V) for E in directions]
    n = len(V)
    row, column = jnp.arange(n)[:, None], jnp.arange(n)[None, :]

    def add_path(t, total):
        """The terms whose inner indices are the digits of t in base n."""
        inner = [t // n**p % n for p in range(len(K) - 1)]
        weight = differences(row, *inner, column).astype(V.dtype)
        return total + weight * sum(_path(order, inner) for order in permutations(K))

    steps = n ** (len(K) - 1)
    total = lax.fori_loop(0, steps, add_path, jnp.zeros_like(V)) if steps > 1 else add_path(0, 0)
    return matmul(matmul(V, total), Vh)


def _path(K, inner):
    """K₁[:, m₁] K₂[m₁, m₂] ... K_k[m_{k-1}, :], an n x n matrix."""
    if not inner:
        return K[0]
    links = prod(k[a, b] for k, a, b in zip(K[1:-1], inner[:-1], inner[1:], strict=True))
    return links * K[0][:, inner[0], None] * K[-1][None, inner[-1], :]


def close(f, real, name):
    """f as (function of x and parameters, parameters, its dtype), all that it closes over named."""
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of a number, got {type(f).__name__}")
    closed = jax.make_jaxpr(f)(jax.ShapeDtypeStruct((), real))
    shapes = [v.shape for v in closed.out_avals]
    if shapes != [()]:
        raise ValueError(
            f"{name}: f must map a number to a number, but it returned shapes {shapes}"
        )
    (out,) = (v.dtype for v in closed.out_avals)
    if not closed.consts and f.__hash__ is not None:
        return f, (), out
    return Program(closed.jaxpr), tuple(map(jnp.asarray, closed.consts)), out


@dataclass(frozen=True)
class Program:
    """A jaxpr as a function of its argument and then its constants."""

    jaxpr: Any

    def __call__(self, x, *constants):
        return eval_jaxpr(self.jaxpr, constants, x)[0]

"""Primary matrix functions as gradients of traces, evaluated through their own algorithm."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from ._potential import derivative


@dataclass(frozen=True)
class TracePotential:
    """Φ(A) = tr F(A), F' = f, known through an algorithm A ↦ f(A) on (..., n, n) stacks.

    D^k f(A)[E₁..E_k] is k nested `jax.jvp` of the algorithm, exact to rounding wherever the
    algorithm is a smooth function of its input for fixed control flow.
    """

    algorithm: Callable
    loops_on_data = True

    def derivative(self, point, directions, slots, dual):
        (A,) = point
        function = self.algorithm
        for E in directions:
            function = _along(function, E)
        return function(A).mT  # the dual of the matrix slot: tr(f(A) E) = Σ f(A)ᵀ * E


def _along(function, E):
    return lambda A: jax.jvp(function, (A,), (E,))[1]


def matrix_function(algorithm: Callable, A: jax.Array) -> jax.Array:
    """f(A) by `algorithm`, with derivatives of every order in both modes."""
    return derivative(TracePotential(algorithm), A).mT

"""Primary matrix functions as gradients of traces, evaluated through their own algorithm."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from ._potential import derivative


@dataclass(frozen=True)
class TracePotential:
    """Φ(A) = tr F(A), F' = f, known through algorithms A ↦ f(A) on (..., n, n) stacks.

    D^k f(A)[E₁..E_k], k >= 1, is k nested `jax.jvp` of `differentiable`: exact to rounding, since
    for fixed control flow the algorithm is a rational function of A. `algorithm` gives the value;
    the two may be one.
    """

    algorithm: Callable
    differentiable: Callable
    loops_on_data = True

    def derivative(self, point, directions, slots, dual):
        (A,) = point
        function = self.differentiable if directions else self.algorithm
        for E in directions:
            function = _along(function, E)
        return function(A).mT  # the dual of the matrix slot: tr(f(A) E) = Σ f(A)ᵀ * E


def _along(function, E):
    return lambda A: jax.jvp(function, (A,), (E,))[1]


def matrix_function(algorithm: Callable, A: jax.Array, differentiable: Callable | None = None):
    """f(A) by `algorithm`, with derivatives of every order in both modes.

    `differentiable` is a second algorithm for f, used for derivatives, where one is worth having.
    """
    return derivative(TracePotential(algorithm, differentiable or algorithm), A).mT

"""Primary matrix functions as gradients of traces, evaluated through their own algorithm."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax

from ._potential import derivative
from ._shapes import Square


@dataclass(frozen=True)
class TracePotential:
    """Φ(A) = tr F(A), F' = f, known through an algorithm (A, order) ↦ f(A) on (..., n, n) stacks.

    D^k f(A)[E₁..E_k] is k nested `jax.jvp` of it: exact to rounding, since for fixed control flow
    the algorithm is a rational function of A. It is told the order k, since an iteration that has
    converged in its value may still need a step for its derivatives.
    """

    algorithm: Callable
    loops_on_data = True

    def derivative(self, point, directions, slots, dual):
        (A,) = point
        function = partial(self.algorithm, order=len(directions))
        for E in directions:
            function = _along(function, E)
        return function(A).mT  # the dual of the matrix slot: tr(f(A) E) = Σ f(A)ᵀ * E


def _along(function, E):
    return lambda A: jax.jvp(function, (A,), (E,))[1]


def matrix_function(algorithm: Callable, A: Square) -> Square:
    """f(A) by an algorithm (A, order) ↦ f(A), with derivatives of every order in both modes."""
    return derivative(TracePotential(algorithm), A).mT

"""The weights of difference formulas on any points, as exact rational numbers.

The derivative at 0 of the polynomial that interpolates f at the points p is Σ w_i f(p_i). Fornberg's
recursion adds the points one at a time: the Lagrange polynomials L_{i,n} of n + 1 points obey

    L_{i,n}(x) = (x - p_n) / (p_i - p_n) L_{i,n-1}(x),   L_{n,n}(x) = c (x - p_{n-1}) L_{n-1,n-1}(x),

and so do their derivatives at 0, by Leibniz.

Source: Fornberg, Generation of finite difference formulas, Math. Comp. 51 (1988) 699.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod


@dataclass(frozen=True)
class Stencil:
    """Exact weights: Σ_i w_i f(x₀ + h (p_i - x₀)) / h^n is the derivative of order n at x₀, and an error.

    The error begins with constant h^accuracy f^(n + accuracy)(x₀).
    """

    points: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]
    order: int
    accuracy: int
    constant: Fraction

    def __str__(self):
        terms = ", ".join(f"{w} at {p}" for w, p in zip(self.weights, self.points, strict=True))
        return f"{terms}; accurate to h^{self.accuracy}"


def stencil(points: Iterable, x0=0, order: int = 1) -> Stencil:
    """The exact weights of the derivative of an order at x0, from values at the points.

    Points are integers, Fractions, strings such as "1/3", or floats, which are taken exactly:
    stencil([0, 1, 2, 3]).weights is (-11/6, 3, -3/2, 1/3). n points give at least n - order orders of
    accuracy. Cost: O(n² order) rational operations.
    """
    exact = tuple(map(Fraction, points))
    x0 = Fraction(x0)
    if order < 0:
        raise ValueError(f"order: expected 0 or more, got {order}")
    if len(set(exact)) < len(exact):
        raise ValueError("points: some are repeated; give each once")
    if len(exact) <= order:
        raise ValueError(
            f"points: a derivative of order {order} needs at least {order + 1}, got {len(exact)}"
        )
    offsets = [p - x0 for p in exact]
    weights = tuple(row[order] for row in _lagrange(offsets, order))
    power, moment = _first_error(offsets, weights, order)
    return Stencil(exact, weights, order, power - order, moment / factorial(power))


def _lagrange(p, order):
    """The derivatives of orders 0, 1, ... at 0 of every Lagrange polynomial of the points p."""
    rows = [[Fraction(1)] + [Fraction(0)] * order]
    for n in range(1, len(p)):
        gaps = [p[i] - p[n] for i in range(n)]
        above = prod((p[n - 1] - q for q in p[: n - 1]), start=Fraction(1))
        factor = above / prod((p[n] - q for q in p[:n]), start=Fraction(1))
        new = _times(rows[-1], p[n - 1], factor)
        rows = [_times(row, p[n], 1 / gap) for row, gap in zip(rows, gaps, strict=True)] + [new]
    return rows


def _times(derivatives, root, factor):
    """The derivatives at 0 of factor (x - root) L(x), from those of L."""
    lower = [Fraction(0), *derivatives[:-1]]
    return [
        factor * (k * d - root * same)
        for k, (d, same) in enumerate(zip(lower, derivatives, strict=True))
    ]


def _first_error(p, weights, order):
    """The first power of h, above the order, whose term does not vanish, and its moment."""
    power = order + 1
    while True:
        moment = sum((w * q**power for w, q in zip(weights, p, strict=True)), Fraction(0))
        if moment:
            return power, moment
        power += 1

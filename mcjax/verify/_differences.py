"""Derivatives by differences, with an error bar that covers the truth.

Along a direction v, φ(t) = f(x + t v) and D(h) = (φ(h) - φ(-h)) / 2h = φ'(0) + c₂h² + c₄h⁴ + ... + noise.
D is taken at steps h, h/2, h/4, ... over thirteen decades, starting from the size of x, and Richardson's
table removes the powers of h one by one. Every cell of the table carries an error bar: how far it
is from the two cells it was made of (Ridders 1982), which is truncation, and η/h, which is noise.
Each entry of the result takes the cell with the smallest bar.

Two things must not deceive the bars:

- The noise η(h) of f is measured, not assumed: the largest of h |D(h) - D(2h)| at the smallest steps,
  where truncation is nothing; of ε |φ(h)|; and of ε |φ'(h)| |x|, what the rounding of x does.
- A feature of f narrower than the steps is invisible to all of them: far from it every D(h) agrees on
  a wrong value. But then φ(h) + φ(-h) - 2φ(0) does not fall as h² when h is halved, and no cell made
  of such steps is taken. A kink is recognised in the same way.

One thing can deceive them: a staircase, f rounded to a grid of values much coarser than its digits,
as in (1 - cos x)/x² near 0. It is smooth between its stairs, and has another derivative there.

Sources: Ridders, Advances in Engineering Software 4 (1982) 75; Numerical Recipes, section 5.7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

_STEPS = 2.0 ** -np.arange(2, 47)  # of the size of x
_COLUMNS = 7
_NOISE_STEPS = 6


@dataclass(frozen=True)
class Estimate:
    """A derivative along a direction and the error bar of every entry, pytrees like the output."""

    value: Any
    error: Any


@dataclass(frozen=True)
class Sweep:
    """Steps relative to the size of x, and the relative error of central differences at each."""

    steps: np.ndarray
    errors: np.ndarray


def difference(f: Callable, x, v) -> Estimate:
    """The derivative of f at x along v, from values of f alone.

    x and v are pytrees of arrays of one structure, f maps such a pytree to a pytree of arrays. An
    entry of f that is not finite near x has an infinite error bar.
    """
    phi, unflatten = _along(f, x, v)
    size = natural_step(x, v)
    value, error = _extrapolate(phi, size * _STEPS)
    return Estimate(unflatten(value), unflatten(error))


def step_sweep(f: Callable, x, v, derivative) -> Sweep:
    """Error against step: central differences of f at x along v against a `derivative`.

    A right derivative shows a V: the error falls as h² until rounding, which grows as 1/h, takes
    over. A wrong derivative shows a plateau at the size of its fault.
    """
    phi, _ = _along(f, x, v)
    size = natural_step(x, v)
    exact = _flat(derivative)
    steps = np.logspace(-0.5, -13, 51)
    with np.errstate(all="ignore"):
        errors = [np.abs((phi(size * h) - phi(-size * h)) / (2 * size * h) - exact) for h in steps]
        relative = [e.max(initial=0) / np.abs(exact).max(initial=0) for e in errors]
    return Sweep(steps, np.array(relative))


def natural_step(x, v) -> float:
    """The power of two t for which t v is about as large as x (as 1, where x is zero)."""
    ratios = [
        (np.abs(a).max() or 1.0) / np.abs(b).max()
        for a, b in zip(map(wide, jax.tree.leaves(x)), map(wide, jax.tree.leaves(v)), strict=True)
        if b.size and np.abs(b).max() > 0
    ]
    return 2.0 ** np.round(np.log2(min(ratios, default=1.0)))


def wide(x) -> np.ndarray:
    """A host array in double precision, real or complex."""
    x = np.asarray(x)
    return x.astype(np.complex128 if np.issubdtype(x.dtype, np.complexfloating) else np.float64)


def moved(x, v, t):
    """The pytree x + t v, formed in double precision and rounded to the types of x."""
    return jax.tree.map(lambda a, b: (wide(a) + t * wide(b)).astype(np.asarray(a).dtype), x, v)


def _along(f, x, v):
    """t ↦ f(x + t v) as one flat vector, and the way back from a vector to f's output."""
    at_x, treedef = jax.tree.flatten(f(x))
    shapes = [np.shape(y) for y in at_x]
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]

    def unflatten(vector):
        pieces = np.split(vector, ends)
        return treedef.unflatten([p.reshape(s) for p, s in zip(pieces, shapes, strict=True)])

    return lambda t: _flat(f(moved(x, v, t))), unflatten


def _flat(tree):
    return np.concatenate([wide(y).ravel() for y in jax.tree.leaves(tree)])


def _extrapolate(phi, steps):
    """φ'(0) and its error bar, entry by entry."""
    with np.errstate(all="ignore"):
        plus, minus = (np.stack([phi(sign * h) for h in steps]) for sign in (1, -1))
        h = steps.reshape(-1, *[1] * (plus.ndim - 1))
        column = (plus - minus) / (2 * h)
        noise = _noise(plus, minus, column, h, size=steps[0] / _STEPS[0])
        smooth = _falls_as_square(plus + minus - 2 * phi(0.0), noise)
        error, noise = np.abs(np.diff(column, axis=0)), _window(np.maximum, noise / h)
        value, bar = _best(column[1:], error + 2 * noise, smooth)
        for j in range(1, _COLUMNS):
            new = column[1:] + (column[1:] - column[:-1]) / (4.0**j - 1)
            error = np.maximum(np.abs(new - column[1:]), np.abs(new - column[:-1]))
            candidate, its_bar = _best(new, error + 2 * noise, smooth)
            value = np.where(its_bar < bar, candidate, value)
            bar = np.minimum(its_bar, bar)
            column, noise = new, _window(np.maximum, noise)
            smooth = _window(np.logical_and, smooth)
    return value, bar


def _noise(plus, minus, slope, h, size):
    """η at every step."""
    jumps = np.abs(np.diff(slope, axis=0)) * h[1:]
    measured = jumps[-_NOISE_STEPS:].max(0)
    of_output = np.maximum(np.abs(plus), np.abs(minus))
    moves = np.maximum(*(np.abs(np.diff(y, axis=0, append=y[-1:])) for y in (plus, minus)))
    of_input = moves / (h / 2) * size
    return np.maximum(measured, np.finfo(np.float64).eps * np.maximum(of_output, of_input))


def _falls_as_square(bend, noise):
    """At each pair of steps h, h/2: is φ smooth on the scale of h, as far as noise lets one see?"""
    bend = np.abs(bend)
    falls = (bend[1:] <= 0.4 * bend[:-1]) | (bend[1:] <= 16 * noise[1:])
    return falls & np.isfinite(bend[1:])


def _window(both, rows):
    """What holds of rows i and i + 1 together."""
    return both(rows[1:], rows[:-1])


def _best(column, error, allowed):
    """The row with the smallest error at every entry."""
    allowed = allowed & np.isfinite(column) & np.isfinite(error)
    error = np.where(allowed, error, np.inf)
    row = error.argmin(0)[None]
    return np.take_along_axis(column, row, 0)[0], np.take_along_axis(error, row, 0)[0]

"""Derivatives by extrapolation, with an error bar that covers the truth.

Along a line, D(h) = (φ(h) - φ(-h)) / 2h = φ'(0) + c₂h² + c₄h⁴ + ... + noise. D is taken at steps h, h/2,
h/4, ... over thirteen decades, starting from the size of x, and Richardson's table removes the powers of
h one by one. Every cell of the table carries an error bar: how far it is from the two cells it was made
of (Ridders 1982), which is truncation, and the noise η/h of f, carried through the same sums. Each entry
of the result takes the cell with the smallest bar. Second differences, and differences to one side,
which have all powers of h, are extrapolated in the same way.

Three things must not deceive the bars:

- The noise η of f is measured, not assumed (`_noise.py`).
- A kink: to central differences, |x| at 0 is as good as a constant. But then φ(h) + φ(-h) - 2φ(0) does
  not fall as h² when h is halved, and no cell made of such steps is taken.
- A feature of f narrower than the steps: far from it every D(h) agrees on a wrong value, and so do the
  steps of a sine that are whole periods. But finer steps see it, so no cell is taken that contradicts
  the bar of a finer step.

What no samples show, no bar covers: an oscillation faster than the smallest step, a feature no higher than
rounding, a staircase of a few stairs in all.

Sources: Ridders, Advances in Engineering Software 4 (1982) 75; Numerical Recipes, section 5.7.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ._estimate import judge
from ._line import Samples
from ._noise import noise_of_samples

_COLUMNS = 7
_SAFETY = 1.5  # on the noise
_SLACK = 4  # how far a cell may lie outside the bars of finer steps, in bars


@dataclass(frozen=True)
class Column:
    """Differences at every step, their noise, and at which pairs h, h/2 the function is smooth.

    Their error is a series in h^p; `ratio` is 2^p.
    """

    values: Any
    noise: Any
    smooth: Any
    ratio: float


def extrapolate(s: Samples, order: int, floor, columns: int = _COLUMNS):
    """The derivative of φ at 0 with its bar and status, entry by entry; `floor` is a known noise."""
    xp = s.at.__array_namespace__()
    with np.errstate(all="ignore"), jax.numpy_dtype_promotion("standard"):
        value, error = richardson(central(s, order, floor), columns)
        two_sided = _finite(s.plus) & _finite(s.minus)
        may_turn = xp.isfinite(error) | (two_sided.sum(0) < 3)
        sides = [richardson(one_sided(s, order, floor, sign), columns) for sign in (1, -1)]
        for here, (other, its_error) in zip((s.plus, s.minus), sides, strict=True):
            needed = (_finite(here) & ~two_sided).any(0) & may_turn
            agrees = ~(xp.abs(other - value) > _SLACK * (error + its_error))
            error = xp.where(needed & ~agrees, xp.inf, error)
            better = needed & agrees & (its_error < error)
            value, error = xp.where(better, other, value), xp.where(better, its_error, error)
        if order == 1:
            value, error = _away_from_a_jump(s, value, error, sides)
        finite = _finite(s.at) & (_finite(s.plus) | _finite(s.minus)).any(0)
        middle = len(s.h) // 2
        around = xp.stack([xp.abs(y) for y in (s.at, s.plus[middle], s.minus[middle])])
        scale = xp.where(xp.isfinite(around), around, 0.0).max(0) / s.size**order
        return value, error, judge(value, error, finite, scale)


def _away_from_a_jump(s, value, error, sides):
    """The difference to one side, where a jump or pole close by on the other spoils the central one.

    φ must go on smoothly to that other side by the finest step, or the jump is at 0 itself, and it must
    have no slope of its own there, or there is a kink.
    """
    xp, h = value.__array_namespace__(), s.h[-1]
    right, left = sides
    for sign, (slope, bar), (_, its_bar), there in (
        (1, right, left, s.minus[-1]),
        (-1, left, right, s.plus[-1]),
    ):
        rounding = 16 * s.eps * (xp.abs(s.at) + s.size * xp.abs(slope))
        goes_on = xp.abs(there - s.at + sign * h * slope) <= rounding + h * bar
        better = goes_on & xp.isfinite(bar) & ~xp.isfinite(its_bar) & ~xp.isfinite(error)
        value, error = xp.where(better, slope, value), xp.where(better, bar, error)
    return value, error


def central(s: Samples, order: int, floor) -> Column:
    """First or second central differences.

    A first difference sees the odd part of φ and is blind to kinks in the even part, such as |t|; a
    second difference sees the even part, and is blind to t|t|. Each is smooth only if the part that
    it does not see falls as that of a smooth function does: as h² or h³.
    """
    h = _like(s.h, s.plus)
    slope, bend = (s.plus - s.minus) / (2 * h), s.plus - 2 * s.at[None] + s.minus
    noise = noise_of_samples([s.plus, s.minus], slope, bend, s, order, floor)
    jump = h[1:] * _step(slope)
    if order == 1:
        smooth = _falls(bend, noise, 0.4) & _converges(slope, noise / h)
        return Column(slope, noise / h, smooth, 4.0)
    curvature = bend / h**2
    smooth = _first_as_next(_falls(jump, noise[1:], 0.18)) & _converges(curvature, noise / h**2)
    return Column(curvature, 4 * noise / h**2, smooth, 4.0)


def one_sided(s: Samples, order: int, floor, sign: int) -> Column:
    """First or second differences to the right (sign = 1) or left."""
    here, h = s.plus if sign == 1 else s.minus, _like(s.h, s.plus)
    slope = sign * (here - s.at[None]) / h
    bend = here[:-1] - 2 * here[1:] + s.at[None]
    noise = noise_of_samples([here], slope, bend, s, order, floor)
    if order == 1:
        return Column(slope, 2 * noise / h, _converges(slope, noise / h), 2.0)
    curvature, noise = bend / h[1:] ** 2, noise[1:] / h[1:] ** 2
    return Column(curvature, 4 * noise, _converges(curvature, noise), 2.0)


def richardson(column: Column, columns: int):
    """The limit for h → 0, and its error bar.

    Of a column c(h) = limit + O(h^(jp)), (2^(jp) c(h/2) - c(h)) / (2^(jp) - 1) is the next one.
    """
    values, noise, smooth = column.values, _SAFETY * column.noise, column.smooth
    xp = values.__array_namespace__()
    error = _step(values) + noise[1:]
    allowed = smooth & _finite(values[1:])
    fence = _fence(values[1:], error, allowed)
    value, bar = _best(values[1:], error, allowed & _within(values[1:], error, fence))
    for j in range(1, min(columns, len(values))):
        part = 1 / (column.ratio**j - 1)
        new = values[1:] + part * (values[1:] - values[:-1])
        noise = noise[1:] + part * (noise[1:] + noise[:-1])
        error = xp.maximum(xp.abs(new - values[1:]), xp.abs(new - values[:-1]))
        error = xp.maximum(error, _drift(new) / column.ratio**j) + noise
        rows = [edge[j - 1 :] for edge in fence]
        candidate, its_bar = _best(new, error, smooth & _within(new, error, rows))
        value, bar = xp.where(its_bar < bar, candidate, value), xp.minimum(its_bar, bar)
        values, smooth = new, smooth[1:] & smooth[:-1]
    return value, bar


def _drift(rows):
    """How far every row is from the one before, lest its parents agree by chance."""
    step = _step(rows)
    return step.__array_namespace__().concatenate([step[:1], step]) if len(step) else 0 * rows


def _fence(values, error, allowed):
    """At every row, the highest lower end and the lowest upper end of its and all finer bars."""
    xp = values.__array_namespace__()
    reach = xp.where(allowed, _SLACK * error, xp.inf)
    edges = []
    for part in _parts(xp.where(allowed, values, 0.0)):
        edges += [-_running_least(reach - part), _running_least(part + reach)]
    return edges


def _within(values, error, fence):
    """Which cells reach between the fences?"""
    inside = True
    for part, low, high in zip(_parts(values), fence[::2], fence[1::2], strict=True):
        inside = inside & (part + error >= low) & (part - error <= high)
    return inside


def _parts(values):
    xp = values.__array_namespace__()
    return [xp.real(values), xp.imag(values)] if xp.iscomplexobj(values) else [values]


def _running_least(rows):
    """The least of every row and all finer ones."""
    xp = rows.__array_namespace__()
    return xp.flip(xp.minimum.accumulate(xp.flip(rows, 0), axis=0), 0)


def _falls(change, noise, factor):
    """At each pair of steps h, h/2, and all finer ones, does this fall by the factor when h is halved?

    As far as noise lets one see; and where it happens to be small at h, since 2h.
    """
    xp = change.__array_namespace__()
    change = xp.abs(change)
    coarser = xp.concatenate([change[:1], change[:-2]])
    falls = change[1:] <= xp.maximum(factor * change[:-1], factor**2 * coarser)
    falls = (falls | (change[1:] <= 16 * noise[1:])) & xp.isfinite(change[1:])
    return xp.flip(xp.cumsum(xp.flip(~falls, 0), axis=0), 0) == 0


def _converges(values, noise):
    """At each pair of steps: does the change of the value itself fall when h is halved?"""
    return _first_as_next(_falls(_step(values), noise[1:], 0.55))


def _first_as_next(test):
    """A test of pairs in a column that is itself of pairs: the first pair has nothing to show."""
    return test.__array_namespace__().concatenate([test[:1], test])


def _step(rows):
    xp = rows.__array_namespace__()
    return xp.abs(rows[1:] - rows[:-1])


def _finite(values):
    return values.__array_namespace__().isfinite(values)


def _like(h, values):
    return h.reshape(-1, *[1] * (values.ndim - 1))


def _best(column, error, allowed):
    """The row with the smallest error at every entry."""
    xp = column.__array_namespace__()
    error = xp.where(allowed & _finite(column) & _finite(error), error, xp.inf)
    row = error.argmin(0)[None]
    return xp.take_along_axis(column, row, 0)[0], xp.take_along_axis(error, row, 0)[0]

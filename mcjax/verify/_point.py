"""A function at an input, with the directions and tolerances that all parts of a check share.

What is required is computed, never guessed. A reference y(x) that is right but for rounding is known
to

    tolerance = 10 n (max |y(x + δ) - y(x)| + ε |y(x)|),

where n is the size of the largest matrix (of a vector, 1 + log₂ of its length, as in a pairwise sum),
ε the unit of the precision under test, and δ moves every input by one rounding: the entries of a
matrix by ±ε times its largest entry (what a stable algorithm promises), other numbers by ±ε of their
own. The maximum is over three random δ (one, for differences) and over the entries of a matrix. So
conditioning is measured, and on the reference, not on what is tested.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from . import _function as route
from ._function import Probe
from ._routes import Routes
from ._sizes import dimension, host, largest, leaves, matrix_size, signs
from ._verdict import RESOLVED, Part, compare, group_max
from ._without_rules import WithoutRules, has_rules
from .differences import jvp as difference
from .differences._line import moved, wide

SAFETY = 10
_NEAR = 1e-3  # of the size of x
_SMOOTH = 1e-2  # a relative change in which a function is still smooth


class Known(NamedTuple):
    """Arrays, and how far each entry may be from the truth."""

    value: list
    tolerance: list


@dataclass(frozen=True)
class Point(Routes):
    """A function at an input, and what is known of it and of its derivatives there."""

    def compare(self, got, want, tolerance, labels=None) -> Part:
        """`compare`, with the errors in mind that the precision and f itself do not let one see."""
        return compare(got, want, tolerance, labels, self.sharp)

    @property
    def sharp(self) -> float:
        """The relative error that a comparison must be able to see, or it decides nothing.

        Central differences of an f that is known to δ see its derivative to about δ^(2/3).
        """
        return max(RESOLVED, min(0.5, max(64 * self.eps, 2 * SAFETY * self.approx ** (2 / 3))))

    @cached_property
    def references(self) -> list[tuple["Point", bool]]:
        """Points of plain functions for JAX to differentiate by itself, and are they trusted?"""
        wide, found = self.wide, []
        if self.reference is not None:
            found.append((wide.of(replace(self.function, f=self.reference)), True))
        if wide._ways.setdefault("rules", _has_rules(wide)):
            found.append((wide.of(WithoutRules(self.function)), False))
        return found

    @cached_property
    def n(self) -> float:
        """The size of the largest matrix that goes in or comes out, or what a vector counts."""
        shapes = [a.shape for a in (*self.x, *self.outputs)]
        return max(1.0, *(dimension(s) for s in shapes), 1.0)

    def inside(self, x) -> bool:
        """Is an input in the domain?"""
        if self.domain is None:
            return True
        if callable(self.domain):
            return bool(self.domain(*self.function.arguments(x)))
        low, high = (np.nan if b is None else b for b in self.domain)
        return not any(np.any((wide(a).real < low) | (wide(a).real > high)) for a in x)

    def rounding(
        self, y: Callable, eps: float | None = None, moves: int = 3, exact: bool = False
    ) -> Known:
        """The reference y(x), a list of arrays, and its tolerance (see the head of this file).

        An exact reference has no rounding of its own that could be noise.
        """
        eps = eps or self.eps
        base = host(y(self.x))
        with self._shaken(eps):
            moved = [host(y(there)) for there in self._neighbours(eps, moves)]
        known = Known(base, self._bars(base, moved, eps))
        return known if exact else self._with_noise(known, y, eps)

    def _with_noise(self, known, y, eps):
        """A reference on a stair does not move with one rounding, but it bends within √ε of x.

        The bend y(x + d) - 2 y(x) + y(x - d) of a smooth y falls by 64 when d is divided by eight;
        what falls less is steps or noise. An ill-conditioned y is smooth in steps that are smaller.
        """
        scale = min(np.sqrt(eps), _SMOOTH / self._condition(known, eps))
        wider, closer = (self.bend(known.value, y, t * scale) for t in (1, 1 / 8))
        noise = [np.where(b > a / 16, b, 0) for a, b in zip(wider, closer, strict=True)]
        bars = [t + SAFETY * group_max(b) for t, b in zip(known.tolerance, noise, strict=True)]
        return Known(known.value, bars)

    def _condition(self, known, eps) -> float:
        """The relative error of y that one rounding of its input makes, in roundings."""
        bars = [np.max(t, initial=0, where=np.isfinite(t)) for t in known.tolerance]
        moves = [t / s for t, s in zip(bars, largest(known.value), strict=True) if s > 0]
        return max(1.0, max(moves, default=0.0) / (SAFETY * self.n * eps))

    def bend(self, here, y, scale) -> list:
        """|y(x + d) + y(x - d) - 2 y(x)| with d of this size: next to nothing, unless y has steps."""
        d = [scale * wide(v) for v in self.probe.v]
        sides = [list(map(partial(_plus, s), self.x, d)) for s in (1, -1)]
        if not all(map(self.inside, sides)):
            return [np.zeros(c.shape) for c in here]
        with np.errstate(all="ignore"):
            ends = zip(*map(y, sides), here, strict=True)
            bends = [np.abs(wide(a) + wide(b) - 2 * wide(c)) for a, b, c in ends]
        return [np.where(np.isfinite(b), b, 0) for b in bends]

    def _bars(self, base, moved, eps) -> list:
        """The tolerance of a reference, from its values at moved inputs."""
        shift = [np.zeros(b.shape) for b in base]
        with np.errstate(all="ignore"):
            for new in moved:
                distance = [np.abs(wide(a) - wide(b)) for a, b in zip(new, base, strict=True)]
                shift = list(map(np.maximum, shift, distance))
            own = [s + eps * np.abs(wide(b)) for s, b in zip(shift, base, strict=True)]
            return self._allow(base, [SAFETY * self.n * group_max(t) for t in own])

    def _allow(self, values, tolerances):
        """What an approximate f is allowed on top."""
        if not self.approx:
            return tolerances
        sizes = largest(values)
        return [t + SAFETY * self.approx * s for t, s in zip(tolerances, sizes, strict=True)]

    def _neighbours(self, eps, moves):
        random = np.random.default_rng(self.seed + 2)
        for _ in range(moves):
            there = moved(self.x, [signs(a, random) * matrix_size(a) for a in self.x], eps)
            yield there if self.inside(there) else self.x

    def of_itself(self, how: Callable, at: Probe) -> Known:
        """The leaves of what a route says, for comparison with what it says in other circumstances.

        Two roundings of one program are sure to share half their digits, and no more: what cancels
        inside of it, as in the difference of two logsumexp, is not seen from without.
        """
        known = self.rounding(lambda x: leaves(self.run(how, at._replace(x=x))))
        known = Known(known.value, list(map(np.maximum, known.tolerance, self.half(known.value))))
        hidden = [np.zeros(())] * len(known.value)
        if how is route.jvp:
            hidden[len(self.outputs) :] = self.hidden_in_tangents
        if how is route.vjp:
            hidden[len(self.outputs) :] = self.hidden_in_cotangents(at.w)
        return Known(known.value, list(map(np.add, known.tolerance, hidden)))

    def half(self, values) -> list:
        """Half the digits of values."""
        return [np.sqrt(self.eps) * group_max(np.abs(wide(a))) for a in values]

    @cached_property
    def hidden_in_tangents(self) -> list:
        """What rounding inside of f hides of each output's derivative along a direction as large as x.

        Terms of the size of f may cancel in it to nothing, as in a saturated softmax. No input that
        moves shows that.
        """
        return [SAFETY * self.n * self.eps * s for s in largest(self.value(self.x))]

    def hidden_in_cotangents(self, w) -> list:
        """The same of the cotangents of w, entry by entry."""
        return [self.hidden_in_pairings(w) / matrix_size(a) for a in self.x]

    def hidden_in_pairings(self, w) -> float:
        """The same of <w, J v>."""
        sizes = zip(largest(w), self.hidden_in_tangents, strict=True)
        return float(sum(a * b for a, b in sizes))

    def difference(self, y: Callable, v) -> Known:
        """The derivative of y at x along v, by differences in double precision.

        y takes a `Point` and an input. The tolerance is four times the error bar, and 10 n times how
        far the derivative moves with its input, by differences again. No difference sees a function
        through its rounding: where y keeps less than three digits of its size, here and nearby,
        nothing is known. At x alone it may well keep none: sin(x)/x between 0 and ε.
        """
        p = self._where_it_runs(y)
        y, v = partial(y, p), list(map(wide, v))
        value, here = p.rounding(y, self.eps, exact=True)
        nearby, there = p._nearby(v).rounding(y, self.eps, exact=True)
        sizes = list(map(_larger, value, nearby))
        lost = [
            np.where(flat, np.fmin(a, b), a)
            for flat, a, b in zip(p._flat(y, value, sizes), here, there, strict=True)
        ]
        noise = [self.approx * s for s in largest(value)]
        along = partial(difference, y, v=v, domain=p.inside if p.domain else None, noise=noise)
        (shaken,) = p._neighbours(self.eps, 1)
        estimate = along(p.x)
        moves = p._bars(estimate.value, [_surely(estimate, along(shaken))], self.eps)
        found = zip(estimate.value, estimate.error, moves, lost, sizes, strict=True)
        seen = [self._seen(*one) for one in found]
        return Known([slope for slope, _ in seen], [bar for _, bar in seen])

    def _flat(self, y, value, sizes) -> list:
        """Is y on both sides of x next to what it is at x, so that what it loses there is local?"""
        sides = [moved(self.x, self.probe.v, t) for t in (_NEAR, -_NEAR)]
        if not all(map(self.inside, sides)):
            return [False for _ in value]
        apart = (
            [np.abs(wide(a) - wide(b)) for a, b in zip(y(x), value, strict=True)] for x in sides
        )
        return [
            (group_max(a) <= _SMOOTH * s) & (group_max(b) <= _SMOOTH * s)
            for a, b, s in zip(*apart, sizes, strict=True)
        ]

    def _seen(self, slope, error, move, loss, size):
        """A slope and its tolerance; what is nothing to the digits that y has is zero, as a whole."""
        tolerance = 4 * error + move + loss
        with np.errstate(all="ignore"):
            resolved = self.sharp * group_max(np.fmax(size, np.abs(slope) - tolerance))
        zero = ~group_max((np.abs(slope) > tolerance) | (tolerance > resolved))
        blind = (loss > resolved) & (resolved > 0)
        tolerance = np.where(zero, tolerance + np.abs(slope), tolerance)
        return np.where(zero, 0, slope), np.where(blind, np.inf, tolerance)

    def _nearby(self, v):
        """An eighth of v further on, where that is inside."""
        there = moved(self.x, v, 1 / 8)
        return self.at(there) if self.inside(there) else self

    def _where_it_runs(self, y):
        """In double precision, unless f is another function there, or insists on its types."""
        return self.wide if self.is_the_same_in_double and _runs(y, self.wide) else self

    @property
    def is_the_same_in_double(self) -> bool:
        """Is f in double precision the same function? Random numbers, for one, are others."""
        if "same" not in self._ways:
            self._ways["same"] = self.is_double or self._is_close_in_double()
        return self._ways["same"]

    def _is_close_in_double(self):
        try:
            wide = self.wide.value(self.wide.x)
        except Exception:  # f insists on its types
            return False
        return all(map(_close, self.value(self.x), wide))


def _surely(here, there) -> list[np.ndarray]:
    """The value there as near to the value here as the bars of both allow."""
    with np.errstate(all="ignore"):
        apart = [wide(b) - wide(a) for a, b in zip(here.value, there.value, strict=True)]
        bars = map(np.add, here.error, there.error)
        kept = [np.fmax(0, 1 - bar / np.abs(d)) for bar, d in zip(bars, apart, strict=True)]
    return [wide(a) + d * k for a, d, k in zip(here.value, apart, kept, strict=True)]


def _larger(here, there):
    """The larger size of two values, or of the one that is finite."""
    here, there = np.abs(wide(here)), np.abs(wide(there))
    return np.where(here < there, there, here)


def _runs(y, p):
    try:
        y(p, p.x)
    except Exception:
        return False
    return True


def _close(a, b):
    """Is one the other in a lower precision, as far as its size goes?"""
    a, b = wide(a), wide(b)
    sizes = [np.abs(c).max(initial=0, where=np.isfinite(c)) for c in (a, b, a - b)]
    return not sizes[2] > 0.3 * max(sizes[:2])


def _plus(sign, a, d):
    return (wide(a) + sign * d).astype(a.dtype)


def _has_rules(p):
    try:
        return has_rules(p.function, p.x)
    except Exception:  # not traceable, or not in double precision
        return False

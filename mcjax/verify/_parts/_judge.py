"""The verdict on numbers that a rule made, by what is known of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._point import SAFETY, Known, Point
from .._verdict import Part, group_max
from ..differences._line import wide

_LARGE = 10_000  # entries
_POOR = 1e-6  # in double precision an error above this is not rounding, whatever jitters
_TINY = 1e-9  # and one below this is not worth the name of a fault: a series cut short, a table


def judge(p: Point, rule: Callable, known: Known, labels=None) -> Part:
    """What the rule says at p against what is known.

    A rule whose error is its own rounding, seen in how far its answer moves when the input moves by
    one rounding, is right and numerically poor. In a lower precision it must be right in double. So
    is one that is right to nine digits: f and its rule may be two approximations of one function.
    """
    got = rule(p, p.x)
    part = p.compare(got, *known, labels)
    if part.verdict != "wrong" or part.obtained is None:
        return part
    own = p.rounding(lambda x: rule(p, x)).tolerance
    allowed = [np.maximum(a, b) for a, b in zip(known.tolerance, own, strict=True)]
    allowed = _no_better_than_the_value(p, allowed, known.value)
    explained = p.compare(got, known.value, allowed, labels).verdict != "wrong"
    if _to_nine_digits(p, got, known) or (explained and _right_when_precise(p, rule, known, part)):
        lost = (part.required or 0.0) - part.obtained
        note = f"right, but loses {lost:.0f} digits in {p.precision} here ({part.detail})"
        return replace(part, verdict="right", detail=note)
    return part


def _to_nine_digits(p, got, known):
    sizes = [_TINY * group_max(np.abs(wide(y))) for y in known.value]
    bars = list(map(np.maximum, known.tolerance, sizes))
    return p.is_double and p.compare(got, known.value, bars).verdict != "wrong"


def _right_when_precise(p, rule, known, part):
    if p.is_double:
        return 10.0**-part.obtained < _POOR
    try:
        return p.compare(rule(p.wide, p.wide.x), *known).verdict != "wrong"
    except Exception:
        return False


def _no_better_than_the_value(p, tolerances, values):
    """Where f itself has lost digits in a low precision, no more is asked of its derivative, and
    nothing below the rounding of f."""
    if p.is_double:
        return tolerances
    value = p.wide.value(p.wide.x)
    error = max(map(relative_error, p.value(p.x), value), default=0.0)
    unseen = p.eps * max((np.abs(wide(y)).max(initial=0) for y in value), default=0.0)
    return [
        t + SAFETY * p.n * (error * group_max(np.abs(y)) + unseen)
        for t, y in zip(tolerances, values, strict=True)
    ]


def relative_error(got, want) -> float:
    """The largest, of what is finite, relative to the matrix that an entry is in."""
    with np.errstate(all="ignore"):
        error = np.abs(wide(got) - wide(want)) / group_max(np.abs(wide(want)))
    return float(error.max(initial=0.0, where=np.isfinite(error)))


def pair(w, y) -> np.ndarray:
    """Re Σ w * y in double precision, on the host."""
    return np.asarray(sum((t.sum() for t in terms(w, y)), 0.0))


def terms(w, y) -> list[np.ndarray]:
    """The summands of a pairing."""
    return [np.real(wide(a) * wide(b)) for a, b in zip(w, y, strict=True)]


def pairing_rounding(p: Point, w, y) -> float:
    """How far a pairing may be off when each summand has its own rounding: 10 n ε |summands|₂."""
    squares = sum(((t**2).sum(where=np.isfinite(t)) for t in terms(w, y)), 0.0)
    return SAFETY * p.n * p.eps * float(np.sqrt(squares))


def sketch(p: Point, likes) -> Callable:
    """What is compared of a list of arrays: its entries, or three random pairings of large arrays.

    Differences hold ninety values of everything that they look at.
    """
    if sum(int(np.prod(a.shape)) for a in likes) <= _LARGE:
        return lambda y: y
    random = np.random.default_rng(p.seed + 5)
    weights = [
        [random.uniform(0.5, 1.5, a.shape) * random.choice([-1, 1], a.shape) for a in likes]
        for _ in range(3)
    ]
    return lambda y: [pair(w, y) for w in weights]


def times(scale, leaves) -> list[np.ndarray]:
    """The leaves, multiplied and of their own types."""
    return [(scale * wide(a)).astype(a.dtype) for a in leaves]


def alone(leaves, keep) -> list[np.ndarray]:
    """The leaves, all zero but one."""
    return [a if i == keep else np.zeros_like(a) for i, a in enumerate(leaves)]


def each_alone(leaves, most=6) -> list[list[np.ndarray]]:
    """Every leaf alone, where there are several."""
    return [alone(leaves, i) for i in range(min(len(leaves), most))] if len(leaves) > 1 else []

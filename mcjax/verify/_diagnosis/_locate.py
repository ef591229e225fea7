"""The one entry of an argument in which a derivative is wrong, by bisection.

A direction that moves half of the entries either shows the fault or leaves it to the other half.
Each question costs one central difference, two evaluations of f: among a million entries one wrong
entry is found in forty.
"""

import numpy as np

from ..differences._line import moved, natural_step, wide
from ._fault import Fault

_STEP = 2.0**-17  # of the size of x: a central difference with it keeps about ten digits


def locate(fault: Fault, i: int, v, gap: np.ndarray) -> int | None:
    """The flat index of the entry of argument i that makes all of the gap along v, if one does.

    The gap is what the rule says along v less what is true; it is linear in v.
    """
    low, high, rest = 0, fault.point.x[i].size, gap
    while high - low > 1:
        middle = (low + high) // 2
        left = _gap(fault, _only(v, i, low, middle))
        if np.abs(left).max() > np.abs(rest).max() / 2:
            high, rest = middle, left
        else:
            low, rest = middle, rest - left
    alone = np.abs(rest - gap).max() <= 1e-3 * np.abs(gap).max()
    return low if alone and fault.point.x[i].size > 1 else None


def _only(v, i, low, high):
    """v, where it moves entries low to high of argument i."""
    keep = np.zeros(v[i].size, bool)
    keep[low:high] = True
    moves = np.where(keep.reshape(v[i].shape), v[i], 0).astype(v[i].dtype)
    return [moves if k == i else np.zeros_like(a) for k, a in enumerate(v)]


def _gap(fault, v):
    """What the rule says along v, less a central difference."""
    p = fault.point.wide
    h = natural_step(p.x, v) * _STEP
    plus, minus = (fault.y(p, moved(p.x, v, t)) for t in (h, -h))
    slope = [(wide(a) - wide(b)) / (2 * h) for a, b in zip(plus, minus, strict=True)]
    return fault.says(v) - fault.measure(slope)

"""What is known where references meet: they sharpen each other, or a third decides.

Differences are the definition of a derivative, so an analytic reference adds digits to them. A given
reference that contradicts them is not overruled at once: differences can be deceived too. A third
reference then decides, and where there is none, nothing is known.
"""

from collections.abc import Iterable

import numpy as np

from .._point import Known


def sharpen(known: Known, sharper: Known | None, trusted: bool) -> Known:
    """What is known, with the digits that an analytic reference adds.

    It counts where it does not contradict the differences. Where they see nothing, it counts if it
    is trusted.
    """
    if sharper is None:
        return known
    values, bars = [], []
    for a, t, b, s in zip(*known, *sharper, strict=True):
        agrees = np.where(np.isfinite(t), _agree(a, t, b, s), trusted)
        agrees &= (s > 0) | (a == b)  # zeros to the last bit are an underflow as often as a truth
        better = agrees & np.isfinite(b) & (s < np.where(np.isfinite(t), t, np.inf))
        values.append(np.where(better, b, a))
        bars.append(np.where(better, s, t))
    return Known(values, bars)


def vote(known: Known, given: Known | None, thirds: Iterable[Known | None]) -> Known:
    """What is known, after a vote on the entries where it contradicts a given reference."""
    disputes = _disputes(known, given) if given is not None else []
    if given is None or not any(map(np.any, disputes)):
        return known
    voters = [third for third in thirds if third is not None]
    values, bars = [], []
    for i, (a, t, b, s) in enumerate(zip(*known, *given, strict=True)):
        disputed = disputes[i]
        for_known, for_given = (
            np.any([_agree(x, bar, v.value[i], v.tolerance[i]) for v in voters], axis=0)
            for x, bar in ((a, t), (b, s))
        )
        changed = disputed & for_given & ~for_known
        tied = disputed & (for_given == for_known)
        values.append(np.where(changed, b, a))
        bars.append(np.where(tied, np.inf, np.where(changed, s, t)))
    return Known(values, bars)


def _disputes(known, given):
    return [
        np.isfinite(t) & np.isfinite(b) & ~_agree(a, t, b, s)
        for a, t, b, s in zip(*known, *given, strict=True)
    ]


def _agree(a, t, b, s):
    with np.errstate(all="ignore"):
        return np.abs(b - a) <= t + s

"""What a comparison found: a part of a check, with its verdict."""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from .differences._line import wide

Verdict = Literal["right", "wrong", "undecided"]

RESOLVED = 1e-3  # a comparison that cannot see this relative error decides nothing
MOST_DIGITS = 17.0
_FAR = 1e3  # a reference with a bar too wide to be decisive is not believed within so many bars


class Undecided(Exception):
    """Nothing can be said, for the reason given."""


class Lost(Exception):
    """A rule takes a derivative away that the function has without it."""


@dataclass(frozen=True)
class Part:
    """One comparison: digits obtained, digits required, and what that means.

    Attributes:
      name: what was compared.
      verdict: "right", "wrong" or "undecided".
      obtained: correct digits at the worst entry; None if nothing was measured.
      required: the digits there that rounding and conditioning leave (the tolerance).
      detail: the worst entry, or the reason why nothing was decided.
      raised: the comparison ended in an exception; the detail is its message.
      only: the one entry that is wrong, if it is one among many.
      at: the `Point` of the comparison, if it is not the point of the check.
    """

    name: str
    verdict: Verdict
    obtained: float | None = None
    required: float | None = None
    detail: str = ""
    raised: bool = False
    only: str = ""
    at: Any = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict:
        """The part as a plain dictionary."""
        kept = ("name", "verdict", "obtained", "required", "detail", "raised")
        return {key: getattr(self, key) for key in kept}


def compare(got, want, tolerance, labels=None, sharp: float = RESOLVED) -> Part:
    """Lists of arrays against each other: right where |got - want| <= tolerance, entry by entry.

    Digits are relative to the largest entry of the matrix that an entry belongs to. Where what is
    wanted is not finite, or the tolerance could hide a relative error that is not `sharp`, nothing is
    decided.
    """
    got, want = [np.asarray(a) for a in got], [wide(a) for a in want]
    if labels is None or len(labels) != len(got):
        labels = [f"output {i}" for i in range(len(got))]
    labels = [""] if len(got) == 1 else labels
    leaves = zip(got, want, tolerance, labels, strict=True)
    return merge([_compare(*leaf, sharp) for leaf in leaves])


def _compare(got, want, tolerance, label, sharp) -> Part:
    if got.shape != want.shape:
        return Part("", "wrong", detail=f"{label} shape {got.shape}, expected {want.shape}".strip())
    if want.size == 0:
        return Part("", "right", MOST_DIGITS, MOST_DIGITS)
    with np.errstate(all="ignore"):
        overflow = np.abs(want) > _info(got).max
        tolerance = np.broadcast_to(tolerance, want.shape) + float(_info(got).tiny)
        got = wide(got)
        decidable = np.isfinite(want) & np.isfinite(tolerance) & ~overflow
        error = np.where(np.isfinite(got), np.abs(got - want), np.inf)
    if not decidable.any():
        return Part("", "undecided", detail="not finite")
    scale = group_max(np.where(decidable, np.abs(want), 0.0))
    scale = np.broadcast_to(np.where(scale > 0, scale, 1.0), want.shape)
    seen = tolerance <= sharp * scale
    with np.errstate(all="ignore"):
        far = np.isfinite(got) & (error > _FAR * tolerance)
    decidable &= far | seen | (error <= tolerance)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.where(decidable, error / tolerance, -1.0)
    at = np.unravel_index(ratio.argmax(), ratio.shape)
    obtained, required = digits(error[at] / scale[at]), digits(tolerance[at] / scale[at])
    detail = f"{_place(label, at)}: {got[at]:.12g}, expected {want[at]:.12g}"
    if ratio[at] > 1:
        only = _place(label, at) if ratio.size > 1 and np.sum(ratio > 1) == 1 else ""
        return Part("", "wrong", obtained, required, detail, only=only)
    if not np.any(seen & decidable):
        return Part("", "undecided", detail="rounding and conditioning leave nothing to compare")
    return Part("", "right", obtained, required, detail)


def _info(a):
    """The limits of a floating type."""
    return jnp.finfo(a.dtype)


def group_max(x):
    """The largest entry of the matrix each entry belongs to; of vectors and numbers, themselves."""
    return x.max((-2, -1), keepdims=True) if x.ndim >= 2 and x.size else x


def digits(relative_error) -> float:
    """Correct decimal digits, between 0 and those of a double."""
    floor = 10.0**-MOST_DIGITS
    return float(np.clip(-np.log10(max(float(relative_error), floor)), 0.0, MOST_DIGITS)) + 0.0


def merge(parts) -> Part:
    """One part for several of a name: the worst that was decided."""
    parts = list(parts)
    for verdict in ("wrong", "right"):
        decided = [p for p in parts if p.verdict == verdict]
        if decided:
            return min(decided, key=lambda p: -1.0 if p.obtained is None else p.obtained)
    return parts[0] if parts else Part("", "undecided", detail="nothing to compare")


def _place(label, at):
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{label}{index}" if label or index else "value"

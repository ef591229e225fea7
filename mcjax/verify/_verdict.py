"""What a check found: parts with a verdict each, and the report they make."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

Verdict = Literal["right", "wrong", "undecided"]

RESOLVED = 1e-3  # a comparison that cannot see this relative error decides nothing
MOST_DIGITS = 17.0


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
    """

    name: str
    verdict: Verdict
    obtained: float | None = None
    required: float | None = None
    detail: str = ""
    raised: bool = False


@dataclass(frozen=True)
class Report:
    """The verdicts on one function at one input. Print it, or ask `.ok`."""

    title: str
    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong, and the derivative was compared with something outside the rule."""
        decided = any(p.verdict == "right" and p.name in OUTSIDE for p in self.parts)
        return decided and not self.wrong

    @property
    def wrong(self) -> tuple[Part, ...]:
        """The parts that failed."""
        return tuple(p for p in self.parts if p.verdict == "wrong")

    @property
    def undecided(self) -> tuple[Part, ...]:
        """The parts about which nothing can be said, each with its reason."""
        return tuple(p for p in self.parts if p.verdict == "undecided")

    def raise_if_wrong(self) -> None:
        """Raise an AssertionError that lists what is wrong, or that nothing was decided."""
        if not self.ok:
            raise AssertionError(str(self))

    def to_json(self) -> str:
        """The report as a JSON object: title, ok, and the list of parts."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict:
        """The report as plain dictionaries and lists."""
        return {"title": self.title, "ok": self.ok, "parts": [asdict(p) for p in self.parts]}

    def __rich__(self):
        from ._table import report_table

        return report_table(self)

    def __str__(self) -> str:
        from ._table import as_text

        return as_text(self)


# Parts that compare the derivative with something that the rule did not make.
OUTSIDE = ("jvp", "vjp", "truth", "plain")


def compare(got, want, tolerance, labels=None) -> Part:
    """Lists of arrays against each other: right where |got - want| <= tolerance, entry by entry.

    Digits are relative to the largest entry of the matrix that an entry belongs to. Where what is
    wanted is not finite, or the tolerance could hide an error of 0.1 %, nothing is decided.
    """
    got, want = [np.asarray(a) for a in got], [np.asarray(a) for a in want]
    labels = labels or [f"output {i}" for i in range(len(got))]
    labels = labels if len(got) > 1 else [""]
    return merge([_compare(*leaf) for leaf in zip(got, want, tolerance, labels, strict=True)])


def _compare(got, want, tolerance, label) -> Part:
    if got.shape != want.shape:
        return Part("", "wrong", detail=f"{label} shape {got.shape}, expected {want.shape}".strip())
    if want.size == 0:
        return Part("", "right", MOST_DIGITS, MOST_DIGITS)
    with np.errstate(all="ignore"):
        overflow = np.abs(want) > _largest(got)
        tolerance = np.broadcast_to(tolerance, want.shape)
        decidable = np.isfinite(want) & np.isfinite(tolerance) & ~overflow
        error = np.where(np.isfinite(got), np.abs(got - want), np.inf)
    if not decidable.any():
        return Part("", "undecided", detail="not finite")
    scale = group_max(np.where(decidable, np.abs(want), 0.0))
    scale = np.broadcast_to(np.where(scale > 0, scale, 1.0), want.shape)
    ratio = np.where(decidable, error / np.maximum(tolerance, np.finfo(np.float64).tiny), -1.0)
    at = np.unravel_index(ratio.argmax(), ratio.shape)
    obtained, required = digits(error[at] / scale[at]), digits(tolerance[at] / scale[at])
    detail = f"{_place(label, at)}: {got[at]:.12g}, expected {want[at]:.12g}"
    if ratio[at] > 1:
        return Part("", "wrong", obtained, required, detail)
    if np.all((tolerance > RESOLVED * scale)[decidable]):
        return Part("", "undecided", detail="conditioning leaves less than 3 digits to compare")
    return Part("", "right", obtained, required, detail)


def _largest(a):
    """The largest finite number of the type of a."""
    return np.finfo(a.dtype).max if a.dtype.kind in "fc" else np.inf


def group_max(x):
    """The largest entry of the matrix each entry belongs to; of vectors and numbers, themselves."""
    return x.max((-2, -1), keepdims=True) if x.ndim >= 2 and x.size else x


def digits(relative_error) -> float:
    """Correct decimal digits, between 0 and those of a double."""
    floor = 10.0**-MOST_DIGITS
    return float(np.clip(-np.log10(max(float(relative_error), floor)), 0.0, MOST_DIGITS))


def merge(parts) -> Part:
    """One part for several of a name: the worst that was decided."""
    for verdict in ("wrong", "right"):
        decided = [p for p in parts if p.verdict == verdict]
        if decided:
            return min(decided, key=lambda p: -1.0 if p.obtained is None else p.obtained)
    return parts[0]


def _place(label, at):
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{label}{index}" if label or index else "value"

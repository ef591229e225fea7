"""What a check found: parts with a verdict each, and the report they make."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

Verdict = Literal["right", "wrong", "undecided"]

RESOLVED = 1e-3  # a comparison that cannot see this relative error decides nothing
_MOST_DIGITS = 17.0


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


def compare(name: str, got, want, tolerance, labels=None) -> Part:
    """Lists of arrays against each other: right where |got - want| <= tolerance, entry by entry.

    Digits are relative to the largest entry of the matrix that an entry belongs to. Where what is
    wanted is not finite, or the tolerance could hide an error of 0.1 %, nothing is decided.
    """
    labels = labels or [f"output {i}" if len(got) > 1 else "" for i in range(len(got))]
    leaves = zip(got, want, tolerance, labels, strict=True)
    return merge([_compare_leaf(name, *map(np.asarray, leaf[:3]), leaf[3]) for leaf in leaves])


def _compare_leaf(name, got, want, tolerance, label) -> Part:
    if got.shape != want.shape:
        return Part(name, "wrong", detail=f"{label}shape {got.shape}, expected {want.shape}")
    if want.size == 0:
        return Part(name, "right", _MOST_DIGITS, _MOST_DIGITS)
    with np.errstate(over="ignore", invalid="ignore"):
        want = want.astype(np.result_type(got.dtype, np.float32 if want.dtype.kind == "f" else "c8"))
        tolerance = np.broadcast_to(tolerance, want.shape)
        error = np.abs(got - want)
        decidable = np.isfinite(want) & np.isfinite(tolerance)
    if not decidable.any():
        return Part(name, "undecided", detail="not finite")
    lost = decidable & ~np.isfinite(got)
    if lost.any():
        at = np.unravel_index(lost.argmax(), lost.shape)
        return Part(name, "wrong", detail=f"{_place(label, at)}: {got[at]}, expected {want[at]:.6g}")
    scale = group_max(np.where(decidable, np.abs(want), 0))
    scale = np.broadcast_to(np.where(scale > 0, scale, 1.0), want.shape)
    floor = np.finfo(np.float64).tiny
    ratio = np.where(decidable, error / np.maximum(tolerance, floor), -1.0)
    at = np.unravel_index(ratio.argmax(), ratio.shape)
    part = Part(
        name,
        "right" if ratio[at] <= 1 else "wrong",
        digits(error[at] / scale[at]),
        digits(tolerance[at] / scale[at]),
        f"{_place(label, at)}: {got[at]:.12g}, expected {want[at]:.12g}",
    )
    blind = np.where(decidable, tolerance, 0.0) > RESOLVED * scale
    if part.verdict == "right" and blind.all(where=decidable):
        return replace(part, verdict="undecided", detail="the reference resolves less than 3 digits")
    return part


def group_max(x):
    """The largest entry of the matrix each entry belongs to; of vectors and numbers, themselves."""
    return x.max((-2, -1), keepdims=True) if x.ndim >= 2 and x.size else x


def digits(relative_error) -> float:
    """Correct decimal digits, between 0 and those of a double."""
    floor = 10.0**-_MOST_DIGITS
    return float(np.clip(-np.log10(max(float(relative_error), floor)), 0.0, _MOST_DIGITS))


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

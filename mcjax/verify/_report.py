"""The report of a check: for people, for programs and for notebooks."""

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ._curve import v_curve_of
from ._verdict import Part, Verdict

# Parts that compare the derivative with something that the rule did not make.
OUTSIDE = ("jvp", "vjp", "truth jvp")


@dataclass(frozen=True)
class Report:
    """The verdicts on one function at one input. Print it, or ask `.ok`.

    Attributes:
      title: what was checked.
      parts: one comparison each.
      diagnosis: what the fault looks like, if anything is wrong and a simple change explains it.
      seed: of the random directions.
      point: what was checked, for the V-curve of a notebook.
    """

    title: str
    parts: tuple[Part, ...]
    diagnosis: str = ""
    seed: int = 0
    point: Any = field(default=None, compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Nothing is wrong, and the derivative was compared with something outside the rule."""
        return self.verdict == "right"

    @property
    def verdict(self) -> Verdict:
        """Wrong if any part is; right if a derivative was seen to be; else undecided."""
        if self.wrong:
            return "wrong"
        decided = any(p.verdict == "right" and p.name in OUTSIDE for p in self.parts)
        return "right" if decided else "undecided"

    @property
    def wrong(self) -> tuple[Part, ...]:
        """The parts that failed, the one that names the fault first."""
        return tuple(p for p in self.parts if p.verdict == "wrong")

    @property
    def undecided(self) -> tuple[Part, ...]:
        """The parts about which nothing can be said, each with its reason."""
        return tuple(p for p in self.parts if p.verdict == "undecided")

    def raise_if_wrong(self) -> None:
        """Raise an AssertionError with this report if anything is wrong."""
        if self.wrong:
            raise AssertionError(str(self))

    def to_json(self) -> str:
        """The report as a JSON object: title, ok, verdict, diagnosis, seed, and the parts."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict:
        """The report as plain dictionaries and lists."""
        return {
            "title": self.title,
            "ok": self.ok,
            "verdict": self.verdict,
            "diagnosis": self.diagnosis,
            "seed": self.seed,
            "parts": [p.to_dict() for p in self.parts],
        }

    def __str__(self) -> str:
        head = f"{self.title}: {self.verdict} (seed {self.seed})"
        lines = [head, *([self.diagnosis] if self.diagnosis else []), "", *_table(self.parts)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.title)}: {self.verdict}</b> (seed {self.seed})<br>{escape(self.diagnosis)}"
        rows = "".join(map(_html_row, self.parts))
        heads = "".join(f"<th>{h}</th>" for h in _HEADS)
        return f"{head}<table><tr>{heads}</tr>{rows}</table>{v_curve_of(self.point)}"


_HEADS = ("part", "verdict", "digits", "required", "worst entry, or reason")


def _html_row(p):
    cells = (p.name, p.verdict, number(p.obtained), number(p.required), p.detail)
    return "<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>"


def number(digits) -> str:
    """Digits with one decimal, or a dot."""
    return "·" if digits is None else f"{digits:.1f}"


def _table(parts):
    """One line a part."""
    yield f"{'part':12}{'verdict':11}{'digits':>6} {'required':>9}  worst entry, or reason"
    for p in parts:
        numbers = f"{number(p.obtained):>6} {number(p.required):>9}"
        yield f"{p.name:12}{p.verdict:11}{numbers}  {p.detail}".rstrip()

"""Many reports as one row a function."""

from dataclasses import dataclass

from rich.text import Text

from ._report import Report
from ._verdict import MOST_DIGITS, Part

STYLE = {"right": "green", "wrong": "bold red", "undecided": "yellow"}

COLUMNS = {
    "value": ("truth",),
    "structure": ("dtype", "pure", "jit", "primal", "zeros", "linear", "alone"),
    "first": ("truth jvp", "jvp", "vjp", "transpose", "conjugation"),
    "second": ("hessian", "rev∘rev", "fwd∘fwd", "third"),
    "transforms": ("vmap", "scan", "checkpoint"),
    "float32": ("float32",),
    "CUDA": ("cuda",),
}
_WIDTHS = (8, 11, 11, 11, 11, 12, 9, 6, 9)  # of inputs, the columns and the verdict
CAPTION = (
    "Digits obtained/required at the input with the smallest margin; required is what rounding and the "
    "conditioning of that input leave."
)


@dataclass(frozen=True)
class Row:
    """A function of the catalogue and its reports, one for every input."""

    name: str
    reports: tuple[Report, ...]

    @property
    def ok(self) -> bool:
        """No part is wrong, and the derivative was compared with something outside the rule."""
        return not any(r.wrong for r in self.reports) and any(r.ok for r in self.reports)

    def worst(self, column: str) -> Part | None:
        """The part of a column that is wrong, or else the one with the smallest margin."""
        parts = [p for r in self.reports for p in r.parts if p.name in COLUMNS[column]]
        decided = [p for p in parts if p.verdict != "undecided"]
        return min(decided, key=_margin, default=None)


def _margin(part):
    if part.verdict == "wrong":
        return -float("inf")
    exact = part.obtained is None or part.obtained >= MOST_DIGITS
    return float("inf") if exact else part.obtained - part.required


def cell(part: Part | None) -> str:
    """What the table says of a part."""
    if part is None:
        return "·"
    if part.obtained is None:
        return "yes" if part.verdict == "right" else "no"
    return f"{part.obtained:.1f}/{part.required:.1f}"


def head(width: int) -> str:
    """The heads of the columns, for names of at most this width."""
    return _line(width, "function", "inputs", *COLUMNS, "verdict")


def line(row: Row, width: int) -> Text:
    """A row of the table."""
    parts = [row.worst(column) for column in COLUMNS]
    verdict = "right" if row.ok else "wrong"
    text = Text(_line(width, row.name, str(len(row.reports)), *map(cell, parts), verdict))
    end = width + _WIDTHS[0]
    styles = *(STYLE[p.verdict] if p else "" for p in parts), STYLE[verdict]
    for style, w in zip(styles, _WIDTHS[1:], strict=True):
        text.stylize(style, end, end := end + w)
    return text


def _line(width, name, *cells):
    return f"{name:{width}}" + "".join(f"{c:>{w}}" for c, w in zip(cells, _WIDTHS, strict=True))


def faults(rows: list[Row]) -> list[str]:
    """A line for every part that is wrong."""
    return [
        f"{report.title}, {part.name}: {part.detail}"
        for row in rows
        for report in row.reports
        for part in report.wrong
    ]

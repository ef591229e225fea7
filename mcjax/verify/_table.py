"""Reports as tables for a terminal."""

from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLE = {"right": "green", "wrong": "bold red", "undecided": "yellow"}


def report_table(report) -> Table:
    """One row a part."""
    table = Table(title=report.title, title_justify="left")
    table.add_column("part")
    table.add_column("verdict")
    table.add_column("digits", justify="right")
    table.add_column("required", justify="right")
    table.add_column("worst entry, or reason", overflow="fold")
    for p in report.parts:
        verdict = Text(p.verdict, STYLE[p.verdict])
        table.add_row(p.name, verdict, number(p.obtained), number(p.required), p.detail)
    return table


def number(digits) -> str:
    """Digits with one decimal, or a dot."""
    return "·" if digits is None else f"{digits:.1f}"


def as_text(renderable) -> str:
    """What a terminal without colours would show."""
    out = StringIO()
    Console(file=out, width=120, color_system=None).print(renderable)
    return out.getvalue().rstrip()

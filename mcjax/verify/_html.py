"""One self-contained page: the table, and for every function the error of differences by step."""

from html import escape

from ._curve import v_curve_of
from ._point import Point
from ._summary import CAPTION, COLUMNS, Row, cell, faults

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; color: #222; }
table { border-collapse: collapse; } th, td { padding: .25rem .8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid #ddd; }
.right { color: #1a7f37; } .wrong { color: #cf222e; font-weight: bold; } .undecided { color: #9a6700; }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; } figcaption { font-weight: 600; }
svg text { font-size: 10px; fill: #666; }
"""
_CURVES = """A right derivative shows a V: the error of central differences falls as the square of the step
until rounding, which grows as one over the step, takes over. A wrong derivative shows a plateau at the
size of its fault. Dashes: slopes 2 and -1."""


def page(where: str, rows: list[Row], points: dict[str, Point]) -> str:
    """The page; `points` has an input for the curve of every function."""
    verdict = "all right" if all(row.ok for row in rows) else "something is wrong"
    lines = "".join(f"<li>{escape(line)}</li>" for line in faults(rows))
    curves = "".join(_figure(name, point) for name, point in points.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mcjax verify</title><style>{_STYLE}</style></head>
<body><h1>mcjax verify: {verdict}</h1>
<p>{escape(where)}</p>
{_table(rows)}
<p>{CAPTION}</p>
<ul class="wrong">{lines}</ul>
<h2>Error against step</h2>
<p>{_CURVES}</p>
{curves}
</body></html>
"""


def _table(rows):
    heads = "".join(f"<th>{escape(h)}</th>" for h in ("function", "inputs", *COLUMNS, "verdict"))
    body = "".join(_row(row) for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(row):
    parts = [row.worst(column) for column in COLUMNS]
    cells = "".join(f'<td class="{p.verdict if p else ""}">{cell(p)}</td>' for p in parts)
    verdict = "right" if row.ok else "wrong"
    name = escape(row.name)
    return f'<tr><td>{name}</td><td>{len(row.reports)}</td>{cells}<td class="{verdict}">{verdict}</td></tr>'


def _figure(name, point):
    return f"<figure><figcaption>{escape(name)}</figcaption>{v_curve_of(point)}</figure>"

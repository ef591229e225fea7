"""One self-contained page: the table, and for every function the error of differences by step."""

from html import escape

import numpy as np

from ._differences import step_sweep
from ._point import Point
from ._summary import CAPTION, COLUMNS, Row, cell, faults

_WIDTH, _HEIGHT, _MARGIN = 300, 200, 40
_X, _Y = (-13.5, 0.0), (-16.0, 1.0)  # decades of the step and of the error

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
    v = point.probe.u
    try:
        tangent = point.tangent(point.x, v)
    except Exception as error:  # a function with no forward mode has no curve
        return f"<figure><figcaption>{escape(name)}</figcaption>{escape(str(error)[:80])}</figure>"
    sweep = step_sweep(point.value, point.x, v, tangent)
    return f"<figure><figcaption>{escape(name)}</figcaption>{_plot(sweep)}</figure>"


def _plot(sweep):
    x, y = np.log10(sweep.steps), np.log10(np.maximum(sweep.errors, 1e-300))
    good = np.isfinite(y) & (y > _Y[0] - 1) & (y < _Y[1] + 1)
    dots = "".join(
        f'<circle cx="{_across(a):.1f}" cy="{_up(b):.1f}" r="2" fill="#0969da"/>'
        for a, b in zip(x[good], y[good], strict=True)
    )
    ticks = "".join(
        f'<text x="{_across(d):.0f}" y="{_HEIGHT - _MARGIN + 14}" text-anchor="middle">1e{d}</text>'
        for d in range(-12, 1, 4)
    ) + "".join(
        f'<text x="{_MARGIN - 4}" y="{_up(d) + 3:.0f}" text-anchor="end">1e{d}</text>'
        for d in range(-16, 1, 4)
    )
    frame = (
        f'<rect x="{_MARGIN}" y="10" width="{_WIDTH - _MARGIN - 10}" '
        f'height="{_HEIGHT - _MARGIN - 10}" fill="none" stroke="#bbb"/>'
    )
    slopes = _line(-5.5, -11, 0, 0) + _line(-13, -3, -5, -11)
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{frame}{slopes}{ticks}{dots}'
        f'<text x="{_WIDTH / 2 + 10:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">step</text></svg>'
    )


def _line(x1, y1, x2, y2):
    ends = f'x1="{_across(x1):.1f}" y1="{_up(y1):.1f}" x2="{_across(x2):.1f}" y2="{_up(y2):.1f}"'
    return f'<line {ends} stroke="#ccc" stroke-dasharray="4 3"/>'


def _across(decade):
    return _MARGIN + (decade - _X[0]) / (_X[1] - _X[0]) * (_WIDTH - _MARGIN - 10)


def _up(decade):
    return 10 + (_Y[1] - decade) / (_Y[1] - _Y[0]) * (_HEIGHT - _MARGIN - 10)

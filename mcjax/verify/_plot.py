"""The picture of error against step, on two logarithmic axes."""

import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 300, 200, 40
_X, _Y = (-13.5, 0.0), (-16.0, 1.0)  # decades of the step and of the error


def v_curve(steps, errors) -> str:
    """The picture as SVG. Dashes: slopes 2 and -1."""
    x, y = np.log10(steps), np.log10(np.maximum(errors, 1e-300))
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

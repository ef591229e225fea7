"""The V-curve of a derivative: its differences from central differences, step by step."""

from html import escape

from . import _function as route
from ._parts._judge import pair
from ._point import Point
from .differences import step_sweep


def v_curve_of(p: Point | None) -> str:
    """The picture for tangents, or for a cotangent where there is no forward mode."""
    if p is None:
        return ""
    _, _, v, w = p.probe
    try:
        if p.missing(route.jvp):
            slope = [pair(p.cotangent(p.x, w), v)]
            sweep = step_sweep(lambda x: [pair(w, p.value(x))], p.x, v, slope)
        else:
            sweep = step_sweep(p.value, p.x, v, p.tangent(p.x, v))
    except Exception as error:  # no derivative, no curve
        return escape(str(error)[:80])
    return sweep._repr_html_()

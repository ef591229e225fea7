"""Second derivatives of three kinds, and third ones."""

import numpy as np

from .. import _function as route
from .._point import Known, Point
from .._verdict import Part, merge
from ._first import equal_pairings, not_lost
from ._judge import judge, sketch


def hessian(p: Point) -> Part:
    """Forward over reverse against differences of the gradient, and as the cotangent moves."""
    not_lost(p, route.forward_over_reverse)
    parts = [_over_reverse(p, route.forward_over_reverse)]
    if not p.missing(route.forward_over_cotangent):
        known = p.rounding(lambda x: p.cotangent(x, p.probe.w))
        parts.append(judge(p, _by(route.forward_over_cotangent, p.probe), known, p.names))
    return merge(parts)


def reverse_over_reverse(p: Point) -> Part:
    """Reverse over reverse against forward over reverse, or against differences of the gradient."""
    not_lost(p, route.reverse_over_reverse)
    if p.missing(route.forward_over_reverse):
        return _over_reverse(p, route.reverse_over_reverse)
    at = p.probe
    value, bars = p.rounding(lambda x: p.run(route.forward_over_reverse, at._replace(x=x)))
    known = Known(value, list(map(np.add, bars, p.hidden_in_cotangents(at.w))))
    return judge(p, _by(route.reverse_over_reverse, at), known, p.names)


def _by(how, at):
    """What a route says, as a function of point and input."""
    return lambda p, x: p.run(how, at._replace(x=x))


def _over_reverse(p, how):
    at, seen = p.probe, sketch(p, p.x)
    known = p.difference(lambda q, x: seen(q.cotangent(x, at.w)), at.v)
    return judge(p, lambda q, x: seen(q.run(how, at._replace(x=x))), known, p.names)


def forward_over_forward(p: Point) -> Part:
    """Forward over forward: <w, D²f[v, u]> = <D(Jᵀw)[v], u>, or against differences of tangents."""
    parts = [_over_tangent(p)]
    if not p.missing(route.forward_over_tangent):
        known = p.rounding(lambda x: p.tangent(x, p.probe.v))
        parts.append(judge(p, _by(route.forward_over_tangent, p.probe), known))
    return merge(parts)


def _over_tangent(p):
    at, twice, mixed = p.probe, route.forward_over_forward, route.forward_over_reverse
    if p.missing(mixed):
        seen = sketch(p, p.outputs)
        known = p.difference(lambda q, x: seen(q.tangent(x, at.v)), at.u)
        return judge(p, lambda q, x: seen(q.run(twice, at._replace(x=x))), known)
    return equal_pairings(
        p,
        lambda x: (at.w, p.run(twice, at._replace(x=x))),
        lambda x: (p.run(mixed, at._replace(x=x)), at.u),
    )


def third(p: Point) -> Part:
    """The third derivative against differences of the second."""
    at, seen = p.probe, sketch(p, p.x)
    second, third = route.forward_over_reverse, route.forward_over_second
    known = p.difference(lambda q, x: seen(q.run(second, at._replace(x=x))), at.v)
    return judge(p, lambda q, x: seen(q.run(third, at._replace(x=x))), known, p.names)

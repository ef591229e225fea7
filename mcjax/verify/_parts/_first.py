"""First derivatives: tangents and cotangents against what the rule did not make.

The references, in this order: the gradient of the plain function that the user gives; the gradient
of f without its rules; differences of f in double precision. Differences are the definition, so an
analytic reference adds digits to them and never overrules them.
"""

import jax
import numpy as np

from .. import _function as route
from .._point import SAFETY, Known, Point
from .._verdict import RESOLVED, Lost, Part, group_max, merge
from ..differences import jvp as along
from ..differences._line import wide
from ._judge import each_alone, judge, pair, pairing_rounding, relative_error, sketch
from ._vote import sharpen, vote

_NEAR = (1e-6, 3.7e-7)  # of the size of x


def truth(p: Point) -> Part:
    """The value against the given truth."""
    exact = p.truth
    assert exact is not None
    want = p.rounding(lambda x: _leaves(exact(*_arguments(p, x))), exact=True)
    return p.compare(p.value(p.x), *want)


def truth_jvp(p: Point) -> Part:
    """Tangents against the given truth."""
    return merge([_truth_along(p, v) for v in (p.probe.v, p.probe.u)])


def _truth_along(p, v):
    want = p.rounding(
        lambda x: _leaves(p.truth_jvp(_arguments(p, x), _arguments(p, v))), exact=True
    )
    return p.compare(p.tangent(p.x, v), *want)


def _arguments(p, leaves):
    """The leaves as the arguments of f; truths are for functions of floating arrays alone."""
    return jax.tree.unflatten(p.function.treedef, leaves)


def _leaves(tree):
    return [np.asarray(a) for a in jax.tree.leaves(tree)]


def primal(p: Point) -> Part:
    """The value that comes with a derivative against the value without one, and the reference's."""
    want = p.rounding(p.value)
    found = [p.run(how, p.probe)[0] for how in (route.jvp, route.vjp) if not p.missing(how)]
    given = [q for q, is_given in p.references if is_given]
    return merge([p.compare(y, *want) for y in found] + [_value_of(p, q) for q in given])


def _value_of(p, q):
    """The value against that of the reference, whose own rounding may be the larger one."""
    known = q.rounding(q.value, p.eps)
    bars = map(np.maximum, known.tolerance, p.half(known.value))
    return judge(p, lambda r, x: r.value(x), Known(known.value, list(bars)))


def jvp(p: Point) -> Part:
    """Tangents, along all arguments and along each alone."""
    directions = (p.probe.v, p.probe.u, *each_alone(p.probe.v))
    return merge([jvp_along(p, v) for v in directions])


def jvp_along(p: Point, v) -> Part:
    """The tangent along one direction."""
    seen = sketch(p, p.outputs)
    return judge(p, lambda q, x: seen(q.tangent(x, v)), tangent(p, v, seen))


def tangent(p: Point, v, seen=lambda y: y) -> Known:
    """J v, or what is seen of it, as the references have it."""
    known = p.difference(lambda q, x: seen(q.value(x)), v)
    found = [(_by(q, p, lambda x, q=q: seen(q.tangent(x, v))), given) for q, given in p.references]
    for sharper, given in found:
        if given:
            known = vote(known, sharper, _thirds(p, v, seen, found))
        known = sharpen(known, sharper, given)
    return known


def _thirds(p, v, seen, found):
    """The function without its rules, and a complex step."""
    yield from (known for known, given in found if not given)
    if not p.is_complex:
        step = along(
            lambda x: seen(p.wide.evaluate(x)), p.wide.x, list(map(wide, v)), method="complex step"
        )
        yield Known(step.value, step.error)


def _by(q: Point, p: Point, y) -> Known | None:
    """What a reference says, where autodiff can do it; it is as accurate as its value."""
    try:
        known = q.rounding(y, p.eps)
        bends = list(map(np.maximum, *(q.bend(known.value, y, scale) for scale in _NEAR)))
        error = max(map(relative_error, q.value(q.x), p.wide.value(q.x)), default=0.0)
    except Exception:
        return None
    if error > RESOLVED:
        return None
    lost = [SAFETY * p.n * error * group_max(np.abs(a)) for a in known.value]
    bars = zip(known.tolerance, lost, bends, strict=True)
    return Known(known.value, [a + b + SAFETY * p.n * c for a, b, c in bars])


def vjp(p: Point) -> Part:
    """Cotangents: paired with directions, and entry by entry, of all outputs and of each alone."""
    not_lost(p, route.vjp)
    return merge([_vjp(p, w) for w in (p.probe.w, *each_alone(p.probe.w))])


def not_lost(p: Point, how) -> None:
    """A rule must not take a mode away that the function has without it.

    A custom_vjp takes the forward mode away by its nature, and nobody is told that it is wrong.
    """
    by_nature = how not in (route.vjp, route.reverse_over_reverse) and p.missing(route.jvp)
    if not by_nature and (error := lost(p, how)):
        raise error


def lost(p: Point, how) -> Lost | None:
    """Why f does not have a derivative that it has without its rules."""
    error = p.missing(how)
    if error and any(not q.missing(how) for q, _ in p.references):
        return Lost(f"without its rule f has this derivative, with it not: {error}")
    return None


def _vjp(p, w):
    directions = (p.probe.v, p.probe.u, *each_alone(p.probe.v))
    slopes = [paired_difference(p, w, v) for v in directions]
    parts = [paired(p, w, v, s) for v, s in zip(directions, slopes, strict=True)]
    for q, trusted in p.references:
        known = _by(q, p, lambda x, q=q: q.cotangent(x, w))
        if known and all(map(lambda v, s, k=known: _agrees(k, v, s, trusted), directions, slopes)):
            parts.append(judge(p, lambda r, x: r.cotangent(x, w), known, p.names))
    return merge(parts)


def vjp_along(p: Point, w, v) -> Part:
    """A cotangent, paired with one direction."""
    return paired(p, w, v, paired_difference(p, w, v))


def paired_difference(p: Point, w, v) -> Known:
    """The derivative of <w, f> along v by differences."""
    return p.difference(lambda q, x: [pair(w, q.value(x))], v)


def paired(p: Point, w, v, known: Known) -> Part:
    """A cotangent, paired with one direction, against what is known of the pairing."""
    rounding = pairing_rounding(p, p.cotangent(p.x, w), v)
    known = Known(known.value, [known.tolerance[0] + rounding])
    return judge(p, lambda q, x: [pair(q.cotangent(x, w), v)], known)


def _agrees(known, v, slope, trusted):
    """Does a cotangent agree with a difference, where there is one?"""
    spread = sum(np.sum(t * np.abs(wide(a))) for t, a in zip(known.tolerance, v, strict=True))
    bar = slope.tolerance[0]
    return (
        abs(pair(known.value, v) - slope.value[0]) <= bar + spread if np.isfinite(bar) else trusted
    )


def transpose(p: Point) -> Part:
    """Forward against reverse: <w, J v> = <Jᵀ w, v>."""
    w = p.probe.w
    directions = (p.probe.v, p.probe.u, *each_alone(p.probe.v))
    return merge([transpose_along(p, w, v) for v in directions])


def transpose_along(p: Point, w, v) -> Part:
    """<w, J v> = <Jᵀ w, v> along one direction."""
    return equal_pairings(p, lambda x: (w, p.tangent(x, v)), lambda x: (p.cotangent(x, w), v))


def equal_pairings(p: Point, left, right) -> Part:
    """Two pairings with the cotangent of the probe that exact arithmetic makes equal."""
    (a, a_bar), (b, b_bar) = (p.rounding(lambda x, y=y: [pair(*y(x))]) for y in (left, right))
    rounding = sum(pairing_rounding(p, *y(p.x)) for y in (left, right))
    hidden = p.hidden_in_pairings(p.probe.w)
    return p.compare(a, b, [a_bar[0] + b_bar[0] + rounding + hidden])


def conjugation(p: Point) -> Part:
    """Tangents along v and i v, cotangents of w and i w."""
    w, v = (list(map(_rotated, a)) for a in (p.probe.w, p.probe.v))
    parts = []
    if not p.missing(route.jvp):
        parts.append(jvp_along(p, v))
    if not p.missing(route.vjp):
        parts.append(vjp_along(p, w, v))
    return merge(parts)


def _rotated(a):
    return (1j * a).astype(a.dtype) if route.is_complex(a) else a

"""What every derivative is, whatever its values: a linear map between the right spaces, and pure."""

import jax
import numpy as np

from .. import _function as route
from .._point import SAFETY, Known, Point
from .._sizes import largest, leaves
from .._verdict import Part, merge
from ..differences._line import wide
from ._judge import alone as only
from ._judge import judge, times

_SCALES = (1e3, -1.0, 1e-3)
_MOST = 6  # arguments or outputs that are looked at one by one


def dtype(p: Point) -> Part:
    """Shape, type and weak type: of tangents as of values, of cotangents as of inputs."""
    y = p.eagerly(route.value)
    parts = [_alike(_value_under_vjp(p), y, "value under vjp")]
    if not p.missing(route.jvp):
        primal, dy = p.eagerly_once(route.jvp)
        parts += [_alike(primal, y, "value under jvp"), _alike(dy, y, "tangent")]
    if not p.missing(route.vjp):
        x = p.eagerly(lambda f, at: at.x)
        parts.append(_alike(p.eagerly_once(route.vjp)[1], x, "cotangent", p.names))
    return merge(parts)


def _value_under_vjp(p):
    """Also where the cotangent cannot be had."""
    if p.missing(route.vjp):
        return p.eagerly(lambda f, at: jax.vjp(f, at.x)[0])
    return p.eagerly_once(route.vjp)[0]


def _alike(got, want, what, names=None) -> Part:
    names = names or [f"output {i}" for i in range(len(want))]
    for a, b, name in zip(got, want, names, strict=True):
        if _type(a) != _type(b):
            return Part("", "wrong", detail=f"{what} of {name}: {_type(a)}, expected {_type(b)}")
    return Part("", "right")


def _type(a):
    shape = ", ".join(map(str, a.shape))
    return f"{'weak ' if a.weak_type else ''}{a.dtype}[{shape}]"


def pure(p: Point) -> Part:
    """The same answer twice, run anew and compiled once, and whatever is asked in between."""
    parts = []
    for how in p.first_routes:
        known = p.of_itself(how, p.probe)
        anew = _interrupted if how is route.vjp else how
        first, second = leaves(p.eagerly_once(how)), leaves(p.eagerly(anew))
        again = leaves(p.run(how, p.probe))
        parts += [p.compare(second, first, known.tolerance), p.compare(again, *known)]
    return merge(parts)


def _interrupted(f, at):
    """Jᵀ w at x, after f has been asked for a derivative elsewhere."""
    y, pull = jax.vjp(f, at.x)
    jax.vjp(f, [(1 + 2.0**-6) * a for a in at.x])
    return y, pull(at.w)[0]


def jit(p: Point) -> Part:
    """Compiled against operation by operation."""
    parts = []
    for how in p.first_routes:
        error = p.untraceable(how)
        if error and not p.untraceable(route.value):
            raise error
        known = p.of_itself(how, p.probe)
        parts.append(judge(p, _eager(how), known))
    return merge(parts)


def _eager(how):
    def result(p, x):
        return leaves(p.eagerly_once(how) if x is p.x else p.eagerly(how, x))

    return result


def zeros(p: Point) -> Part:
    """The derivative along nothing is nothing."""
    parts = []
    if not p.missing(route.jvp):
        parts.append(_nothing(p, p.tangent(p.x, times(0.0, p.probe.v)), p.tangent(p.x, p.probe.v)))
    if not p.missing(route.vjp):
        nothing = p.cotangent(p.x, times(0.0, p.probe.w))
        parts.append(_nothing(p, nothing, p.cotangent(p.x, p.probe.w), p.names))
    return merge(parts)


def _nothing(p, got, scale, labels=None):
    finite = [np.where(np.isfinite(s), 0.0, np.nan) for s in map(wide, scale)]
    return p.compare(got, finite, [np.finfo(np.float64).tiny] * len(got), labels)


def linear(p: Point) -> Part:
    """Tangents and cotangents of multiples and of sums."""
    parts, (_, v, u, w) = [], p.probe
    if not p.missing(route.jvp):
        parts += _linear(p, p.tangent, v, u, p.hidden_in_tangents)
    if not p.missing(route.vjp):
        other = [np.flip(a).astype(a.dtype) for a in w]
        parts += _linear(p, p.cotangent, w, other, p.hidden_in_cotangents(w))
    return merge(parts)


def _linear(p, apply, v, u, hidden):
    """T(αv) = α T(v) and T(v + u) = T(v) + T(u), to half the digits and a rounding of the largest."""
    of_v, of_u = (p.rounding(lambda x, v=v: apply(x, v)) for v in (v, u))
    promised = [SAFETY * p.approx * s for s in largest(of_v.value)]
    sizes = map(max, largest(of_v.value), largest(of_u.value))
    halves = map(np.add, p.half(of_v.value), p.half(of_u.value))
    unseen = [
        SAFETY * p.n * p.eps * size + h + half
        for size, h, half in zip(sizes, hidden, halves, strict=True)
    ]
    for scale in _SCALES:
        multiple = times(scale, v)
        want = [scale * wide(y) for y in of_v.value]
        known = zip(of_v.tolerance, promised, unseen, strict=True)
        bars = [abs(scale) * (t + c) + a for t, a, c in known]
        yield p.compare(apply(p.x, multiple), want, bars)
    both = [(a + b).astype(a.dtype) for a, b in zip(v, u, strict=True)]
    want = [wide(a) + wide(b) for a, b in zip(of_v.value, of_u.value, strict=True)]
    bars = [sum(t) for t in zip(of_v.tolerance, of_u.tolerance, unseen, strict=True)]
    yield p.compare(apply(p.x, both), want, bars)


def alone(p: Point) -> Part:
    """One argument or one output at a time: all else is a symbolic zero for the rule."""
    parts = []
    if not p.missing(route.jvp):
        parts += [_tangent_alone(p, i) for i in range(min(len(p.x), _MOST))]
    if not p.missing(route.vjp):
        parts += [_cotangent_alone(p, i) for i in range(min(len(p.x), _MOST))]
        if len(p.outputs) > 1:
            parts += [_output_alone(p, i) for i in range(min(len(p.outputs), _MOST))]
    return merge(parts)


def _tangent_alone(p, i):
    v = only(p.probe.v, i)
    known = p.of_itself(route.jvp, p.probe._replace(v=v))
    got = p.eagerly(lambda f, at: jax.jvp(_of_one(f, at.x, i), (at.x[i],), (at.v[i],)))
    return p.compare(leaves(got), *known)


def _cotangent_alone(p, i):
    cotangents = p.of_itself(route.vjp, p.probe)
    known = Known(*([part[len(p.outputs) + i]] for part in cotangents))
    got = p.eagerly(lambda f, at: jax.vjp(_of_one(f, at.x, i), at.x[i])[1](at.w))
    return p.compare(leaves(got), *known, [p.names[i]])


def _of_one(f, x, i):
    return lambda a: f([*x[:i], a, *x[i + 1 :]])


def _output_alone(p, i):
    w = only(p.probe.w, i)
    known = Known(
        *(part[len(p.outputs) :] for part in p.of_itself(route.vjp, p.probe._replace(w=w)))
    )
    got = p.eagerly(lambda f, at: jax.vjp(lambda x: f(x)[i], at.x)[1](at.w[i])[0])
    return p.compare(leaves(got), *known, p.names)

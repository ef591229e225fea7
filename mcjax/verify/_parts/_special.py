"""The same derivatives at the inputs where derivatives go wrong, and at other sizes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax.experimental.checkify import checkify, index_checks

from .. import _function as route
from .._function import is_complex
from .._point import Known, Point
from .._sizes import like, matrix_size
from .._verdict import Part, merge
from ..differences._line import wide
from ._first import lost, paired, paired_difference, transpose_along
from ._judge import judge, sketch
from ._second import hessian

_AROUND = (0.0, 1e-3, -1e-3)  # of the size of x
_APPROX = 1e-10  # faults are large there; f may well switch between formulas
_DIRECTIONS = 3  # in which a slope must be linear
_MOST = 4  # arguments that are made special one by one


def special(p: Point) -> Part:
    """First and second derivatives at every special input where f is defined."""
    parts = [_there(p.at(x), name) for name, x in _inputs(p) if _defined(p, x)]
    if any(map(is_complex, p.x)):
        parts.append(_retyped(p))
    return merge(parts)


def _retyped(p):
    """A function of complex numbers may know real ones, and then have another derivative."""
    there = replace(p, x=list(map(np.real, p.x)), order=1, _ways={})
    if not _defined(there, there.x):
        return Part("", "undecided", detail="f is not defined for real types")
    return _there(there, "an input of real type")


def sizes(p: Point) -> Part:
    """First derivatives at n = 1, and with the last axis alone of length 2, or else every axis.

    A rule that confuses the axes of a matrix is right for a square one.
    """
    return merge([_resized(p, "n = 1", _first(1)), _resized(p, "n = 2", _narrow(p))])


def larger(p: Point) -> Part:
    """First derivatives with every axis twice as long."""
    return _resized(p, "twice the size", _twice)


def _resized(p, name, resize):
    there = replace(p, x=list(map(resize, p.x)), order=1, _ways={})
    if not _defined(there, there.x):
        return Part("", "undecided", detail=f"f is not defined at {name}")
    for how in p.first_routes:
        if error := lost(there, how):
            raise error
    part = _there(there, name)
    if part.verdict == "wrong" and _reaches_outside(there):
        return Part("", "undecided", detail=f"f reaches outside of its arrays at {name}")
    return part


def _reaches_outside(p) -> bool:
    """Does f use indices made for another size? JAX clamps what it reads, and drops what it writes."""
    try:
        with p.in_precision():
            x = list(map(jnp.asarray, p.x))
            error, _ = checkify(lambda x: p.function(x), errors=index_checks)(x)
    except Exception:  # checkify does not know all of JAX
        return False
    return error.get() is not None


def _there(p, name) -> Part:
    """The derivatives at a point, to nine digits; what f does not have there decides nothing."""
    p = replace(p, approx=max(p.approx, _APPROX))
    w, v = p.probe.w, p.probe.v
    parts = []
    if not p.missing(route.jvp):
        parts.append(_tangent(p, v))
    if not p.missing(route.vjp):
        parts.append(_cotangent(p, w, v))
    if len(parts) == 2:
        parts.append(transpose_along(p, w, v))
    smooth = all(part.verdict == "right" for part in parts) and not p.is_large
    if p.order >= 2 and smooth and not p.missing(route.forward_over_reverse):
        with suppress(Exception):  # of a machine or of JAX: the part that asks at x itself tells
            parts.append(hessian(p))
    worst = merge(parts)
    return replace(worst, detail=f"at {name}: {worst.detail}", at=p)


def _tangent(p, v):
    seen = sketch(p, p.outputs)
    return _where_linear(
        p,
        lambda u: p.difference(lambda q, x: seen(q.value(x)), u),
        lambda slope: judge(p, lambda q, x: seen(q.tangent(x, v)), slope),
    )


def _cotangent(p, w, v):
    return _where_linear(
        p, lambda u: paired_difference(p, w, u), lambda slope: paired(p, w, v, slope)
    )


def _where_linear(p, slope, verdict) -> Part:
    """The verdict on the slope along v, where it is linear in v: where not, f has no derivative.

    Along a line a kink may well be smooth: the odd function t |v| is.
    """
    v = p.probe.v
    known = slope(v)
    part = verdict(known)
    if part.verdict != "wrong":
        return part
    random, bars = np.random.default_rng(p.seed + 7), known.tolerance
    for _ in range(_DIRECTIONS):
        u = [like(a, random, matrix_size(a)) for a in p.x]
        linear = _add_up(known, slope(u), slope([a + b for a, b in zip(v, u, strict=True)]))
        bars = [np.where(is_so, bar, np.inf) for is_so, bar in zip(linear, bars, strict=True)]
    return verdict(Known(known.value, bars))


def _add_up(a, b, both) -> list[np.ndarray]:
    """Which entries of two slopes make those of a third?"""
    bars = [s + t + r for s, t, r in zip(a.tolerance, b.tolerance, both.tolerance, strict=True)]
    sums = zip(a.value, b.value, both.value, bars, strict=True)
    return [np.isfinite(bar) & (np.abs(x + y - z) <= bar) for x, y, z, bar in sums]


def _defined(p, x) -> bool:
    """Is the input inside the domain, and f finite there and on both sides?"""
    try:
        v = p.at(x).probe.v
        near = [[(a + t * b).astype(a.dtype) for a, b in zip(x, v, strict=True)] for t in _AROUND]
        return all(p.inside(y) and _finite(p.value(y)) for y in near)
    except Exception:
        return False


def _finite(arrays):
    return all(np.all(np.isfinite(wide(a))) for a in arrays)


def _inputs(p) -> Iterator[tuple[str, list]]:
    """Named inputs, each different from x and from those before it."""
    seen = [p.x]
    for name, change in CHANGES:
        for where, x in _changed(p, change):
            if not any(all(map(np.array_equal, x, y)) for y in seen):
                seen.append(x)
                yield f"{name}{where}", x


def _changed(p, change):
    """All arguments changed, and each alone."""
    new = [np.asarray(change(a)).astype(a.dtype) for a in p.x]
    yield "", new
    if len(new) > 1:
        for i in range(min(len(new), _MOST)):
            yield f" ({p.names[i]})", [*p.x[:i], new[i], *p.x[i + 1 :]]


def _first_entry_zero(a):
    a = a.copy()
    a.reshape(-1)[:1] = 0
    return a


def _equal(a):
    return np.full_like(a, a.reshape(-1)[0]) if a.size else a


def _symmetric(a):
    a = wide(a) if _is_square(a) else a
    return (a + a.swapaxes(-1, -2).conj()) / 2 if _is_square(a) else a


def _identity(a):
    """A multiple of the identity: all eigenvalues equal."""
    return _diagonal_size(a) * np.eye(a.shape[-1]) if _is_square(a) else a


def _repeated(a):
    """Symmetric, with all eigenvalues equal but one."""
    if not _is_square(a):
        return a
    n = a.shape[-1]
    return _diagonal_size(a) * (np.eye(n) + np.ones((n, n)) / n)


def _diagonal_size(a):
    diagonal = np.abs(np.diagonal(wide(a), axis1=-2, axis2=-1))
    return diagonal.mean(-1)[..., None, None]


def _is_square(a):
    return a.ndim >= 2 and a.shape[-1] == a.shape[-2] > 0


def _real(a):
    return a.real if is_complex(a) else a


CHANGES = (
    ("0", np.zeros_like),
    ("a zero entry", _first_entry_zero),
    ("the negated input", np.negative),
    ("equal entries", _equal),
    ("a symmetric matrix", _symmetric),
    ("a multiple of the identity", _identity),
    ("repeated eigenvalues", _repeated),
    ("real input", _real),
)


def _first(n):
    return lambda a: a[(slice(0, n),) * a.ndim]


def _narrow(p):
    """Two entries along the last axis where f takes that, else along every axis."""
    x = list(map(_two, p.x))
    other = any(a.shape != b.shape for a, b in zip(x, p.x, strict=True))
    return _two if other and _defined(replace(p, x=x, _ways={}), x) else _first(2)


def _two(a):
    return a[..., :2] if a.ndim else a


def _twice(a):
    """Twice as long along every axis: a block diagonal matrix, or else the same again."""
    if _is_square(a):
        return np.kron(np.eye(2, dtype=a.dtype), a) if a.ndim == 2 else a
    return np.tile(a, (2,) * a.ndim)

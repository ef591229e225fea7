"""A derivative under JAX's transformations, on other devices and in other precisions."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from .. import _function as route
from .._function import Probe
from .._point import Known, Point
from .._sizes import leaves
from .._verdict import Part, Undecided, merge
from ..differences._line import wide
from ._judge import judge, times

_BATCH = (1.0, 0.75, 1.25)  # multiples of the input
_SECOND = (route.forward_over_reverse, route.reverse_over_reverse, route.forward_over_forward)


def vmap(p: Point) -> Part:
    """Batches of inputs, directions and cotangents, with some inputs the same; against a loop."""
    _there_is_something(p)
    _allowed(p, lambda at: jax.vmap(p.function)([jnp.stack([a, a]) for a in at.x]))
    return merge([_vmap(p, axes) for axes in _axes(len(p.x))])


def _axes(k) -> Iterator[Probe]:
    """What of a probe has a leading axis."""
    if k == 1:
        yield Probe((0,), 0, None, 0)
        yield Probe((None,), 0, None, 0)
    else:  # every argument once with a batch and once without
        yield from (Probe(_every_second(i, k), 0, None, 0) for i in range(2))


def _every_second(first, k):
    return tuple(0 if j % 2 == first else None for j in range(k))


def _vmap(p, axes):
    probes, routes = _probes(p, axes), tuple(p.first_routes)
    stacked = [
        np.stack(a) if axis == 0 else a[0]
        for a, axis in zip(
            zip(*map(jax.tree.leaves, probes), strict=True), _flat_axes(p, axes), strict=True
        )
    ]
    at = jax.tree.unflatten(jax.tree.structure(p.probe), stacked)
    with p.in_precision():
        got = leaves(route.batched(p.function, routes, axes, at))
    return p.compare(got, *_loop(p, probes))


def _flat_axes(p, axes):
    """One axis for every leaf of a probe."""
    rest = (axes.v, axes.u, axes.w)
    return [*axes.x, *(a for a, leaves in zip(rest, p.probe[1:], strict=True) for _ in leaves)]


def _probes(p, axes) -> list[Probe]:
    """The batch as a list: what is not batched stays the same."""
    _, v, u, w = p.probe
    directions, cotangents = (v, u, times(-1, v)), (w, times(-1, w), times(2, w))
    return [
        Probe(
            _moved(p, axes.x, scale),
            direction if axes.v == 0 else v,
            u,
            cotangent if axes.w == 0 else w,
        )
        for scale, direction, cotangent in zip(_BATCH, directions, cotangents, strict=True)
    ]


def _moved(p, axes, scale):
    scaled = times(scale, p.x)
    x = [b if axis == 0 else a for a, b, axis in zip(p.x, scaled, axes, strict=True)]
    return x if p.inside(x) else p.x


def _loop(p, probes) -> Known:
    """What a loop over the probes says of all first routes, stacked."""
    known = [_known(p, at) for at in probes]
    return Known(
        *([np.stack(a) for a in zip(*side, strict=True)] for side in zip(*known, strict=True))
    )


def _known(p, at):
    found = [p.at(at.x).of_itself(how, at) for how in p.first_routes]
    return Known(*([a for part in side for a in part] for side in zip(*found, strict=True)))


def scan(p: Point) -> Part:
    """One input after another in a `lax.scan`."""
    _there_is_something(p)
    probes = _probes(p, Probe((0,) * len(p.x), 0, None, 0))
    with p.in_precision():
        stacked = jax.tree.map(lambda *a: np.stack(a), *probes)
        _allowed(p, lambda at: jax.lax.scan(lambda c, x: (c, p.function(x)), None, stacked.x)[1])
        got = leaves(route.scanned(p.function, tuple(p.first_routes), stacked))
    return p.compare(got, *_loop(p, probes))


def checkpoint(p: Point) -> Part:
    """With its residuals thrown away and computed once more."""
    _allowed(p, lambda at: jax.checkpoint(p.function)(at.x))
    with p.in_precision():
        got = _rematerialised(p.function, p.probe)
    return p.compare(leaves(got), *p.of_itself(route.vjp, p.probe))


@partial(jax.jit, static_argnums=0)
def _rematerialised(f, at):
    return route.vjp(jax.checkpoint(f), at)


def _there_is_something(p):
    if not p.first_routes:
        raise Undecided("there is no derivative to transform")


def _allowed(p, use):
    """A transformation that f itself does not take says nothing of its derivative."""
    try:
        with p.in_precision():
            jax.eval_shape(use, p.probe)
    except Exception as error:
        raise Undecided(f"f itself does not take it: {error}") from None


def float32(p: Point) -> Part:
    """Value, tangent and cotangent in single precision against double precision."""
    at = jax.tree.map(_narrow, p.probe)
    single = replace(p, x=at.x, _ways={})
    exact = p.at(list(map(wide, at.x)))
    parts = []
    for how in (route.value, *p.first_routes):
        rule = partial(_flat_run, how, at)
        known = exact.rounding(partial(rule, exact), float(np.finfo(np.float32).eps))
        parts.append(judge(single, rule, known))
    return merge(parts)


def _flat_run(how, at, p, x):
    return leaves(p.run(how, at._replace(x=x)))


def _narrow(a):
    return a.astype(np.complex64 if np.issubdtype(a.dtype, np.complexfloating) else np.float32)


def cuda(p: Point) -> Part:
    """Value, first and second derivatives lower for CUDA, whatever this machine has."""
    routes = tuple(h for h in (*p.first_routes, *_SECOND) if not p.missing(h))
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), p.probe)
    with p.in_precision():
        _lower(p.function, (route.value, *routes), *map(tuple, shapes))
    return Part("", "right")


@lru_cache(maxsize=256)
def _lower(f, routes, *shapes):
    at = Probe(*map(list, shapes))
    route.compiled.trace(f, routes, at).lower(lowering_platforms=("cuda",))

"""The parts of a check: one small function each, from a `Point` to a `Part`."""

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from . import _function as route
from ._point import SAFETY, Point, host
from ._verdict import Part, compare, group_max, merge
from .differences._line import wide

_BATCH = (1.0, 0.5, 1.5)  # the batch under vmap: multiples of the input
_SINGLE = float(np.finfo(np.float32).eps)


def truth(p: Point) -> Part:
    """The value against the given truth."""
    want, tolerance = p.rounding(lambda x: _true_value(p, x))
    return compare(route.value(p.function, p.x), want, tolerance)


def _true_value(p, x):
    return _leaves(p.truth(*_arguments(p, x)))


def truth_jvp(p: Point) -> Part:
    """Tangents against the given truth."""
    return merge([_truth_along(p, v) for v in p.directions])


def _truth_along(p, v):
    want, tolerance = p.rounding(lambda x: _leaves(p.truth_jvp(_arguments(p, x), _arguments(p, v))))
    return compare(route.jvp(p.function, p.x, v), want, tolerance)


def plain(p: Point) -> Part:
    """The gradient against the gradient of the plain version, which is as accurate as its value."""
    other = replace(p.function, f=p.reference)
    want, tolerance = p.rounding(lambda x: route.vjp(other, x, p.cotangent))
    lost = SAFETY * p.n * _relative_error(p, other)
    tolerance = [t + lost * group_max(np.abs(g)) for t, g in zip(tolerance, want, strict=True)]
    return compare(route.vjp(p.function, p.x, p.cotangent), want, tolerance, p.names)


def _relative_error(p, other):
    """Of the plain version's value, where the truth is known."""
    if p.truth is None:
        return 0.0
    value, true = route.value(other, p.x), _true_value(p, p.x)
    with np.errstate(all="ignore"):
        errors = [
            (np.abs(a - b) / group_max(np.abs(b))) for a, b in zip(host(value), true, strict=True)
        ]
    return max(
        e.max(initial=0.0, where=np.isfinite(b) & (b != 0))
        for e, b in zip(errors, true, strict=True)
    )


def jvp(p: Point) -> Part:
    """Tangents against differences of the function."""
    return merge([_jvp_along(p, v) for v in p.directions])


def _jvp_along(p, v):
    want, tolerance = p.difference(lambda x: route.value(p.function, x), v)
    return compare(route.jvp(p.function, p.x, v), want, tolerance)


def vjp(p: Point) -> Part:
    """The cotangent, paired with directions, against differences of the function."""
    return merge([_vjp_along(p, v) for v in p.directions])


def _vjp_along(p, v):
    want, tolerance = p.difference(lambda x: [_pair(p.cotangent, route.value(p.function, x))], v)
    return compare([_pair(route.vjp(p.function, p.x, p.cotangent), v)], want, tolerance)


def transpose(p: Point) -> Part:
    """Forward against reverse: <w, J v> = <Jᵀ w, v>."""
    return merge([_transpose_along(p, v) for v in p.directions])


def _transpose_along(p, v):
    w = p.cotangent
    return _equal_pairings(
        p,
        lambda x: (w, route.jvp(p.function, x, v)),
        lambda x: (route.vjp(p.function, x, w), v),
    )


def hessian(p: Point) -> Part:
    """Forward over reverse against differences of the gradient."""
    return merge([_hessian_along(p, v) for v in p.directions])


def _hessian_along(p, v):
    w = list(map(wide, p.cotangent))
    want, tolerance = p.difference(lambda x: route.vjp(p.function, x, w), v)
    got = route.forward_over_reverse(p.function, p.x, p.cotangent, v)
    return compare(got, want, tolerance, p.names)


def reverse_over_reverse(p: Point) -> Part:
    """Reverse over reverse against forward over reverse."""
    w, v = p.cotangent, p.directions[0]
    want, tolerance = p.rounding(lambda x: route.forward_over_reverse(p.function, x, w, v))
    return compare(route.reverse_over_reverse(p.function, p.x, w, v), want, tolerance, p.names)


def forward_over_forward(p: Point) -> Part:
    """Forward over forward against forward over reverse: <w, D²f[v, u]> = <D(Jᵀw)[v], u>."""
    w, (v, u) = p.cotangent, p.directions
    return _equal_pairings(
        p,
        lambda x: (w, route.forward_over_forward(p.function, x, v, u)),
        lambda x: (route.forward_over_reverse(p.function, x, w, v), u),
    )


def jit(p: Point) -> Part:
    """The compiled function against the same, operation by operation."""
    want, tolerance = p.rounding(lambda x: route.value(p.function, x))
    return compare(p.function(list(map(jnp.asarray, p.x))), want, tolerance)


def vmap(p: Point) -> Part:
    """The value and the gradient of a batch against a loop."""
    batch = [[(t * a).astype(a.dtype) for a in p.x] for t in _BATCH]
    xs = _stack(batch)
    w = p.cotangent
    value = _stacked([p.at(x).rounding(lambda x: route.value(p.function, x)) for x in batch])
    vjp = _stacked([p.at(x).rounding(lambda x: route.vjp(p.function, x, w)) for x in batch])
    return merge(
        [
            compare(route.value_over_batch(p.function, xs), *value),
            compare(route.vjp_over_batch(p.function, xs, w), *vjp, p.names),
        ]
    )


def float32(p: Point) -> Part:
    """Value, tangent and cotangent in single precision against double precision."""
    x, v, w = (list(map(_narrow, a)) for a in (p.x, p.directions[0], p.cotangent))
    v64, w64 = list(map(wide, v)), list(map(wide, w))
    p = p.at(list(map(wide, x)))
    f = p.function
    value = p.rounding(lambda x: route.value(f, x), _SINGLE)
    jvp = p.rounding(lambda x: route.jvp(f, x, v64), _SINGLE)
    vjp = p.rounding(lambda x: route.vjp(f, x, w64), _SINGLE)
    return merge(
        [
            compare(route.value(f, x), *value),
            compare(route.jvp(f, x, v), *jvp),
            compare(route.vjp(f, x, w), *vjp, p.names),
        ]
    )


def cuda(p: Point) -> Part:
    """Value, gradient and Hessian-vector product lower for CUDA, whatever this machine has."""
    _lower(p.function, *(tuple(map(_shape, a)) for a in (p.x, p.cotangent)))
    return Part("", "right")


@lru_cache(maxsize=256)
def _lower(f, x, w):
    x, w = list(x), list(w)
    for derivative, args in (
        (route.value, (x,)),
        (route.vjp, (x, w)),
        (route.forward_over_reverse, (x, w, x)),
    ):
        derivative.trace(f, *args).lower(lowering_platforms=("cuda",))


PARTS = {
    "truth": truth,
    "truth jvp": truth_jvp,
    "plain": plain,
    "jvp": jvp,
    "vjp": vjp,
    "transpose": transpose,
    "hessian": hessian,
    "rev∘rev": reverse_over_reverse,
    "fwd∘fwd": forward_over_forward,
    "jit": jit,
    "vmap": vmap,
    "float32": float32,
    "cuda": cuda,
}


def applicable(p: Point) -> list[str]:
    """The parts for which there is something to compare with."""
    without = {
        "truth": p.truth is None,
        "truth jvp": p.truth_jvp is None,
        "plain": p.reference is None,
        "float32": not p.is_double,
    }
    return [name for name in PARTS if not without.get(name, False)]


def _arguments(p, leaves):
    """The leaves as the arguments of f; truths are for functions of floating arrays alone."""
    return jax.tree.unflatten(p.function.treedef, leaves)


def _leaves(tree):
    return host(jax.tree.leaves(tree))


def _terms(w, y):
    return [np.real(wide(a) * wide(b)) for a, b in zip(w, y, strict=True)]


def _pair(w, y):
    """Re Σ w * y in double precision, on the host."""
    return np.asarray(sum(t.sum() for t in _terms(w, y)))


def _equal_pairings(p, left, right) -> Part:
    """Two pairings that exact arithmetic makes equal.

    Their sums are as rounded as their terms are large, so 10 n ε Σ|terms| of both is added to what
    conditioning allows.
    """
    (a, a_moves), (b, b_moves) = (p.rounding(lambda x, y=y: [_pair(*y(x))]) for y in (left, right))
    size = sum(np.abs(t).sum() for y in (left, right) for t in _terms(*y(p.x)))
    return compare(a, b, [a_moves[0] + b_moves[0] + SAFETY * p.n * p.eps * size])


def _stack(lists):
    return [np.stack(a) for a in zip(*lists, strict=True)]


def _stacked(roundings):
    values, tolerances = zip(*roundings, strict=True)
    return _stack(values), _stack(tolerances)


def _narrow(a):
    return a.astype(np.complex64 if np.issubdtype(a.dtype, np.complexfloating) else np.float32)


def _shape(a):
    return jax.ShapeDtypeStruct(a.shape, a.dtype)

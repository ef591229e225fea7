"""A wrong linear map and the right one, both to be asked along any direction.

A tangent is compared as it is. A cotangent Jᵀw is a linear form on directions: it is asked by its
pairing with them, for a few cotangents w at once. Either way the rule answers a direction with a
vector of numbers, and so does the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import _function as route
from .._parts._first import tangent
from .._parts._judge import pair
from .._point import Point
from ..differences._line import wide

_COTANGENTS = 3


@dataclass(frozen=True)
class Fault:
    """What the rule says along a direction, what is true, and how the two are compared.

    Attributes:
      says: direction ↦ vector of numbers, by the rule.
      true: direction ↦ list of arrays, by the references.
      measure: list of arrays ↦ vector of numbers.
      outputs: the names of what is true.
      order: of the derivative.
      y: (point, x) ↦ list of arrays that this is the derivative of.
    """

    point: Point
    says: Callable
    true: Callable
    measure: Callable
    outputs: list[str]
    order: int
    y: Callable

    @property
    def tolerance(self) -> float:
        """Relative: an explanation must fit as well as differences and rounding allow."""
        p = self.point
        return max(1e-6, 1e3 * p.eps * p.n, 1e2 * p.approx)

    def same(self, a, b) -> bool:
        """Do two vectors agree?"""
        size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
        finite = np.all(np.isfinite(a)) and np.all(np.isfinite(b))
        return bool(finite and np.abs(a - b).max(initial=0) <= self.tolerance * size)


def fault_of(p: Point, part: str) -> Fault | None:
    """The linear map in which a part of a check found a fault."""
    if part in ("hessian", "rev∘rev", "fwd∘fwd"):
        return _second(p)
    if part == "third":
        return _third(p)
    if part in ("vjp", "transpose") and not p.missing(route.vjp):
        return _reverse(p)
    if not p.missing(route.jvp):
        return _forward(p)
    return None if p.missing(route.vjp) else _reverse(p)


def _forward(p):
    return Fault(p, lambda v: vector(p.tangent(p.x, v)), _truth(p), vector, _outputs(p), 1, _value)


def _reverse(p):
    random = np.random.default_rng(p.seed + 3)
    more = min(_COTANGENTS, sum(a.size for a in p.probe.w)) - 1
    ws = [p.probe.w, *([_like(a, random) for a in p.probe.w] for _ in range(more))]
    cotangents = [p.eagerly_once(route.vjp)[1], *(p.cotangent(p.x, w) for w in ws[1:])]
    return Fault(
        p,
        lambda v: np.stack([pair(g, v) for g in cotangents]),
        _truth(p),
        lambda y: np.stack([pair(w, y) for w in ws]),
        _outputs(p),
        1,
        _value,
    )


def _second(p):
    at, missing = p.probe, p.missing(route.forward_over_reverse)
    how = route.reverse_over_reverse if missing else route.forward_over_reverse

    def y(q, x):
        return q.cotangent(x, at.w)

    def says(v):
        return vector(p.run(how, at._replace(v=v)))

    return Fault(p, says, lambda v: p.difference(y, v).value, vector, _cotangents(p), order=2, y=y)


def _third(p):
    """Along v three times: not linear, but linear changes of it are the same."""
    at = p.probe

    def y(q, x, v=at.v):
        return q.run(route.forward_over_reverse, at._replace(x=x, v=v))

    def true(v):
        return p.difference(lambda q, x: y(q, x, v), v).value

    def says(v):
        return vector(p.run(route.forward_over_second, at._replace(v=v)))

    return Fault(p, says, true, vector, _cotangents(p), order=3, y=y)


def _value(q, x):
    return q.value(x)


def _outputs(p):
    many = len(p.outputs) > 1
    return [f"output {k}" if many else "the output" for k in range(len(p.outputs))]


def _cotangents(p):
    return [f"the cotangent of {name}" for name in p.names]


def _truth(p):
    """Tangents by the sharpest reference that differences confirm, or by differences."""
    known = tangent(p, p.probe.v).value
    for q, _ in p.references:
        try:
            if all(
                np.allclose(a, b, rtol=1e-6)
                for a, b in zip(q.tangent(q.x, p.probe.v), known, strict=True)
            ):
                return lambda v: q.tangent(q.x, v)
        except Exception:  # autodiff has no such mode here
            continue
    return lambda v: tangent(p, v).value


def vector(arrays) -> np.ndarray:
    """All entries of a list of arrays."""
    return np.concatenate([wide(a).ravel() for a in arrays])


def _like(a, random):
    r = random.standard_normal(a.shape) + (
        1j * random.standard_normal(a.shape) if route.is_complex(a) else 0
    )
    return r.astype(a.dtype)

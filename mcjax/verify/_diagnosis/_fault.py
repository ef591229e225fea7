"""A wrong linear map and the right one, both to be asked along any direction.

A tangent is compared as it is. A cotangent Jᵀw is a linear form on directions: it is asked by its
pairing with them, for a few cotangents w at once. Either way the rule answers a direction with a
vector of numbers, and so does the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from .. import _function as route
from .._parts._first import tangent
from .._parts._judge import pair
from .._point import Point
from ..differences._line import moved, wide

_COTANGENTS = 3
_MATRIX = 64  # entries on either side of a matrix that is looked at whole


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
      part: in which it was found.
      jacobian: () ↦ the matrix of the rule, for all outputs and inputs; None if it is not linear.
    """

    point: Point
    says: Callable
    true: Callable
    measure: Callable
    outputs: list[str]
    order: int
    y: Callable
    part: str
    jacobian: Callable | None

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

    def ratio(self, said, true, zero: bool = False):
        """The c with said = c true, where there is one; c = 0 only if that is asked for."""
        size = np.vdot(true, true)
        if not np.isfinite(size) or size == 0:
            return (None if np.any(said) else 1.0) if zero else None
        c = np.vdot(true, said) / size
        return c if self.same(said, c * true) and (zero or abs(c) > self.tolerance) else None

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The matrix of the rule and the right one, where they are real and small."""
        p = self.point
        sizes = [sum(a.size for a in leaves) for leaves in (p.x, self.true(p.probe.v))]
        if self.jacobian is None or p.is_complex or max(sizes) > _MATRIX:
            return None
        columns = [vector(self.true(e)) for e in _units(p.x)]
        return self.jacobian(), np.stack(columns, axis=1)

    def elsewhere(self) -> "Fault | None":
        """The same part of the same rule, a few percent away."""
        p = self.point
        return fault_of(p.at(moved(p.x, p.probe.v, 2.0**-5)), self.part)


def fault_of(p: Point, part: str) -> Fault | None:
    """The linear map in which a part of a check found a fault."""
    if part in ("hessian", "rev∘rev", "fwd∘fwd"):
        return _second(p, part)
    if part == "third":
        return _third(p, part)
    if part in ("vjp", "transpose") and not p.missing(route.vjp):
        return _reverse(p, part)
    if not p.missing(route.jvp):
        return _forward(p, part)
    return None if p.missing(route.vjp) else _reverse(p, part)


def _forward(p, part):
    def says(v):
        return vector(p.tangent(p.x, v))

    by_columns = partial(_by_columns, says, p.x)
    return Fault(p, says, _truth(p), vector, _outputs(p), 1, _value, part, by_columns)


def _by_columns(says, x):
    return np.stack([says(e) for e in _units(x)], axis=1)


def _units(likes):
    """Every entry of a list of arrays alone."""
    zeros = [np.zeros(a.shape, a.dtype) for a in likes]
    for i, a in enumerate(likes):
        for row in np.eye(a.size, dtype=a.dtype):
            yield [row.reshape(a.shape) if k == i else z for k, z in enumerate(zeros)]


def _reverse(p, part):
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
        part,
        lambda: np.stack([vector(p.cotangent(p.x, e)) for e in _units(p.outputs)]),
    )


def _second(p, part):
    at, missing = p.probe, p.missing(route.forward_over_reverse)
    how = route.reverse_over_reverse if missing else route.forward_over_reverse

    def y(q, x):
        return q.cotangent(x, at.w)

    def says(v):
        return vector(p.run(how, at._replace(v=v)))

    def true(v):
        return p.difference(y, v).value

    by_columns = partial(_by_columns, says, p.x)
    return Fault(p, says, true, vector, _cotangents(p), 2, y, part, by_columns)


def _third(p, part):
    """Along v three times: not linear, but linear changes of it are the same."""
    at = p.probe

    def y(q, x, v=at.v):
        return q.run(route.forward_over_reverse, at._replace(x=x, v=v))

    def true(v):
        return p.difference(lambda q, x: y(q, x, v), v).value

    def says(v):
        return vector(p.run(route.forward_over_second, at._replace(v=v)))

    return Fault(p, says, true, vector, _cotangents(p), 3, y, part, None)


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

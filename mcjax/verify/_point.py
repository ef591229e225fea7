"""A function at an input, with the directions and tolerances that all parts of a check share.

What is required is computed, never guessed. A reference y(x) that is right but for rounding is known
to

    tolerance = 10 n (max |y(x + δ) - y(x)| + ε |y(x)|),

where n is the size of the largest matrix (of a vector, 1 + log₂ of its length, as in a pairwise sum),
ε the unit of the precision under test, and δ moves every input by one rounding: the entries of a
matrix by ±ε times its largest entry (what a stable algorithm promises), other numbers by ±ε of their
own. The maximum is over three random δ (one, for differences) and over the entries of a matrix. So
conditioning is measured, and on the reference, not on what is tested.
"""

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _function as route
from ._function import Function, Probe, is_complex
from ._verdict import RESOLVED, Part, compare, group_max
from ._without_rules import WithoutRules, has_rules, uses
from .differences import jvp as difference
from .differences._line import moved, wide

SAFETY = 10
_DOUBLE = float(np.finfo(np.float64).eps)
_GROUPS = (
    (route.value,),
    (route.jvp, route.vjp),
    (
        route.forward_over_reverse,
        route.reverse_over_reverse,
        route.forward_over_forward,
        route.forward_over_cotangent,
        route.forward_over_tangent,
    ),
    (route.forward_over_second,),
)
# where JAX leaves the tangent of a custom_vjp, which cannot be computed
_NO_FORWARD = "a custom_vjp has no forward mode"
# a rule that looks at the numbers in its arguments: it runs, but not under jit
_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.UnexpectedTracerError,
)


class Known(NamedTuple):
    """Arrays, and how far each entry may be from the truth."""

    value: list
    tolerance: list


@dataclass(frozen=True)
class Point:
    """A function of a list of arrays, at an input, and what is known of it.

    Attributes:
      function, x, names: the function, its inexact leaves and their names.
      seed: of directions and cotangents.
      reference: plain JAX of the same arguments, with a right derivative.
      truth, truth_jvp: value and derivative along tangents to full precision, not made by JAX.
      domain: a pair of bounds of every entry, or a predicate of the arguments.
      approx: the relative accuracy that f promises, if that is not rounding.
      order: the highest derivative that is looked at.
    """

    function: Function
    x: list[np.ndarray]
    names: list[str]
    seed: int = 0
    reference: Callable | None = None
    truth: Callable | None = None
    truth_jvp: Callable | None = None
    domain: tuple | Callable | None = None
    approx: float = 0.0
    order: int = 2
    _ways: dict = field(default_factory=dict, compare=False, repr=False)

    def at(self, x) -> "Point":
        """The same function at another input of the same shapes and types."""
        return replace(self, x=x)

    @cached_property
    def wide(self) -> "Point":
        """The same input in double precision."""
        if self.is_double:
            return self
        return replace(self, x=list(map(wide, self.x)), _ways=self._ways.setdefault("wide", {}))

    def compare(self, got, want, tolerance, labels=None) -> Part:
        """`compare`, with the errors in mind that the precision and f itself do not let one see."""
        return compare(got, want, tolerance, labels, self.sharp)

    @property
    def sharp(self) -> float:
        """The relative error that a comparison must be able to see, or it decides nothing."""
        return max(RESOLVED, min(0.5, max(64 * self.eps, 2 * SAFETY * self.approx)))

    def of(self, function: Callable) -> "Point":
        """Another function of the same leaves."""
        ways = self._ways.setdefault(function, {})
        return replace(self, function=function, _ways=ways)

    @cached_property
    def eps(self) -> float:
        """The unit of the lowest precision among the inputs."""
        return max(float(jnp.finfo(a.dtype).eps) for a in self.x)

    @property
    def is_double(self) -> bool:
        """Are all inputs double precision?"""
        return self.eps == _DOUBLE

    @property
    def precision(self) -> str:
        """The name of the lowest precision among the inputs."""
        return max(
            (jnp.finfo(a.dtype) for a in self.x), key=lambda info: float(info.eps)
        ).dtype.name

    @cached_property
    def references(self) -> list[tuple["Point", bool]]:
        """Points of plain functions for JAX to differentiate by itself, and are they trusted?"""
        wide, found = self.wide, []
        if self.reference is not None:
            found.append((wide.of(replace(self.function, f=self.reference)), True))
        if wide._ways.setdefault("rules", _has_rules(wide)):
            found.append((wide.of(WithoutRules(self.function)), False))
        return found

    @property
    def is_complex(self) -> bool:
        """Is any input or output complex?"""
        return any(map(is_complex, (*self.x, *self.outputs)))

    @property
    def outputs(self):
        """Shapes and types of the outputs."""
        if "outputs" not in self._ways:
            with self.in_precision():
                try:
                    self._ways["outputs"] = jax.eval_shape(self.function, self.x)
                except _UNTRACEABLE:
                    self._ways["outputs"] = self.function(list(map(jnp.asarray, self.x)))
        return self._ways["outputs"]

    @cached_property
    def n(self) -> float:
        """The size of the largest matrix that goes in or comes out, or what a vector counts."""
        shapes = [a.shape for a in (*self.x, *self.outputs)]
        return max(1.0, *(_size(s) for s in shapes), 1.0)

    @cached_property
    def probe(self) -> Probe:
        """x, a direction of the size of each matrix, one of each entry, and a cotangent."""
        random = np.random.default_rng(self.seed)
        v, u = ([_like(a, random, size(a)) for a in self.x] for size in (matrix_size, entry_size))
        return Probe(self.x, v, u, [_like(y, random, 1.0) for y in self.outputs])

    def run(self, how: Callable, at: Probe):
        """What a route makes of a probe, on the host, in the precision of this point."""
        at = self._cast(at)
        if shake := self._ways.get("shake"):
            at = Probe(at.x, *(list(map(shake, leaves)) for leaves in at[1:]))
        group, traceable = self._way(how, at)
        with self.in_precision():
            if traceable:
                out = route.compiled(self.function, group, at)[group.index(how)]
            else:
                out = how(self.function, jax.tree.map(jnp.asarray, at))
            return jax.tree.map(np.asarray, out)

    def eagerly(self, how: Callable, x=None):
        """What a route makes of the probe, operation by operation; arrays of JAX."""
        at = self._cast(self.probe if x is None else self.probe._replace(x=x))
        with self.in_precision():
            return how(self.function, jax.tree.map(jnp.asarray, at))

    def eagerly_once(self, how: Callable):
        """The same, remembered: a loop in f is compiled anew every time."""
        if how not in self._eager:
            self._eager[how] = self.eagerly(how)
        return self._eager[how]

    @cached_property
    def _eager(self) -> dict:
        return {}

    def missing(self, how: Callable) -> Exception | None:
        """What a route raises, if it cannot be taken."""
        try:
            self._way(how, self.probe)
        except Exception as error:
            return error
        return None

    def untraceable(self, how: Callable) -> Exception | None:
        """What a route raises under jit, if it can be taken without."""
        self.missing(how)
        way = self._ways[how]
        return way if isinstance(way, _UNTRACEABLE) else None

    @property
    def first_routes(self) -> list[Callable]:
        """The routes to first derivatives that there are."""
        return [how for how in (route.jvp, route.vjp) if not self.missing(how)]

    def inside(self, x) -> bool:
        """Is an input in the domain?"""
        if self.domain is None:
            return True
        if callable(self.domain):
            return bool(self.domain(*self.function.arguments(x)))
        low, high = (np.nan if b is None else b for b in self.domain)
        return not any(np.any((wide(a).real < low) | (wide(a).real > high)) for a in x)

    def _way(self, how, at):
        """The routes of a compilation that has this one, and whether it can be compiled at all."""
        if how not in self._ways:
            (group,) = (g for g in _GROUPS if how in g)
            tried = {h: self._try(h, at) for h in group}
            traceable = tuple(h for h in group if tried[h] is None)
            for h in group:
                self._ways[h] = tried[h] or (traceable, True)
        way = self._ways[how]
        if isinstance(way, Exception) and not isinstance(way, _UNTRACEABLE):
            raise way
        return ((), False) if isinstance(way, Exception) else way

    def _try(self, how, at):
        with self.in_precision():
            try:
                program = jax.make_jaxpr(partial(how, self.function))(at)
            except Exception as error:
                return NotImplementedError(_NO_FORWARD) if "custom_lin" in str(error) else error
        return NotImplementedError(_NO_FORWARD) if uses(program.jaxpr, "custom_lin") else None

    def _cast(self, at):
        def cast(leaves, likes):
            return [a.astype(b.dtype, copy=False) for a, b in zip(leaves, likes, strict=True)]

        x, v, u = (cast(leaves, self.x) for leaves in at[:3])
        return Probe(x, v, u, cast(at.w, self.outputs))

    def in_precision(self):
        """The types of this point are to be had inside."""
        needed = self.is_double and not jax.config.jax_enable_x64
        return jax.enable_x64(True) if needed else nullcontext()

    def value(self, x) -> list:
        """f(x)."""
        return self.evaluate(
            [a.astype(b.dtype, copy=False) for a, b in zip(x, self.x, strict=True)]
        )

    def evaluate(self, x) -> list:
        """f(x) for an x of any type."""
        _, traceable = self._way(route.value, self.probe)
        with self.in_precision():
            return host(route.evaluated(self.function, x) if traceable else self.function(x))

    def tangent(self, x, v) -> list:
        """J v."""
        return self.run(route.jvp, self.probe._replace(x=x, v=v))[1]

    def cotangent(self, x, w) -> list:
        """Jᵀ w."""
        return self.run(route.vjp, self.probe._replace(x=x, w=w))[1]

    def rounding(self, y: Callable, eps: float | None = None, moves: int = 3) -> Known:
        """The reference y(x), a list of arrays, and its tolerance (see the head of this file)."""
        eps = eps or self.eps
        base = host(y(self.x))
        with self._shaken(eps):
            moved = [host(y(there)) for there in self._neighbours(eps, moves)]
        known = Known(base, self._bars(base, moved, eps))
        return self._with_noise(known, y, eps) if moves > 1 else known

    @contextmanager
    def _shaken(self, eps):
        """Inside, every direction and cotangent moves by a rounding too: a derivative depends on it."""
        random = np.random.default_rng(self.seed + 6)
        self._ways["shake"] = lambda a: (wide(a) * (1 + eps * _signs(a.real, random))).astype(
            a.dtype
        )
        try:
            yield
        finally:
            del self._ways["shake"]

    def _with_noise(self, known, y, eps):
        """A reference on a stair does not move with one rounding, but it bends within √ε of x.

        The bend y(x + d) - 2 y(x) + y(x - d) of a smooth y falls by 64 when d is divided by eight;
        what falls less is steps or noise.
        """
        wider, closer = (self._bend(known.value, y, t * np.sqrt(eps)) for t in (1, 1 / 8))
        noise = [np.where(b > a / 16, b, 0) for a, b in zip(wider, closer, strict=True)]
        bars = [t + SAFETY * group_max(b) for t, b in zip(known.tolerance, noise, strict=True)]
        return Known(known.value, bars)

    def _bend(self, here, y, scale):
        d = [scale * wide(v) for v in self.probe.v]
        sides = [list(map(partial(_plus, s), self.x, d)) for s in (1, -1)]
        if not all(map(self.inside, sides)):
            return [np.zeros(c.shape) for c in here]
        with np.errstate(all="ignore"):
            ends = zip(*map(y, sides), here, strict=True)
            bends = [np.abs(wide(a) + wide(b) - 2 * wide(c)) for a, b, c in ends]
        return [np.where(np.isfinite(b), b, 0) for b in bends]

    def _bars(self, base, moved, eps) -> list:
        """The tolerance of a reference, from its values at moved inputs."""
        shift = [np.zeros(b.shape) for b in base]
        with np.errstate(all="ignore"):
            for new in moved:
                distance = [np.abs(wide(a) - wide(b)) for a, b in zip(new, base, strict=True)]
                shift = list(map(np.maximum, shift, distance))
            own = [s + eps * np.abs(wide(b)) for s, b in zip(shift, base, strict=True)]
            return self._allow(base, [SAFETY * self.n * group_max(t) for t in own])

    def _allow(self, values, tolerances):
        """What an approximate f is allowed on top."""
        if not self.approx:
            return tolerances
        sizes = largest(values)
        return [t + SAFETY * self.approx * s for t, s in zip(tolerances, sizes, strict=True)]

    def _neighbours(self, eps, moves):
        random = np.random.default_rng(self.seed + 2)
        for _ in range(moves):
            there = moved(self.x, [_signs(a, random) * matrix_size(a) for a in self.x], eps)
            yield there if self.inside(there) else self.x

    def difference(self, y: Callable, v) -> Known:
        """The derivative of y at x along v, by differences in double precision.

        y takes a `Point` and an input. The tolerance is four times the error bar, and 10 n times how
        far the derivative moves with its input, by differences again. No difference sees a function
        through its rounding: where y itself keeps less than three digits, nothing is known.
        """
        p = self._where_it_runs(y)
        y, v = partial(y, p), list(map(wide, v))
        value, lost = p.rounding(y, self.eps)
        noise = [self.approx * s for s in largest(value)]
        along = partial(difference, y, v=v, domain=p.inside if p.domain else None, noise=noise)
        (there,) = p._neighbours(self.eps, 1)
        estimate = along(p.x)
        moves = p._bars(estimate.value, [along(there).value], self.eps)
        tolerances = []
        for slope, error, move, size, loss in zip(
            estimate.value, estimate.error, moves, value, lost, strict=True
        ):
            scale = np.maximum(np.abs(wide(size)), np.abs(slope))
            blind = (loss > self.sharp * group_max(scale)) & (scale > 0)
            tolerances.append(np.where(blind, np.inf, 4 * error + move))
        return Known(estimate.value, tolerances)

    def _where_it_runs(self, y):
        """In double precision, unless f is another function there, or insists on its types."""
        try:
            y(self.wide, self.wide.x)
        except Exception:
            return self
        return self.wide if self.is_the_same_in_double else self

    @property
    def is_the_same_in_double(self) -> bool:
        """Is f in double precision the same function? Random numbers, for one, are others."""
        if "same" not in self._ways:
            pairs = zip(self.value(self.x), self.wide.value(self.x), strict=True)
            self._ways["same"] = self.is_double or all(_close(a, b) for a, b in pairs)
        return self._ways["same"]


def _close(a, b):
    """Is one the other in a lower precision, as far as its size goes?"""
    a, b = wide(a), wide(b)
    sizes = [np.abs(c).max(initial=0, where=np.isfinite(c)) for c in (a, b, a - b)]
    return not sizes[2] > 0.3 * max(sizes[:2])


def _plus(sign, a, d):
    return (wide(a) + sign * d).astype(a.dtype)


def largest(values):
    """The largest finite entry of each array."""
    return [np.abs(wide(y)).max(initial=0, where=np.isfinite(y)) for y in values]


def _has_rules(p):
    try:
        return has_rules(p.function, p.x)
    except Exception:  # not traceable, or not in double precision
        return False


def _size(shape):
    if len(shape) >= 2:
        return max(shape[-2:])
    return 1 + np.log2(max(1, *shape)) if shape else 1


def host(arrays) -> list[np.ndarray]:
    """Arrays brought to the host."""
    return [np.asarray(a) for a in arrays]


def matrix_size(a) -> np.ndarray:
    """The largest entry of the matrix that each entry is in; of other numbers, their own size."""
    size = np.broadcast_to(group_max(np.abs(wide(a))), a.shape)
    return np.where((size > 0) & np.isfinite(size), size, 1.0)


def entry_size(a) -> np.ndarray:
    """The size of each entry; where it is zero, of the smallest that is not."""
    size = np.abs(wide(a))
    smallest = size.min(where=size > 0, initial=np.inf)
    return np.where(size > 0, size, smallest if np.isfinite(smallest) else 1.0)


def _like(a, random, scale):
    """Random numbers of a's shape and type and about the given scale; none is small by accident."""
    r = random.uniform(0.5, 1.5, a.shape) * _signs(a, random)
    return np.asarray(r * scale).astype(a.dtype)


def _signs(a, random):
    if is_complex(a):
        return np.exp(2j * np.pi * random.random(a.shape))
    return random.choice([-1.0, 1.0], a.shape)

"""A function at an input, and its derivatives by every route, on the host and in its precision."""

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from . import _function as route
from ._function import Function, Probe, is_complex
from ._sizes import entry_size, host, like, matrix_size, signs
from ._without_rules import uses
from .differences._line import wide

_LARGE = 100_000  # entries
_SMALL = 1000  # entries of a value that is remembered
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


@dataclass(frozen=True)
class Routes:
    """A function of a list of arrays, at an input, and the ways to ask for its derivatives.

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

    def at(self, x) -> Self:
        """The same function at another input of the same shapes and types."""
        return replace(self, x=x)

    @cached_property
    def wide(self) -> Self:
        """The same input in double precision."""
        if self.is_double:
            return self
        return replace(self, x=list(map(wide, self.x)), _ways=self._ways.setdefault("wide", {}))

    def of(self, function: Callable) -> Self:
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

    @cached_property
    def is_large(self) -> bool:
        """Are there more entries than can be looked at often?"""
        return sum(a.size for a in self.x) > _LARGE

    @property
    def precision(self) -> str:
        """The name of the lowest precision among the inputs."""
        return max(
            (jnp.finfo(a.dtype) for a in self.x), key=lambda info: float(info.eps)
        ).dtype.name

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
    def probe(self) -> Probe:
        """x, a direction of the size of each matrix, one of each entry, and a cotangent."""
        random = np.random.default_rng(self.seed)
        v, u = ([like(a, random, scale(a)) for a in self.x] for scale in (matrix_size, entry_size))
        return Probe(self.x, v, u, [like(y, random, 1.0) for y in self.outputs])

    def run(self, how: Callable, at: Probe):
        """What a route makes of a probe, on the host, in the precision of this point."""
        at = self._cast(at)
        if shake := self._ways.get("shake"):
            at = Probe(at.x, *(list(map(shake, leaves)) for leaves in at[1:]))
        group, traceable = self._way(how, at)
        if self.is_large:  # running what is not asked for takes longer than compiling it apart
            group = (how,)
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
        needed = self.is_double and not jax.config.read("jax_enable_x64")
        return jax.enable_x64(True) if needed else nullcontext()

    def value(self, x) -> list:
        """f(x)."""
        return self.evaluate(
            [a.astype(b.dtype, copy=False) for a, b in zip(x, self.x, strict=True)]
        )

    def evaluate(self, x) -> list:
        """f(x) for an x of any type; small values are remembered, since many parts look along a line."""
        if not self._is_small:
            return self._evaluate(x)
        values, key = self._ways.setdefault("values", {}), tuple(map(_content, x))
        if key not in values:
            values[key] = self._evaluate(x)
        return values[key]

    @cached_property
    def _is_small(self):
        return sum(int(np.prod(y.shape)) for y in self.outputs) <= _SMALL

    def _evaluate(self, x):
        _, traceable = self._way(route.value, self.probe)
        with self.in_precision():
            return host(route.evaluated(self.function, x) if traceable else self.function(x))

    def tangent(self, x, v) -> list:
        """J v."""
        return self.run(route.jvp, self.probe._replace(x=x, v=v))[1]

    def cotangent(self, x, w) -> list:
        """Jᵀ w."""
        return self.run(route.vjp, self.probe._replace(x=x, w=w))[1]

    @contextmanager
    def _shaken(self, eps):
        """Inside, every direction and cotangent moves by a rounding too: a derivative depends on it."""
        random = np.random.default_rng(self.seed + 6)
        self._ways["shake"] = lambda a: (wide(a) * (1 + eps * signs(a.real, random))).astype(
            a.dtype
        )
        try:
            yield
        finally:
            del self._ways["shake"]


def _content(a) -> tuple:
    """What tells an array from others, without keeping it."""
    return a.shape, a.dtype, hash(a.tobytes())

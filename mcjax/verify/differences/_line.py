"""A function along a line: φ(t) = f(x + t v), at t = 0 and t = ±h for h, h/2, h/4, ...

On the host f is any function at all and is called once for every t. Inside a trace (jit, vmap, grad)
it is traced once and mapped over the t.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

_CLIMBS = 2.0 ** np.arange(0, 60, 10)
_DOUBLE = float(np.finfo(np.float64).eps)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["at", "plus", "minus", "h", "size"],
    meta_fields=["eps"],
)
@dataclass(frozen=True)
class Samples:
    """One output of f along a line: φ(0) and, with a leading axis for the steps h, φ(h) and φ(-h).

    `size` is the t for which t v is as large as x, `eps` the unit of the lowest precision.
    """

    at: Any
    plus: Any
    minus: Any
    h: Any
    size: Any
    eps: float


def sample(f: Callable, x, v, inside: Callable) -> tuple[list[Samples], Any]:
    """The samples of every output of f, and the tree they are the leaves of.

    Nothing is evaluated where `inside` is false. 2 K + 1 evaluations, K = 42 in double precision,
    and up to six more where x is small.
    """
    line = Line(f, x, v, inside)
    ins, xp = units(jax.tree.leaves(x)), line.xp
    with np.errstate(all="ignore"):
        one = natural_step(jax.tree.map(xp.zeros_like, v), v, xp)
        size = _climb(line, natural_step(x, v, xp), one)
        h = size * xp.asarray(_halvings(max(ins + line.units)), dtype=xp.result_type(float))
        sides = zip(line.at, line(h), line(-h), line.units, strict=True)
    return [Samples(z, p, m, h, size, max(*ins, out)) for z, p, m, out in sides], line.tree


class Line:
    """ts ↦ [f(x + t v) for t in ts], a list with an array for every output of f.

    It is NaN where `inside` is false, and where f raises what math.log raises, while it worked at x.
    `at` is f(x), with the structure `tree`; `units` are the rounding units of its types.
    """

    def __init__(self, f, x, v, inside):
        self.f, self.x, self.v, self.inside = f, x, v, inside
        with np.errstate(all="ignore"):
            here, self.tree = jax.tree.flatten(f(moved(x, v, 0.0, namespace(x, v))))
        self.xp = namespace(x, v, here)
        self.units = units(here)
        self.at = [wide(y, self.xp) for y in here]

    def __call__(self, ts):
        if self.xp is jnp:
            return jax.lax.map(self._in_trace, ts)
        with np.errstate(all="ignore"):
            return [np.stack(y) for y in zip(*map(self._on_host, ts), strict=True)]

    def _on_host(self, t):
        ends, structure = self._ends
        there = structure.unflatten([(a + t * b).astype(d, copy=False) for a, b, d in ends])
        try:
            if self.inside(there):
                return [wide(y) for y in jax.tree.leaves(self.f(there))]
        except (ArithmeticError, ValueError):
            pass
        return [np.full_like(y, np.nan) for y in self.at]

    @cached_property
    def _ends(self):
        """What `moved` makes of x and v, once for all steps."""
        leaves, structure = jax.tree.flatten(self.x)
        along = jax.tree.leaves(self.v)
        return [
            (wide(a), wide(b), np.asarray(a).dtype) for a, b in zip(leaves, along, strict=True)
        ], structure

    def _in_trace(self, t):
        ok = self.inside(moved(self.x, self.v, t, jnp))
        there = moved(self.x, self.v, jnp.where(ok, t, 0.0), jnp)
        leaves = jax.tree.leaves(self.f(there))
        return [jnp.where(ok, wide(y, jnp), jnp.nan) for y in leaves]


def namespace(*trees):
    """jax.numpy inside a trace, numpy on the host."""
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))
    return jnp if traced else np


def wide(x, xp=np):
    """An array in the default precision of xp (double, for NumPy), real or complex."""
    x = xp.asarray(x)
    return x.astype(xp.result_type(complex if xp.iscomplexobj(x) else float), copy=False)


def moved(x, v, t, xp=np):
    """The pytree x + t v, formed in the default precision and rounded to the types of x."""

    def move(a, b):
        return (wide(a, xp) + t * wide(b, xp)).astype(xp.asarray(a).dtype)

    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(move, x, v)


def natural_step(x, v, xp=np):
    """The power of two t for which t v is about as large as x (as 1, where x is zero)."""
    ratio = xp.asarray(xp.inf)
    for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(v), strict=True):
        large, along = (xp.abs(wide(y, xp)).max(initial=0.0) for y in (a, b))
        per = xp.where(large > 0, large, 1.0) / xp.where(along > 0, along, 1.0)
        ratio = xp.where(along > 0, xp.minimum(ratio, per), ratio)
    ratio = xp.where(xp.isfinite(ratio), ratio, 1.0)
    return xp.ldexp(xp.ones_like(ratio), xp.round(xp.log2(ratio)).astype(xp.int32))


def unit(dtype) -> float:
    """The rounding unit of a type; of integers, that of double precision."""
    return float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else _DOUBLE


def units(leaves) -> list[float]:
    """The rounding units of the leaves."""
    return [unit(y.dtype if hasattr(y, "dtype") else np.asarray(y).dtype) for y in leaves]


def _halvings(eps):
    """Steps relative to x: from 1/4 down to ε^(5/6), below which nothing but rounding is left."""
    last = round(-5 / 6 * np.log2(eps))
    return 2.0 ** -np.arange(min(2, last - 6), last + 1)


def _climb(line, size, one):
    """The size of x, or more where x is so small that f does not move at that scale; 1 at most."""
    xp = line.xp
    top = xp.maximum(size, xp.minimum(one, size * _CLIMBS[-1]))
    if xp is np and size == top:
        return size
    tries = xp.minimum(size * xp.asarray(_CLIMBS, dtype=xp.result_type(float)), top)
    seen = [_visible(y, z) for y, z in zip(line(tries / 4), line.at, strict=True) if z.size]
    moves = xp.stack(seen).any(0) if seen else xp.ones(len(_CLIMBS), bool)
    return xp.where(moves.any(), tries[moves.argmax()], top)


def _visible(there, here):
    """At which t does any entry of φ(t) differ from φ(0) by half its digits, or cease to exist?"""
    xp = here.__array_namespace__()
    still = xp.abs(there - here[None]) <= 2.0**-20 * xp.abs(here)[None]
    return ~still.reshape(len(there), -1).all(1)

"""The checker: a function's derivatives against everything that they must agree with.

What is required is computed, never guessed. A reference y(x) that is exact but for rounding is known
to

    tolerance = 10 n (max |y(x + δ) - y(x)| + ε |y(x)|),

where n is the largest matrix dimension, ε the unit of the precision under test, and δ moves every
input by one rounding: entries of a matrix by ±ε times its largest entry (what a stable algorithm
promises), other numbers by ±ε of their own. The maximum is over three random δ and over the entries
of a matrix. So conditioning is measured on the reference itself, and a comparison that conditioning
leaves fewer than three digits is undecided. Against differences the tolerance is four times their
own error bar, and 10 n ε |y|.

Directions and cotangents are random and seeded: one direction as large as the matrix that it moves,
one as large as each entry.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from . import _function as route
from ._differences import difference, moved, wide
from ._function import Function, flatten
from ._verdict import Part, Report, compare, group_max, merge

SAFETY = 10
_MOVES = 3


def check(
    f: Callable,
    *args,
    reference: Callable | None = None,
    truth: Callable | None = None,
    truth_jvp: Callable | None = None,
    seed: int = 0,
) -> Report:
    """Check the derivatives of f at args, of first and second order, in every mode and transform.

    Args:
      f: a function of pytrees; integers, booleans and keys among its arguments are held fixed.
      args: where to check it.
      reference: plain JAX that computes the same by other means; `jax.grad` of it is a reference.
      truth: args ↦ the value of f, made by other means than JAX and better than its precision.
      truth_jvp: (args, tangents) ↦ the derivative of f along tangents, likewise.
      seed: of the directions and cotangents.

    Returns:
      A `Report`: print it, or use `.ok`, `.raise_if_wrong()`, `.to_json()`.

    The references, in turn: `truth`, `reference`, and differences of f in double precision with an
    error bar. Forward against reverse mode, the second orders against each other and against
    differences of the gradient, and jit, vmap, float32 and the lowering for CUDA are checked with
    the function alone.
    """
    function, x, names = flatten(f, args)
    point = Point(function, tuple(x), tuple(names), seed, reference, truth, truth_jvp)
    return Report(_title(f), tuple(_guarded(name, part, point) for name, part in PARTS.items()))


def _title(f):
    return getattr(f, "__name__", None) or type(f).__name__


@dataclass(frozen=True)
class Point:
    """A function at an input, with everything that several parts need."""

    function: Function
    leaves: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    seed: int
    reference: Callable | None
    truth: Callable | None
    truth_jvp: Callable | None

    @property
    def x(self):
        """The input as a list."""
        return list(self.leaves)

    @cached_property
    def eps(self) -> float:
        """The unit of the lowest precision among the inputs."""
        return max(float(jnp.finfo(a.dtype).eps) for a in self.leaves)

    @cached_property
    def n(self) -> int:
        """The largest dimension of a matrix, vectors counting as one."""
        sizes = [max(a.shape[-2:], default=1) for a in (*self.leaves, *self.shapes)]
        return max(1, *sizes)

    @cached_property
    def shapes(self):
        """Shapes and types of the outputs."""
        return jax.eval_shape(self.function, self.x)

    @cached_property
    def directions(self):
        """Two random directions in the input: of the size of each matrix, and of each entry."""
        random = np.random.default_rng(self.seed)
        return [
            [_like(a, random, scale) for a, scale in zip(self.leaves, map(size, self.leaves))]
            for size in (matrix_size, entry_size)
        ]

    @cached_property
    def cotangent(self):
        """A random cotangent of the output."""
        random = np.random.default_rng(self.seed + 1)
        return [_like(y, random, 1.0) for y in self.shapes]

    @cached_property
    def wide(self) -> "Point":
        """The same point in double precision, or as it is where that cannot be."""
        if self.eps <= np.finfo(np.float64).eps:
            return self
        leaves = tuple(map(wide, self.leaves))
        return replace(self, leaves=leaves)

    def rounding(self, y, got_eps=None):
        """y(x), a list of arrays, and its tolerance (see the head of this file)."""
        eps = got_eps or self.eps
        random = np.random.default_rng(self.seed + 2)
        base = _host(y(self.x))
        spread = [np.zeros(b.shape) for b in base]
        with np.errstate(all="ignore"):
            for _ in range(_MOVES):
                signs = [_signs(a, random) * matrix_size(a) for a in self.leaves]
                there = _host(y(moved(self.x, signs, eps)))
                spread = [np.fmax(s, np.abs(t - b)) for s, t, b in zip(spread, there, base)]
            own = [s + eps * np.abs(b) for s, b in zip(spread, base, strict=True)]
        return base, [SAFETY * self.n * group_max(t) for t in own]

    def names_of(self, got):
        """The names of the arguments, for a list that has one array for each."""
        return self.names if len(self.names) > 1 and len(got) == len(self.names) else None


def matrix_size(a):
    """The largest entry of the matrix that each entry is in; of other numbers, their own size."""
    size = np.broadcast_to(group_max(np.abs(wide(a))), a.shape)
    return np.where((size > 0) & np.isfinite(size), size, 1.0)


def entry_size(a):
    """The size of each entry; where it is zero, of the smallest that is not."""
    size = np.abs(wide(a))
    smallest = size.min(where=size > 0, initial=np.inf) if size.size else 1.0
    return np.where(size > 0, size, smallest if np.isfinite(smallest) else 1.0)


def _like(a, random, scale):
    """Random numbers of a's shape and type, of the given scale."""
    r = random.standard_normal(a.shape)
    if np.issubdtype(a.dtype, np.complexfloating):
        r = r + 1j * random.standard_normal(a.shape)
    return (r * scale).astype(a.dtype)


def _signs(a, random):
    signs = random.choice([-1.0, 1.0], a.shape)
    if np.issubdtype(a.dtype, np.complexfloating):
        return signs * np.exp(2j * np.pi * random.random(a.shape))
    return signs


def _host(arrays):
    return [np.asarray(a) for a in arrays]


def _guarded(name, part, point) -> Part:
    """The part, or what it raised: a missing mode decides nothing, any other error is a fault."""
    try:
        return replace(part(point), name=name)
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        no_forward_mode = isinstance(error, TypeError) and "forward-mode" in reason
        verdict = "undecided" if no_forward_mode else "wrong"
        return Part(name, verdict, detail=f"{type(error).__name__}: {reason}", raised=True)


def _skip(reason) -> Part:
    return Part("", "undecided", detail=reason)


def _truth(p: Point) -> Part:
    """The value against the given truth."""
    if p.truth is None:
        return _skip("no truth given")
    truth = partial(_of_leaves, p.function, p.truth)
    want, tolerance = p.rounding(truth)
    return compare("", _host(route.value(p.function, p.x)), want, tolerance)


def _truth_jvp(p: Point) -> Part:
    """Tangents against the given truth."""
    if p.truth_jvp is None:
        return _skip("no truth given")
    return merge([_truth_along(p, v) for v in p.directions])


def _truth_along(p, v):
    def along(x):
        return _of_leaves(p.function, lambda *args: p.truth_jvp(args, tangents), x)

    tangents = _arguments(p.function, v)
    want, tolerance = p.rounding(along)
    return compare("", _host(route.jvp(p.function, p.x, v)), want, tolerance)


def _arguments(function, leaves):
    """The leaves put back into the structure of the arguments; for functions of arrays alone."""
    return jax.tree.unflatten(function.treedef, leaves)


def _of_leaves(function, host, leaves):
    return [np.asarray(y) for y in jax.tree.leaves(host(*_arguments(function, leaves)))]


def _plain(p: Point) -> Part:
    """The gradient against `jax.grad` of the plain version."""
    if p.reference is None:
        return _skip("no plain version given")
    plain = replace(p.function, f=p.reference)
    want, tolerance = p.rounding(lambda x: route.vjp(plain, x, p.cotangent))
    got = _host(route.vjp(p.function, p.x, p.cotangent))
    return compare("", got, want, tolerance, p.names_of(got))


def _jvp(p: Point) -> Part:
    """Tangents against differences of the function."""
    return merge([_against_differences(p, route.value, route.jvp, v) for v in p.directions])


def _vjp(p: Point) -> Part:
    """The pairing of a cotangent with a tangent, against differences of the function."""

    def paired(f, x):
        return [route.pairing(p.cotangent, route.value(f, x))]

    def pulled(f, x, v):
        return [route.pairing(route.vjp(f, x, p.cotangent), v)]

    return merge([_against_differences(p, paired, pulled, v) for v in p.directions])


def _second(p: Point) -> Part:
    """Forward over reverse against differences of the gradient."""

    def gradient(f, x):
        return route.vjp(f, x, p.cotangent)

    def hessian(f, x, v):
        return route.forward_over_reverse(f, x, p.cotangent, v)

    return merge([_against_differences(p, gradient, hessian, v) for v in p.directions])

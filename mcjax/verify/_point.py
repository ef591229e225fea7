"""A function at an input, with the directions and tolerances that all parts of a check share.

What is required is computed, never guessed. A reference y(x) that is right but for rounding is known
to

    tolerance = 10 n (max |y(x + δ) - y(x)| + ε |y(x)|),

where n is the largest dimension, ε the unit of the precision under test, and δ moves every input by
one rounding: the entries of a matrix by ±ε times its largest entry (what a stable algorithm
promises), other numbers by ±ε of their own. The maximum is over three random δ (one, for
differences) and over the entries of a matrix. So conditioning is measured, and on the reference, not
on what is tested.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from ._function import Function
from ._verdict import RESOLVED, group_max
from .differences import jvp as difference
from .differences._line import moved, wide

SAFETY = 10
_DOUBLE = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Point:
    """A function of a list of arrays, at an input, and the references there are for it."""

    function: Function
    x: list[np.ndarray]
    names: list[str]
    seed: int = 0
    reference: Callable | None = None
    truth: Callable | None = None
    truth_jvp: Callable | None = None

    def at(self, x) -> "Point":
        """The same function at another input."""
        return replace(self, x=x)

    @cached_property
    def eps(self) -> float:
        """The unit of the lowest precision among the inputs."""
        return max(float(jnp.finfo(a.dtype).eps) for a in self.x)

    @property
    def is_double(self) -> bool:
        """Are all inputs double precision?"""
        return self.eps == _DOUBLE

    @cached_property
    def outputs(self):
        """Shapes and types of the outputs."""
        return jax.eval_shape(self.function, self.x)

    @cached_property
    def n(self) -> int:
        """The largest dimension of a matrix or vector that goes in or comes out."""
        return max(1, *(d for a in (*self.x, *self.outputs) for d in a.shape[-2:]), 1)

    @cached_property
    def directions(self) -> list[list[np.ndarray]]:
        """Two random directions of the input: of the size of each matrix, and of each entry."""
        random = np.random.default_rng(self.seed)
        return [[_like(a, random, size(a)) for a in self.x] for size in (matrix_size, entry_size)]

    @cached_property
    def cotangent(self) -> list[np.ndarray]:
        """A random cotangent of the output."""
        random = np.random.default_rng(self.seed + 1)
        return [_like(y, random, 1.0) for y in self.outputs]

    def rounding(self, y: Callable, eps: float | None = None, moves: int = 3):
        """The reference y(x), a list of arrays, and its tolerance (see the head of this file)."""
        eps = eps or self.eps
        base = host(y(self.x))
        shift = [np.zeros(b.shape) for b in base]
        with np.errstate(all="ignore"):
            for there in self._neighbours(eps, moves):
                new = host(y(there))
                shift = [
                    np.maximum(s, np.abs(a - b)) for s, a, b in zip(shift, new, base, strict=True)
                ]
            own = [s + eps * np.abs(b) for s, b in zip(shift, base, strict=True)]
            return base, [SAFETY * self.n * group_max(t) for t in own]

    def _neighbours(self, eps, moves):
        random = np.random.default_rng(self.seed + 2)
        for _ in range(moves):
            yield moved(self.x, [_signs(a, random) * matrix_size(a) for a in self.x], eps)

    def difference(self, y: Callable, v) -> tuple[list, list]:
        """The derivative of y at x along v, by differences in double precision, and its tolerance.

        Four times the error bar, and 10 n times how far the derivative moves with its input, by
        differences again. No difference sees a function through its rounding: where y itself keeps
        less than three digits, nothing is known.
        """
        with jax.enable_x64(True):
            wider, v = self.at(list(map(wide, self.x))), list(map(wide, v))
            estimate = difference(y, wider.x, v)
            _, moves = wider.rounding(lambda x: difference(y, x, v).value, self.eps, 1)
            value, value_moves = wider.rounding(y, self.eps)
        tolerances = []
        for error, move, size, lost in zip(estimate.error, moves, value, value_moves, strict=True):
            blind = (lost > RESOLVED * group_max(np.abs(size))) & (size != 0)
            tolerances.append(np.where(blind, np.inf, 4 * error + move))
        return estimate.value, tolerances


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
    """Random numbers of a's shape and type, of the given scale."""
    r = random.standard_normal(a.shape)
    if np.issubdtype(a.dtype, np.complexfloating):
        r = r + 1j * random.standard_normal(a.shape)
    return np.asarray(r * scale).astype(a.dtype)


def _signs(a, random):
    if np.issubdtype(a.dtype, np.complexfloating):
        return np.exp(2j * np.pi * random.random(a.shape))
    return random.choice([-1.0, 1.0], a.shape)

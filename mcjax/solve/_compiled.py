"""Functions that are compiled for their counts: of steps, of points, of lanes."""

from collections.abc import Callable
from functools import wraps
from numbers import Integral
from typing import ParamSpec, TypeVar

import equinox as eqx
import numpy as np

_COUNTS = ("count", "lanes", "max_steps", "polish", "steps")
_P = ParamSpec("_P")
_T = TypeVar("_T")


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """`equinox.filter_jit`, to which a count that is a NumPy integer is a constant, no array."""
    program: Callable[..., _T] = eqx.filter_jit(function)

    @wraps(function)
    def call(*args, **options):
        return program(*args, **{k: whole(v) if k in _COUNTS else v for k, v in options.items()})

    return call


def whole(count):
    """A count, Python's integer for NumPy's."""
    return int(count) if isinstance(count, np.integer) else count


def check_count(count, least: int, says: str) -> None:
    """Raise what it `says` unless the count is a whole number and not below the least."""
    if not isinstance(count, Integral) or count < least:
        raise ValueError(f"{says}, {least} or more, got {count!r}")

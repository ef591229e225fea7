"""How large numbers are: what a rounding is measured in, and what a direction is made of."""

import jax
import numpy as np

from ._function import is_complex
from ._verdict import group_max
from .differences._line import wide


def largest(values):
    """The largest finite entry of each array."""
    return [np.abs(wide(y)).max(initial=0, where=np.isfinite(y)) for y in values]


def dimension(shape):
    """Of a matrix its larger side; of a vector what a pairwise sum counts; of a number 1."""
    if len(shape) >= 2:
        return max(shape[-2:])
    return 1 + np.log2(max(1, *shape)) if shape else 1


def leaves(tree) -> list[np.ndarray]:
    """Values and derivatives as one list on the host."""
    return host(jax.tree.leaves(tree))


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


def like(a, random, scale):
    """Random numbers of a's shape and type and about the given scale; none is small by accident."""
    r = random.uniform(0.5, 1.5, a.shape) * signs(a, random)
    return np.asarray(r * scale).astype(a.dtype)


def signs(a, random):
    """Random signs, or phases where a is complex."""
    if is_complex(a):
        return np.exp(2j * np.pi * random.random(a.shape))
    return random.choice([-1.0, 1.0], a.shape)

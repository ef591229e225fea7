"""Rules that are the same for every primitive of the house."""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp


def compile_outside_jit(primitive):
    """Called outside `jit`, the primitive is a program of its own, compiled once for its parameters."""

    @lru_cache(maxsize=1024)
    def compiled(**params):
        return jax.jit(partial(primitive.bind, **params))

    primitive.def_impl(lambda *args, **params: compiled(**params)(*args))


def mapped_axes_in_front(args, axes):
    """The arguments of a batching rule, the mapped axis of each that has one moved to the front."""
    return [
        x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(args, axes, strict=True)
    ]

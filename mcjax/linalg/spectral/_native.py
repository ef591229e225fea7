"""Primitives on stacks (..., n, n) and (..., n), with derivative rules that partial evaluation keeps."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ..._core._axes import align
from ..._core._partition import lower_automatic
from ..._core._primitive import compile_outside_jit, mapped_axes_in_front


def native_primitive(name: str, function: Callable) -> Primitive:
    """A primitive that computes the tuple `function(*arrays)`, the first of them (..., n, n).

    All arrays and results have the batch axes of the first in front, and a vmap adds one more.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True

    def abstract(*avals):
        results = jax.eval_shape(function, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals))
        first = avals[0]
        batch = first.sharding.spec[: first.ndim - 2]

        def typed(r):
            spec = P(*batch, *[None] * (r.ndim - len(batch)))
            return ShapedArray(
                r.shape,
                r.dtype,
                sharding=NamedSharding(first.sharding.mesh, spec),
                manual_axis_type=first.manual_axis_type,
            )

        return [typed(r) for r in results]

    def batch(args, axes):
        (size,) = {x.shape[axis] for x, axis in zip(args, axes, strict=True) if axis is not None}
        args = [
            x if axis is not None else jnp.broadcast_to(x, (size, *x.shape))
            for x, axis in zip(mapped_axes_in_front(args, axes), axes, strict=True)
        ]
        results = primitive.bind(*align(*args))
        return results, [0] * len(results)

    def lower(ctx, *args):
        return lower_automatic(ctx, function, args, multiple_results=True)

    primitive.def_abstract_eval(abstract)
    compile_outside_jit(primitive)
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, lower)
    return primitive


def zero(primal):
    """The tangent zero of a result."""
    return ad.Zero(jax.typeof(primal).to_tangent_aval())

"""Primitives on stacks (..., n, n) and (..., n), with derivative rules that partial evaluation keeps."""

from collections.abc import Callable
from functools import partial

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


def linear_pair(
    name: str, forwards: Callable, backwards: Callable, parts: int, changes: bool = True
) -> Primitive:
    """`forwards(*parts, *constants)` as JAX is to see it: linear in the parts, its transpose `backwards`.

    Both return as many arrays as there are parts, of their shapes. Constants have no derivatives.
    Without `changes`, what `backwards` does is not done to derivatives of cotangents.
    """
    there, back = (
        native_primitive(name, forwards),
        native_primitive(f"{name}_transposed", backwards),
    )
    for primitive, other, same in ((there, back, True), (back, there, changes)):
        moved = primitive.bind if same else lambda *args: args[:parts]
        ad.primitive_jvps[primitive] = partial(_linear_jvp, primitive, moved, parts)
        ad.primitive_transposes[primitive] = partial(_linear_transpose, other, parts)
    return there


def _linear_jvp(primitive, moved, parts, primals, tangents):
    results, tangents = primitive.bind(*primals), tangents[:parts]
    if all(type(t) is ad.Zero for t in tangents):
        return results, [*map(zero, results)]
    tangents = [_dense(t, x) for t, x in zip(tangents, primals, strict=False)]
    return results, moved(*align(*tangents, *primals[parts:]))


def _linear_transpose(transposed, parts, cotangents, *args):
    linear = [ad.is_undefined_primal(x) for x in args]
    if all(type(bar) is ad.Zero for bar in cotangents):
        return [ad.Zero(x.aval) if wanted else None for x, wanted in zip(args, linear, strict=True)]
    like = next(bar for bar in cotangents if type(bar) is not ad.Zero)
    bars = [_dense(bar, like) for bar in cotangents]
    bars = transposed.bind(*align(*bars, *args[parts:]))
    bars = [*bars, *[None] * (len(args) - parts)]
    return [bar if wanted else None for bar, wanted in zip(bars, linear, strict=True)]


def _dense(x, like):
    """x, or the zeros that it stands for, which vary over devices as another array does."""
    if type(x) is not ad.Zero:
        return x
    shape, dtype = x.aval.shape, x.aval.dtype  # pyright: ignore[reportAttributeAccessIssue]
    return jnp.zeros_like(like, shape=shape, dtype=dtype)

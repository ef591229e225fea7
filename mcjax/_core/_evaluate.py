"""An algorithm as one operation, which JAX maps over batches and never looks into.

What a sealed rule evaluates, factors or solves is never differentiated, so JAX need not trace its
inside before it compiles it. Then it runs wherever its operands are: many of jax's linear algebra
functions do not accept arrays of a mesh with explicit axes, but they need not see any. The axes of
vmaps are kept apart when they are sharded (`_partition`), so it may loop on the data.
"""

from collections.abc import Callable

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ._axes import align
from ._partition import lower_automatic, names_devices, partition_batch
from ._primitive import compile_outside_jit, mapped_axes_in_front

evaluate_p = Primitive("evaluate")
evaluate_p.multiple_results = True


def evaluate(function: Callable, *args: jax.Array) -> tuple[jax.Array, ...]:
    """The tuple function(*args). It has no derivative: stop the gradients of `args`.

    `function` is a function of a module, not made anew at every call, and has no arrays for constants,
    which cannot be shared among devices.
    """
    return tuple(_bind(*align(*args), function=function, levels=()))


def _bind(*args, **params):
    return evaluate_p.bind(*args, devices=names_devices(), **params)


# `levels` lists the vmaps, outermost first: which arguments each maps. An argument that a level
# does not map stays as it is, so that many right-hand sides share one factorisation.
def _mapped(function, levels):
    for mapped in reversed(levels):
        function = jax.vmap(function, in_axes=tuple(0 if m else None for m in mapped))
    return function


@evaluate_p.def_abstract_eval
def _abstract(*avals, function, levels, devices):
    unsharded = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    results = jax.eval_shape(_mapped(function, levels), *unsharded)
    lead = [_level_spec(avals, levels, i) for i in range(len(levels))]
    mesh = avals[0].sharding.mesh
    return [
        ShapedArray(
            r.shape,
            r.dtype,
            sharding=NamedSharding(mesh, P(*lead, *[None] * (r.ndim - len(lead)))),
            manual_axis_type=avals[0].manual_axis_type,
        )
        for r in results
    ]


def _level_spec(avals, levels, i):
    """How the axis of level i is sharded: as in the first argument that carries it."""
    argument = levels[i].index(True)
    axis = sum(mapped[argument] for mapped in levels[:i])
    return avals[argument].sharding.spec[axis]


def _batch(args, axes, *, function, levels, devices):
    mapped = tuple(axis is not None for axis in axes)
    args = mapped_axes_in_front(args, axes)
    results = _bind(*args, function=function, levels=(mapped, *levels))
    return results, [0] * len(results)


def _lower(ctx, *args, function, levels, devices):
    names = [f"v{i}" for i in range(len(levels))]
    axes = [
        [name for name, mapped in zip(names, levels, strict=True) if mapped[i]]
        for i in range(len(args))
    ]
    ranks = [aval.ndim for aval in (*ctx.avals_in, *ctx.avals_out)]
    apart = partition_batch(_mapped(function, levels), ranks, axes, names)
    return lower_automatic(ctx, apart, args, multiple_results=True)


compile_outside_jit(evaluate_p)
batching.primitive_batchers[evaluate_p] = _batch
mlir.register_lowering(evaluate_p, _lower)

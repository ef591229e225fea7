"""Batches over devices: each device runs its own share of a batch, and none waits for another.

A loop whose length depends on the data stops when the *whole* batch is done, so under `jit` with a
sharded batch XLA has all devices agree at every step (an all-reduce per iteration). Declaring the
batch axes independent lets every device run its own loop: no collective remains.
"""

from functools import lru_cache

import jax
from jax.core import ShapedArray
from jax.experimental.custom_partitioning import custom_partitioning
from jax.interpreters import mlir
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec, use_abstract_mesh


def partition_batch(function, ranks, batch_axes, result_axes):
    """Wrap `function` so that a sharded batch stays where it is.

    Axes are named by strings. `batch_axes[i]` names the leading axes of argument i, `result_axes`
    those of every result; axes of one name are one batch axis, cut alike. The remaining axes
    (`ranks` counts all axes, of the arguments first and then of the results) are never cut.
    """
    if not result_axes:
        return function
    count = len(batch_axes)
    leads = [*batch_axes, *[result_axes] * (len(ranks) - count)]
    labels = [
        [*lead, *(f"m{i}x{j}" for j in range(rank - len(lead)))]
        for i, (rank, lead) in enumerate(zip(ranks, leads, strict=True))
    ]
    whole = [name for axes in labels for name in axes if name.startswith("m")]

    def partition(_, __, result_shape):
        shapes, tree = jax.tree.flatten(result_shape)
        mesh, spec = shapes[0].sharding.mesh, shapes[0].sharding.spec
        cut = dict(zip(result_axes, spec, strict=False))
        places = [
            NamedSharding(mesh, PartitionSpec(*(cut.get(name) for name in axes))) for axes in labels
        ]
        return mesh, function, tree.unflatten(places[count:]), tuple(places[:count])

    def rule(labels):
        return ", ".join(map(" ".join, labels))

    wrapped = custom_partitioning(lambda *args: function(*args))  # it wants positions, not keywords
    wrapped.def_partition(
        partition=partition,
        sharding_rule=rule(labels[:count]) + " -> " + rule(labels[count:]),
        need_replication_factors=tuple(whole),
    )
    return wrapped


@lru_cache
def names_devices():
    """A jaxpr for the parameters of a primitive whose lowering calls `partition_batch`.

    JAX tells a lowering its devices only if it finds a primitive that asks for them, and it looks
    inside the jaxprs that a primitive has as parameters.
    """
    identity = custom_partitioning(lambda x: x)
    identity.def_partition(partition=None, sharding_rule="i -> i")
    return jax.make_jaxpr(identity)(jax.ShapeDtypeStruct((1,), "float32"))


def lower_automatic(ctx, function, args, *, multiple_results):
    """Lower with shardings propagated by XLA, also where the user's mesh has explicit axes.

    With explicit axes, and inside `jax.shard_map`, the sharding is part of an array's type, which the
    types of our own operands and results carry; inside, many functions do not accept such types.
    """
    lower = mlir.lower_fun(function, multiple_results)
    meshes = [aval.sharding.mesh for aval in ctx.avals_in]
    if not any(mesh.explicit_axes or mesh.manual_axes for mesh in meshes):
        return lower(ctx, *args)
    with use_abstract_mesh(AbstractMesh((), ())):
        avals = [ShapedArray(aval.shape, aval.dtype) for aval in ctx.avals_in]
        return lower(ctx.replace(avals_in=avals), *args)

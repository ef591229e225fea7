"""Varying axes: what `jax.shard_map` knows of its arguments, made equal before an operation."""

import jax
from jax import lax


def align(*args):
    """Cast every array to the union of the mesh axes that any of them varies over.

    Outside `shard_map` this does nothing. Inside, a replicated argument of a custom derivative rule
    must be cast to varying before the call; the transpose of the cast sums its cotangent over the
    devices, which is what the gradient of a replicated value is.
    """
    axes = [jax.typeof(x).manual_axis_type.varying for x in args]
    union = frozenset().union(*axes)
    return tuple(
        lax.pcast(x, tuple(union - own), to="varying") if union - own else x
        for x, own in zip(args, axes, strict=True)
    )

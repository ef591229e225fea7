"""X(θ) defined by an equation F(X, θ) = 0, θ matrices: any algorithm finds it, the equation derives it.

dX solves the linear equation  ∂F/∂X dX = -∂F/∂θ dθ  at X and θ. That is the derivative of one primitive,
whose own output X is in it, so that the next derivative finds the rule again, in any mode and order.
The algorithm is not looked into; a batch has one loop, and a sharded batch is kept apart (`_partition`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ..._core._axes import align
from ..._core._partition import lower_automatic, names_devices, partition_batch
from ..._core._primitive import compile_outside_jit, mapped_axes_in_front

root_p = Primitive("root")


def root(algorithm: Callable, tangent: Callable, *parameters: jax.Array) -> jax.Array:
    """X(θ) of the shape of θ[0].

    Args:
      algorithm: θ ↦ X over stacks of matrices; it closes over no arrays.
      tangent: (X, θ, dθ) ↦ dX over stacks, linear in dθ and differentiable.
      parameters: θ, matrices of one batch. Both functions are of a module, not made anew each time.
    """
    return _bind(*align(*parameters), algorithm=algorithm, tangent=tangent)


def _bind(*parameters, **params):
    return root_p.bind(*parameters, devices=names_devices(), **params)


@root_p.def_abstract_eval
def _abstract(*avals, algorithm, tangent, devices):
    return avals[0]


def _jvp(parameters, directions, *, algorithm, tangent, devices):
    X = _bind(*parameters, algorithm=algorithm, tangent=tangent)
    directions = [ad.instantiate_zeros(d) for d in directions]
    return X, tangent(X, parameters, directions)


def _batch(args, axes, *, algorithm, tangent, devices):
    (size,) = {x.shape[axis] for x, axis in zip(args, axes, strict=True) if axis is not None}
    args = [
        jnp.broadcast_to(x, (size, *x.shape)) if axis is None else x
        for x, axis in zip(mapped_axes_in_front(args, axes), axes, strict=True)
    ]
    return _bind(*args, algorithm=algorithm, tangent=tangent), 0


def _lower(ctx, *args, algorithm, tangent, devices):
    batch = [f"b{i}" for i in range(ctx.avals_in[0].ndim - 2)]
    ranks = [len(batch) + 2] * (len(args) + 1)
    apart = partition_batch(algorithm, ranks, [batch] * len(args), batch)
    return lower_automatic(ctx, apart, args, multiple_results=False)


compile_outside_jit(root_p)
ad.primitive_jvps[root_p] = _jvp
batching.primitive_batchers[root_p] = _batch
mlir.register_lowering(root_p, _lower)

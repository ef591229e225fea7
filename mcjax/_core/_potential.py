"""The law of the house: one primitive for every derivative of a scalar potential.

Let Φ(x₀, x₁, ...) be a scalar function, and write D^kΦ[d₁, ..., d_k] for its k-th derivative along
directions, the direction d_i perturbing the argument ("slot") x_{s_i}. It is linear in every
direction and symmetric in them. Leave one slot open, and what remains is an array G of the shape of
that argument, defined by

    D^{k+1}Φ[d₁, ..., d_k, d] = Σ G * d          for every d            (no conjugate),

the *dual* of the slot. These forms are closed under differentiation in both modes:

    derivative along dx_j             add dx_j to the directions;
    transpose in d_i, cotangent c     c fills the open slot, the slot of d_i becomes the open one.

So a single JAX primitive has every jvp, vjp, and any composition of them, and all that it asks of
a potential is a way to *evaluate* D^kΦ. The evaluation is never differentiated by JAX: it may loop,
branch and decompose as it likes, and no intermediate of it is ever stored.

A matrix function is the gradient of a trace: with F' = f and Φ(A) = tr F(A),
DΦ(A)[E] = tr(f(A) E), so f(A)ᵀ is Φ with its matrix slot open, and Fréchet derivatives are the same
with more directions. det A is a potential too, the adjugate its gradient.

Derived from: Mathias 1996; Higham, Functions of Matrices (2008), section 3.2, whose adjoint formula
L_f(A)* = L_f(A*) is the transpose rule at k = 1.
"""

from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ._axes import align
from ._partition import lower_automatic, names_devices, partition_batch
from ._primitive import compile_outside_jit, mapped_axes_in_front

Slots = tuple[int, ...]


class Potential(Protocol):
    """A scalar function known through its derivatives. Instances must be hashable.

    `loops_on_data` says that the evaluation runs loops whose length depends on the data, which have
    to be kept apart when a batch is sharded (`_partition`); it may then close over no arrays.
    """

    loops_on_data: bool

    def derivative(self, point, directions, slots: Slots, dual: int | None) -> jax.Array:
        """D^kΦ at `point` along `directions`, with the slot `dual` left open (None: a scalar).

        `point[0]` is a matrix (..., n, n), batched over its leading axes, and so is a direction of
        slot 0; other arguments are parameters shared by the batch, and a parameter's dual is summed
        over it.
        """
        ...


def derivative(
    potential: Potential, *point, directions=(), slots: Slots = (), dual: int | None = 0
):
    """Evaluate a derivative of `potential`: differentiable in `point`, linear in `directions`."""
    return _bind((*point, *directions), potential=potential, slots=slots, dual=dual, levels=())


# `levels` lists the vmaps, outermost first, that could not become batch axes of the matrix: pairs
# (size, which arguments of the point it maps). Directions carry every level's axis, in front; an
# argument that a level does not map stays as it is, so n² directions share one evaluation at A.
derivative_p = Primitive("potential_derivative")


def _bind(args, **params):
    return derivative_p.bind(*align(*args), devices=names_devices(), **params)


def _split(args, slots):
    count = len(args) - len(slots)
    return args[:count], args[count:]


def _evaluate(*args, potential, slots, dual, levels):
    def at(*args):
        point, directions = _split(args, slots)
        return potential.derivative(point, directions, slots, dual)

    for _, mapped in reversed(levels):
        at = jax.vmap(at, in_axes=tuple(0 if m else None for m in mapped) + (0,) * len(slots))
    return at(*args)


def _lead(argument, levels):
    """The levels whose axis an argument of the point carries."""
    return [i for i, (_, mapped) in enumerate(levels) if mapped[argument]]


@derivative_p.def_abstract_eval
def _abstract(*avals, potential, slots, dual, levels, devices):
    argument = dual or 0
    aval = avals[argument]
    lead = len(_lead(argument, levels))
    stop = aval.ndim - 2 if dual is None else aval.ndim
    mesh, spec = aval.sharding.mesh, aval.sharding.spec
    return ShapedArray(
        tuple(size for size, _ in levels) + aval.shape[lead:stop],
        aval.dtype,
        sharding=NamedSharding(mesh, P(*_level_specs(avals, levels), *spec[lead:stop])),
        manual_axis_type=aval.manual_axis_type,
    )


def _level_specs(avals, levels):
    """How each level's axis is sharded: as in the first operand that carries it."""
    for i, (_, mapped) in enumerate(levels):
        carrier = (*mapped, True).index(True)
        axis = _lead(carrier, levels).index(i) if carrier < len(mapped) else i
        yield avals[carrier].sharding.spec[axis]


def _jvp(primals, tangents, *, potential, slots, dual, levels, devices):
    same = dict(potential=potential, dual=dual, levels=levels)
    point, _directions = _split(primals, slots)
    value = _bind(primals, slots=slots, **same)
    terms = []
    for i, tangent in enumerate(tangents):
        if type(tangent) is ad.Zero:
            continue
        if i < len(point):
            along = _spread(tangent, i, levels)
            terms.append(_bind((*primals, along), slots=(*slots, i), **same))
        else:
            swapped = (*primals[:i], tangent, *primals[i + 1 :])
            terms.append(_bind(swapped, slots=slots, **same))
    return value, sum(terms[1:], terms[0]) if terms else ad.Zero(
        jax.typeof(value).to_tangent_aval()
    )


def _spread(tangent, argument, levels):
    """Give a tangent of the point the axes of the levels that its argument does not have."""
    for axis, (size, mapped) in enumerate(levels):
        if not mapped[argument]:
            tangent = jnp.expand_dims(tangent, axis)
            shape = (*tangent.shape[:axis], size, *tangent.shape[axis + 1 :])
            tangent = jnp.broadcast_to(tangent, shape)
    return tangent


def _transpose(cotangent, *args, potential, slots, dual, levels, devices):
    point, directions = _split(args, slots)
    (i,) = (i for i, d in enumerate(directions) if ad.is_undefined_primal(d))
    if type(cotangent) is ad.Zero:
        return [ad.Zero(x.aval) if ad.is_undefined_primal(x) else None for x in args]
    others = directions[:i] + directions[i + 1 :]
    other_slots = slots[:i] + slots[i + 1 :]
    pull = partial(_bind, potential=potential, dual=slots[i], levels=levels)
    if dual is None:
        if slots[i] and cotangent.ndim > len(levels):
            raise NotImplementedError("a scalar per matrix, with shared parameters: use jax.vmap")
        unit = pull((*point, *others), slots=other_slots)
        result = jnp.expand_dims(cotangent, range(cotangent.ndim, unit.ndim)) * unit
    else:
        result = pull((*point, *others, cotangent), slots=(*other_slots, dual))
    return [result if ad.is_undefined_primal(x) else None for x in args]


def _batch(args, axes, *, potential, slots, dual, levels, devices):
    (size,) = {x.shape[axis] for x, axis in zip(args, axes, strict=True) if axis is not None}
    point, directions = _split(mapped_axes_in_front(args, axes), slots)
    mapped = tuple(axis is not None for axis in axes)
    mapped, along = _split(mapped, slots)
    directions = [_front(d, m, size) for d, m in zip(directions, along, strict=True)]
    # A batch of matrices alone becomes a batch axis of the matrix: one loop runs the whole batch.
    # (Scalars with parameters excepted: the dual of a parameter sums over the batch.)
    sums = any(slots) or dual or (dual is None and len(point) > 1)
    if not (mapped[0] and not any(mapped[1:]) and not sums and not levels):
        levels = ((size, mapped), *levels)
    args = (*point, *directions)
    return _bind(args, potential=potential, slots=slots, dual=dual, levels=levels), 0


def _front(x, mapped, size):
    return x if mapped else jnp.broadcast_to(x, (size, *x.shape))


def _lower(ctx, *args, potential, slots, dual, levels, devices):
    evaluate = partial(_evaluate, potential=potential, slots=slots, dual=dual, levels=levels)
    if potential.loops_on_data and dual in (0, None):
        count = len(args) - len(slots)
        batch = [f"b{i}" for i in range(_matrix_rank(ctx.avals_in[0], levels) - 2)]
        vmaps = [f"v{i}" for i in range(len(levels))]
        axes = [
            [vmaps[j] for j in _lead(i, levels)] + (batch if i == 0 else []) for i in range(count)
        ]
        axes += [vmaps + (batch if slot == 0 else []) for slot in slots]
        ranks = [aval.ndim for aval in (*ctx.avals_in, *ctx.avals_out)]
        evaluate = partition_batch(evaluate, ranks, axes, vmaps + batch)
    return lower_automatic(ctx, evaluate, args, multiple_results=False)


def _matrix_rank(aval, levels):
    return aval.ndim - len(_lead(0, levels))


compile_outside_jit(derivative_p)
ad.primitive_jvps[derivative_p] = _jvp
ad.primitive_transposes[derivative_p] = _transpose
batching.primitive_batchers[derivative_p] = _batch
mlir.register_lowering(derivative_p, _lower)

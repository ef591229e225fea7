"""A function of pytrees as a function of its floating leaves, and its derivatives by every route.

Pairings are Σ w * y without a conjugate, real part taken: JAX's convention, in which
Re Σ w * (J v) = Re Σ (Jᵀ w) * v holds for complex functions, holomorphic or not.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Function:
    """f of a list of its inexact leaves, as a list of its inexact outputs; all else is held fixed.

    Hashable, so that one compilation serves every input of the same shapes.
    """

    f: Callable
    treedef: Any
    fixed: Hashable

    def __call__(self, leaves):
        out = self.f(*self.arguments(leaves))
        return [jnp.asarray(y) for y in jax.tree.leaves(out) if is_inexact(y)]

    def arguments(self, leaves):
        """The leaves among the arguments that are held fixed."""
        held = getattr(self.fixed, "leaves", {})
        moving = iter(leaves)
        every = [held[i] if i in held else next(moving) for i in range(self.treedef.num_leaves)]
        return jax.tree.unflatten(self.treedef, every)


class _Fixed:
    """Leaves that are not differentiated, by position; compared by identity."""

    def __init__(self, leaves):
        self.leaves = leaves


def flatten(f: Callable, args) -> tuple[Function, list[np.ndarray], list[str]]:
    """f as a `Function`, its inexact leaves, and their names."""
    paths, treedef = jax.tree_util.tree_flatten_with_path(args)
    held = {i: leaf for i, (_, leaf) in enumerate(paths) if not is_inexact(leaf)}
    leaves = [np.asarray(jnp.asarray(leaf)) for _, leaf in paths if is_inexact(leaf)]
    names = [_name(path) for path, leaf in paths if is_inexact(leaf)]
    if not leaves:
        raise ValueError(
            "check: no argument is floating point or complex; nothing to differentiate"
        )
    return Function(f, treedef, _Fixed(held) if held else ()), leaves, names


def is_inexact(leaf) -> bool:
    """Is this a leaf with a derivative: a real or complex floating array or number?"""
    try:
        return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    except (TypeError, ValueError):
        return False


def is_complex(a) -> bool:
    """Is this a complex array?"""
    return jnp.issubdtype(a.dtype, jnp.complexfloating)


def _name(path):
    first, *rest = path
    return f"argument {first.idx}{jax.tree_util.keystr(tuple(rest))}"


class Probe(NamedTuple):
    """Where to look: an input, two directions of it, and a cotangent of the output."""

    x: Any
    v: Any
    u: Any
    w: Any


def value(f, at):
    """f(x)."""
    return f(at.x)


def jvp(f, at):
    """f(x) as the rule has it, and J v."""
    return jax.jvp(f, (at.x,), (at.v,))


def vjp(f, at):
    """f(x) as the rule has it, and Jᵀ w."""
    y, pull = jax.vjp(f, at.x)
    return y, pull(at.w)[0]


def forward_over_reverse(f, at):
    """The derivative of Jᵀ w along v."""
    return _along_v(lambda x: vjp(f, at._replace(x=x))[1], at)


def forward_over_cotangent(f, at):
    """The derivative of Jᵀ w as w moves along w: Jᵀ w once more, since it is linear in w."""
    return jax.jvp(lambda w: vjp(f, at._replace(w=w))[1], (at.w,), (at.w,))[1]


def forward_over_tangent(f, at):
    """The derivative of J v as v moves along v: J v once more."""
    return jax.jvp(lambda v: jvp(f, at._replace(v=v))[1], (at.v,), (at.v,))[1]


def reverse_over_reverse(f, at):
    """The gradient of <Jᵀ w, v>: the same, by the symmetry of second derivatives."""
    return jax.grad(lambda x: pairing(vjp(f, at._replace(x=x))[1], at.v))(at.x)


def forward_over_forward(f, at):
    """The derivative of J v along u."""
    return jax.jvp(lambda x: jvp(f, at._replace(x=x))[1], (at.x,), (at.u,))[1]


def forward_over_second(f, at):
    """The derivative along v of the derivative of Jᵀ w along v."""
    return _along_v(lambda x: forward_over_reverse(f, at._replace(x=x)), at)


def _along_v(y, at):
    return jax.jvp(y, (at.x,), (at.v,))[1]


def pairing(w, y):
    """Re Σ w * y over two lists of arrays."""
    sums = [jnp.sum(a * b).real for a, b in zip(w, y, strict=True)]
    widest = max((s.dtype for s in sums), key=lambda d: d.itemsize, default=np.float32)
    return sum(s.astype(widest) for s in sums)


def together(f, routes, at):
    """Several routes at once."""
    return tuple(route(f, at) for route in routes)


compiled = jax.jit(together, static_argnums=(0, 1))


@partial(jax.jit, static_argnums=0)
def evaluated(f, x):
    """f(x) in one compilation."""
    return f(x)


@partial(jax.jit, static_argnums=(0, 1, 2))
def batched(f, routes, axes, at):
    """Several routes over a batch of probes; `axes` says what of a probe is batched."""
    in_axes = (axes._replace(x=list(axes.x)),)
    return jax.vmap(lambda at: together(f, routes, at), in_axes)(at)


@partial(jax.jit, static_argnums=(0, 1))
def scanned(f, routes, ats):
    """Several routes, one probe after another in a loop."""
    return jax.lax.scan(lambda c, at: (c, together(f, routes, at)), None, ats)[1]

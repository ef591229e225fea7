"""A function of pytrees as a function of its floating leaves, and its derivatives by every route.

Pairings are Σ w * y without a conjugate, real part taken: JAX's convention, in which
Re Σ w * (J v) = Re Σ (Jᵀ w) * v holds for complex functions, holomorphic or not.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

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
        held = getattr(self.fixed, "leaves", {})
        moving = iter(leaves)
        every = [held[i] if i in held else next(moving) for i in range(self.treedef.num_leaves)]
        out = self.f(*jax.tree.unflatten(self.treedef, every))
        return [jnp.asarray(y) for y in jax.tree.leaves(out) if is_inexact(y)]


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


def _name(path):
    first, *rest = path
    return f"argument {first.idx}{jax.tree_util.keystr(tuple(rest))}"


compiled = partial(jax.jit, static_argnums=0)


@compiled
def value(f, x):
    """f(x)."""
    return f(x)


@compiled
def jvp(f, x, v):
    """J v."""
    return jax.jvp(f, (x,), (v,))[1]


@compiled
def vjp(f, x, w):
    """Jᵀ w."""
    return jax.vjp(f, x)[1](w)[0]


@compiled
def forward_over_reverse(f, x, w, v):
    """The derivative of Jᵀ w along v."""
    return jax.jvp(lambda x: vjp(f, x, w), (x,), (v,))[1]


@compiled
def reverse_over_reverse(f, x, w, v):
    """The gradient of <Jᵀ w, v>: the same, by the symmetry of second derivatives."""
    return jax.grad(lambda x: pairing(vjp(f, x, w), v))(x)


@compiled
def forward_over_forward(f, x, v, u):
    """The derivative of J v along u."""
    return jax.jvp(lambda x: jvp(f, x, v), (x,), (u,))[1]


@compiled
def value_over_batch(f, xs):
    """f over a leading axis of every leaf."""
    return jax.vmap(f)(xs)


@compiled
def vjp_over_batch(f, xs, w):
    """Jᵀ w over a leading axis of x alone."""
    return jax.vmap(lambda x: vjp(f, x, w))(xs)


def pairing(w, y):
    """Re Σ w * y over two lists of arrays."""
    sums = [jnp.sum(a * b).real for a, b in zip(w, y, strict=True)]
    widest = np.result_type(*(s.dtype for s in sums)) if sums else np.float32
    return sum(s.astype(widest) for s in sums)

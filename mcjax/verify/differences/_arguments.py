"""What may be differentiated, where, and how: checked here, with errors that name the remedy."""

import jax
import jax.numpy as jnp
import numpy as np

from ._line import namespace

METHODS = ("richardson", "central", "complex step")


def floating(x):
    """x with its Python numbers as arrays; every leaf is a real or complex floating array."""
    return jax.tree.map(_floating, x)


def _floating(leaf):
    if isinstance(leaf, (int, float, complex)) and not isinstance(leaf, (bool, np.generic)):
        return np.asarray(leaf * 1.0)
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(
            f"x: {dtype or type(leaf).__name__} has no derivative; make it floating point, "
            "or let f close over it"
        )
    return leaf


def number(x):
    """x as one real or complex number."""
    leaves = jax.tree.leaves(x)
    if len(leaves) != 1 or np.shape(x) != ():
        raise ValueError(
            f"derivative: expected one number, got {_shapes(x)}; use jvp along a direction, jacobian "
            "for all entries, or jax.vmap for a batch of numbers"
        )
    return floating(x)


def direction(x, v):
    """x and v as trees of floating arrays alike."""
    x, v = floating(x), floating(v)
    if jax.tree.structure(x) != jax.tree.structure(v) or _shapes(x) != _shapes(v):
        raise ValueError(
            f"v: expected the structure and shapes of x, {_shapes(x)}; got {_shapes(v)}"
        )
    for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(v), strict=True):
        if jnp.iscomplexobj(b) and not jnp.iscomplexobj(a):
            raise TypeError("v: a complex direction needs a complex x; use x.astype(complex)")
    return x, v


def _shapes(tree):
    return jax.tree.map(np.shape, tree)


def inside(domain, x):
    """The test whether a point is in the domain; x itself must be."""
    test = _inside(domain)
    if namespace(x) is np and not test(x):
        raise ValueError("domain: x lies outside of it; widen the domain, or move x")
    return test


def _inside(domain):
    if domain is None:
        return lambda x: True
    if callable(domain):
        return domain
    low, high = domain
    return lambda x: _between(x, low, high)


def _between(x, low, high):
    xp = namespace(x)
    ok = True
    for leaf in jax.tree.leaves(x):
        if xp.iscomplexobj(leaf):
            raise TypeError("domain: complex numbers have no bounds; pass a predicate of x instead")
        ok = ok & ((leaf >= _as(low, leaf, xp)) & (leaf <= _as(high, leaf, xp))).all()
    return ok


def _as(bound, leaf, xp):
    return xp.broadcast_to(xp.asarray(bound, dtype=leaf.dtype), leaf.shape)


def known_method(method):
    """One of METHODS."""
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}; got {method!r}")


def floors(noise, tree):
    """The known noise for every output: one number for all, or a tree like f's output."""
    if jax.tree.structure(noise) == tree:
        return jax.tree.leaves(noise)
    if np.ndim(noise) != 0:
        raise ValueError("noise: expected a number, or a tree like the output of f")
    return [noise] * tree.num_leaves

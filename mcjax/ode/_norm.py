"""The norm of a state, for what is solved in its place: vectors, and derivatives of them beside them.

The controller of the step size, and the root finder of an implicit solver, measure errors with `norm`, a
function of the pytree that the user calls y.
"""

import math

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

_INNER = {
    diffrax.ClipStepSizeController: "controller",
    diffrax.AbstractImplicitSolver: "root_finder",
    diffrax.AbstractWrappedSolver: "solver",
}


def with_field(name, x, change):
    """A controller or a solver, of which, or of whose root finder, a field that there is has changed."""
    for kind, inner in _INNER.items():
        if isinstance(x, kind):
            where = lambda x, inner=inner: getattr(x, inner)  # noqa: E731
            return eqx.tree_at(where, x, with_field(name, where(x), change))
    if not hasattr(x, name):
        return x
    return eqx.tree_at(lambda x: getattr(x, name), x, change(getattr(x, name)))


def with_norm(x, change):
    """A controller or a solver with change(norm) for the norm."""
    return with_field("norm", x, change)


def of_vector(unravel):
    """Makes of a norm that of y = unravel(vector)."""
    return lambda norm: lambda y: norm(unravel(y))


def largest(norm):
    """Makes of the norm of a vector the largest of a tree of vectors (n,) and their derivatives (n, ..)."""

    def of_tree(tree):
        columns = [x.reshape(len(x), math.prod(x.shape[1:])) for x in jax.tree.leaves(tree)]
        return jnp.concatenate([jax.vmap(norm, 1)(x) for x in columns]).max()

    return of_tree

"""Functions that hold what they close over, so that a derivative rule can see it."""

from typing import Any

import equinox as eqx
import jax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun


class Converted(eqx.Module):
    """A function traced once, as a pytree: `consts` are the arrays that it closed over."""

    jaxpr: Any
    consts: list
    structure: Any = eqx.field(static=True)

    def __call__(self, *args):
        return self.call(self.consts, *args)

    def call(self, consts, *args):
        """The function, of other constants."""
        flat = jaxpr_as_fun(ClosedJaxpr(self.jaxpr, consts))(*jax.tree.leaves(args))
        return jax.tree.unflatten(self.structure, flat)


def convert(f, *args) -> Converted:
    """f for arguments of the types of `args`."""
    closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
    return Converted(closed.jaxpr, list(closed.consts), jax.tree.structure(out))

"""A branch for the few elements of a batch that need it.

`lax.cond` under vmap takes both branches for every element. A loop of at most one step takes none if no
element needs it. It is a loop on the data: inside `evaluate`, or a potential that says so.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax


def where_needed(needed: jax.Array, function: Callable[[], jax.Array], otherwise: jax.Array):
    """function() where `needed`, a scalar, is true; it is not called if no element needs it."""

    def once(state):
        return jnp.zeros_like(state[0]), function()

    return lax.while_loop(lambda state: state[0], once, (needed, otherwise))[1]

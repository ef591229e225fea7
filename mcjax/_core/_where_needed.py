"""A branch for the few elements of a batch that need it.

`lax.cond` under vmap takes both branches for every element. A loop of at most one step takes none if no
element needs it. It is a loop on the data: inside `evaluate`, or a potential that says so.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax


def where_needed(
    needed: jax.Array, function: Callable, x: jax.Array, otherwise: jax.Array
) -> jax.Array:
    """function(x) where `needed`, a scalar, is true; it is not called if no element needs it."""

    def once(state):
        # The barrier ties x to the state: what does not depend on it, XLA moves out of the loop.
        going, inside = lax.optimization_barrier((state[0], x))
        return jnp.zeros_like(going), function(inside)

    return lax.while_loop(lambda state: state[0], once, (needed, otherwise))[1]

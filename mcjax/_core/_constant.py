"""Trees of arrays and other things as constants of differentiation."""

import equinox as eqx
import jax
from jax import lax


def constant(tree):
    """The same, of which no derivative is taken."""
    return jax.tree.map(lambda x: lax.stop_gradient(x) if eqx.is_array(x) else x, tree)


def sealed(function, *args):
    """function(*args), without a derivative, and not looked into for one.

    JAX cannot tell that a loop that prints has no tangents, and reverse mode refuses loops.
    """

    @eqx.filter_custom_jvp
    def whole(*args):
        return function(*args)

    @whole.def_jvp
    def without(primals, tangents):
        out = whole(*primals)
        return out, jax.tree.map(lambda _: None, out)

    return whole(*args)

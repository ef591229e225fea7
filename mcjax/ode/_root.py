"""The x(p) with F(x, p) = 0, found by Newton's method or by optimistix, and differentiated as a root:

    F_x dx = -F_p dp,

a linear equation with the Jacobian at x, solved forwards or transposed, again for every order. It is sealed
in `lax.custom_root`, and not in optimistix's own rule, because the linear solve of that one raises, by a
callback to the host, where F_x is singular; here dx is infinite or NaN.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax

from .._core._axes import align
from ._newton import newton


def find_root(
    equations: Callable, guess, finder: Any, size: Callable, rtol: float, max_steps: int = 256
):
    """A root near a vector, and whether the root finder was satisfied. NaN if it was not.

    The finder is one of optimistix, or None: Newton's method, to rtol size(x) or to rounding.
    """

    if finder is not None and jax.sharding.get_abstract_mesh().manual_axes:
        raise ValueError(
            "inside jax.shard_map lineax refuses the equations of optimistix's root finders: pass "
            "root_finder=None, for Newton's method"
        )

    def solve(equations, guess):
        if finder is None:
            x, okay = newton(equations, guess, size, rtol, max_steps)
        else:
            root = optx.root_find(
                lambda x, _: equations(x), finder, guess, max_steps=max_steps, throw=False
            )
            x, okay = root.value, root.result == optx.RESULTS.successful
        return jnp.where(okay, x, jnp.nan), okay.astype(guess.dtype)

    guess = lax.stop_gradient(guess)
    # Within shard_map a root varies over what any argument of its equations varies over.
    guess, _ = align(guess, equations(guess))
    root, okay = lax.custom_root(equations, guess, solve, _dense_solve, has_aux=True)
    return root, okay > 0


def _dense_solve(linear, y):
    return jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)

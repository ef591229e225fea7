"""Newton's method that ends where the step is rounding, in any units of f, and of y but where it begins at 0.

    y ← y - s,      s = J(y)⁻¹ f(y).

The step s has the units of y whatever those of f, so |f| is never asked for: what is small for |f| nobody
knows. A component has settled when its step is small for its size, or when f is nothing but rounding.
For a quadratic f, with s̄ = J(y - s)⁻¹ f(y) the last step as the new Jacobian would have made it,

    the next step is (s̄ - s)/2,     exactly, and in each component.

Where J has not changed, s̄ = s to half of the digits, and the next step is still larger than |s̄ - s|,
no curvature made it: f was rounded. So a state settles at zero, too, where nothing else has a size, and
the slow descent to a root many orders below the guess, where J changes with each step, goes on.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from .._core._axes import align


class _State(NamedTuple):
    """y, the f and the step that led to it, the size of steps that are rounding, and where this stands."""

    y: Float[Array, " n"]
    f: Float[Array, " n"]
    step: Float[Array, " n"]
    noise: Float[Array, " n"]
    settled: Bool[Array, ""]
    count: Int[Array, ""]


def newton(equations: Callable, guess, size: Callable, rtol: float, max_steps: int):
    """A root near a vector, and whether each component moved by less than rtol size(y), or by rounding."""

    def advance(state):
        f, push = jax.linearize(equations, state.y)
        _, unit = align(f, jnp.eye(len(f), dtype=f.dtype))
        jacobian = jax.vmap(push, out_axes=1)(unit)
        step, again = jnp.linalg.solve(jacobian, jnp.stack([f, state.f], 1)).T
        y = state.y - step
        small = rtol**0.5 * jnp.maximum(reach(jacobian) @ jnp.abs(y), first)
        rounded = _is_rounding(step, again, state.step, small, rtol**0.5)
        noise = jnp.where(rounded, 4 * jnp.abs(step), state.noise)
        settled = (jnp.abs(step) <= jnp.maximum(rtol * size(y), noise)).all()
        return _State(y, f, step, noise, settled, state.count + 1)

    def goes_on(state):
        return ~state.settled & jnp.isfinite(state.y).all() & (state.count < max_steps)

    # The size of a state that goes to zero; 1 for one that begins there.
    first = jnp.where(guess == 0, 1, jnp.abs(guess))
    nothing = jnp.zeros_like(guess)
    # No step was there before the first: J counts as changed.
    settled = (nothing > 0).any()
    start = _State(guess, nothing, nothing + jnp.inf, nothing, settled, jnp.array(0))
    end = lax.while_loop(goes_on, advance, start)
    return end.y, end.settled & jnp.isfinite(end.y).all()


def _is_rounding(step, again, before, small, same):
    """Where a step is larger than its curvature makes it. One that is not small is a jump of f."""
    change, length = jnp.abs(again - before), jnp.abs(step)
    return (change <= same * jnp.abs(before)) & (length > change) & (length <= small)


def reach(jacobian):
    """|J⁻¹| |J|: what relative changes of all y, or of the entries of J, make of each y, by f."""
    return jnp.abs(jnp.linalg.inv(jacobian)) @ jnp.abs(jacobian)

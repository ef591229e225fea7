"""What the transforms see: parameters as one vector of reals, and the Hessian as a function on it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._vector import Packing, packing


def unknowns(params: PyTree, name: str) -> Packing:
    """The packing of the parameters, which are real."""
    if params is None:
        raise ValueError(f"{name}: pass the parameters, as in update(grads, state, params)")
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(params)):
        raise TypeError(f"{name}: expected real parameters; split complex ones into two reals")
    return packing(params, name)


def objective(value_fn: Callable | None, parameters: Packing, name: str) -> Callable:
    """value_fn as a function of vectors."""
    if value_fn is None:
        raise ValueError(
            f"{name}: pass the function, as in update(grads, state, params, value_fn=value_fn)"
        )
    return lambda x: jnp.asarray(value_fn(parameters.unpack(x)))


def hessian_product(f: Callable, x: Array) -> Callable:
    """v ↦ ∇²f(x) v: the derivative of the gradient along v, forward over reverse."""
    return jax.linearize(jax.grad(f), x)[1]

"""An equation F(x, θ) = 0 between vectors, made of a function of pytrees that is traced once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._core._axes import align
from .._core._constant import constant
from .._core._power_of_two import nearest
from ._vector import Packing, arrays, packing, solid


class Equation(NamedTuple):
    """F, its parameters θ (all arrays it depends on, closed over or in `args`), and its packings.

    `F` is (x, θ) ↦ vector, `aux` is (x, θ) ↦ pytree, of vectors x; `call` is (x, θ) ↦ (value, aux) of
    pytrees x. None holds an array. plain: all unknowns and values are real and of one type; F is of that of
    the unknowns' vector in any case.
    """

    F: Callable[[Array, tuple], Array]
    aux: Callable[[Array, tuple], PyTree]
    call: Callable[[PyTree, tuple], tuple[PyTree, PyTree]]
    parameters: tuple[Array, ...]
    unknowns: Packing
    rows: int
    plain: bool


def equation(
    residual: Callable, x: PyTree, args: Any, name: str, *, has_aux: bool = False
) -> Equation:
    """The equation residual(x, args) = 0 near an x of inexact arrays."""
    args = arrays(args)
    (traced,), _ = programs([residual], x, args)
    out = traced.out_struct
    if has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise ValueError(f"{name}: has_aux=True needs a function that returns a pair (value, aux)")
    values = packing(out[0] if has_aux else out, f"{name}: the value of the function")
    unknowns = packing(x, name)
    dynamic, static = eqx.partition((traced, args), eqx.is_array)
    leaves, structure = jax.tree.flatten(dynamic)

    def call(x, parameters):
        fn, args = eqx.combine(jax.tree.unflatten(structure, parameters), static)
        out = fn(x, args)
        return out if has_aux else (out, None)

    def F(x, parameters):
        return values.pack(call(unknowns.unpack(x), parameters)[0]).astype(unknowns.dtype)

    return Equation(
        F,
        lambda x, parameters: call(unknowns.unpack(x), parameters)[1] if has_aux else None,
        call,
        tuple(solid(leaf) for leaf in leaves),
        unknowns,
        values.size,
        unknowns.plain and values.plain and unknowns.dtype == values.dtype,
    )


def programs(functions: list, x: PyTree, args: Any) -> tuple[list, PyTree]:
    """Functions of (x, args) as closed programs, and x as they take it: cast to vary, inside
    `shard_map`, over all axes that x, `args` or what they close over varies over. None stays None.
    """

    def traced(x):
        return [
            None if f is None else eqx.filter_closure_convert(eqx.Partial(f), x, args)
            for f in functions
        ]  # Partial: global functions too

    x = varying_as(x, (x, args))
    found = traced(x)
    if _axes(found) - _axes(x):
        x = varying_as(x, found)
        found = traced(x)
    return found, x


def _axes(tree):
    """The mesh axes that any array of the tree varies over, inside `shard_map`."""
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return frozenset().union(*(jax.typeof(x).manual_axis_type.varying for x in leaves))


def varying_as(x, tree):
    """The arrays x, cast to vary over all axes that any array of the tree varies over."""
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    return jax.tree.map(lambda leaf: align(leaf, *leaves)[0], x)


def check_square(equation: Equation, name: str) -> None:
    """Raise unless there are as many equations as unknowns."""
    if equation.rows != equation.unknowns.size:
        raise ValueError(
            f"{name}: {equation.rows} equations for {equation.unknowns.size} unknowns; use "
            "least_squares, or attach_implicit with on_singular='min_norm'"
        )


def unit_of_small(problem: Equation, x) -> Array:
    """What to measure F by where absolute tolerances are to come: a power of two, at most 1.

    The larger of F at x and of what a change of all unknowns makes of it.
    """
    x, parameters = constant((x, problem.parameters))
    x = varying_as(x, parameters)
    F, change = jax.jvp(lambda x: problem.F(x, parameters), (x,), (jnp.abs(x) + 1,))
    size = jnp.maximum(jnp.abs(F).max(), jnp.abs(change).max())
    return jnp.minimum(nearest(size), 1)


def gradient(objective: Equation) -> Equation:
    """The equation ∇f = 0 of a function f with one value."""

    def F(x, parameters):
        return jax.grad(lambda x: objective.F(x, parameters)[0])(x)

    return objective._replace(F=F, rows=objective.unknowns.size)


def half_square(residuals: Equation) -> Equation:
    """½‖r‖² as a function with one value."""

    def F(x, parameters):
        return (residuals.F(x, parameters) ** 2).sum(keepdims=True) / 2

    def call(y, parameters):
        return F(residuals.unknowns.pack(y), parameters)[0], residuals.call(y, parameters)[1]

    return residuals._replace(F=F, call=call, rows=1)


def normal_equation(residuals: Equation) -> Equation:
    """The equation ∇ ½‖r‖² = r_xᵀ r = 0."""

    def F(x, parameters):
        r, pull = jax.vjp(lambda x: residuals.F(x, parameters), x)
        return pull(r)[0]

    return residuals._replace(F=F, rows=residuals.unknowns.size)


def differentiable(x) -> bool:
    """Whether an array can have a tangent."""
    return jnp.issubdtype(x.dtype, jnp.inexact)

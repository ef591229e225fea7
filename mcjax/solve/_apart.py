"""A solver that need not know of meshes.

Types inside `jax.shard_map`, and on a mesh with explicit axes, tell how an array is spread over devices;
lineax and optimistix compare types, and refuse what differs in that alone. What they search is a constant
of differentiation, so there it is one operation (`evaluate`), inside which arrays are of no mesh.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, use_abstract_mesh
from jaxtyping import Array, PyTree

from .._core._constant import constant
from .._core._evaluate import evaluate
from ._vector import arrays, on_mesh


class Problem(Protocol):
    """Functions, and all arrays that they depend on."""

    @property
    def parameters(self) -> tuple[Array, ...]: ...


_P = TypeVar("_P", bound=Problem)
_T = TypeVar("_T")


def apart(
    search: Callable[[_P, Any, PyTree], _T],
    problem: _P,
    equation: Callable[[PyTree, Any], _P],
    solver: Any,
    y0: PyTree,
    args: Any,
    name: str,
) -> _T:
    """search(problem, solver, y0); where types tell of a mesh, of arrays without one.

    Args:
      search: what finds a solution; all arrays that it uses are in its arguments.
      equation: (y0, args) ↦ problem, to make it again.
    """
    if not on_mesh():
        return search(problem, solver, y0)
    if len(problem.parameters) > len(jax.tree.leaves(eqx.filter(arrays(args), eqx.is_array))):
        raise ValueError(
            f"{name}: inside jax.shard_map the arrays that the function uses have to be in `args`; it "
            "closes over some"
        )
    given = constant((solver, y0, arrays(args)))
    dynamic, static = eqx.partition(given, eqx.is_array)
    leaves, structure = jax.tree.flatten(dynamic)

    def found(*leaves):
        with use_abstract_mesh(AbstractMesh((), ())):
            solver, y0, args = eqx.combine(jax.tree.unflatten(structure, leaves), static)
            return search(equation(y0, args), solver, y0)

    like = eqx.filter_eval_shape(found, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in leaves))
    shapes, rest = eqx.partition(like, lambda x: isinstance(x, jax.ShapeDtypeStruct))
    values = evaluate(lambda *a: jax.tree.leaves(eqx.filter(found(*a), eqx.is_array)), *leaves)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(shapes), values), rest)


def traced_once(fn: Callable, y: PyTree, args: Any) -> Callable:
    """fn(y, args) as a closed program; fn itself where that would tell of a mesh, which `apart` leaves."""
    return fn if on_mesh() else eqx.filter_closure_convert(eqx.Partial(fn), y, args)


def raise_if(solution: _T, status: eqx.Enumeration, failed: Array) -> _T:
    """The solution; at run time an error with the status's message where it has failed."""
    if not on_mesh():
        return status.error_if(solution, failed)
    dynamic, static = eqx.partition((status, failed), eqx.is_array)
    leaves, structure = jax.tree.flatten(dynamic)

    def checked(*leaves):
        with use_abstract_mesh(AbstractMesh((), ())):
            status, failed = eqx.combine(jax.tree.unflatten(structure, leaves), static)
            return (status.error_if(jnp.ones((), jnp.int8), failed),)

    (one,) = evaluate(checked, *leaves)  # a factor, or the compiler would find that none needs it
    numbers, rest = eqx.partition(solution, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda x: x * one.astype(x.dtype), numbers), rest)

"""A matrix, a lineax operator or a function x ↦ A x: a program that is static, and its parameters.

A program acts on the columns of X (n, k). Its parameters are arrays that JAX may trace, so that a
derivative reaches whatever a function closes over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import lineax

from ..._core._matmul import matmul
from ..functions._funm import Program


class Operator(NamedTuple):
    program: Callable | None  # (X, *parameters) ↦ A X; None: the identity
    parameters: tuple
    matrix: Callable | None  # () ↦ A


def dense(A: jax.Array) -> Operator:
    """The operator of an array."""
    return Operator(_multiply, (A,), lambda: A)


def _multiply(X, A):
    return matmul(A, X)


@dataclass(frozen=True)
class Columns:
    """A function of one vector."""

    vector: Program

    def __call__(self, X, *parameters):
        return jax.vmap(lambda x: self.vector(x, *parameters), -1, -1)(X)


def of_function(A, example: jax.ShapeDtypeStruct, name: str) -> Operator:
    """The operator of a linear function of vectors like the example, or of lineax's."""
    function = function_of(A)
    out = jax.eval_shape(function, example)
    if (getattr(out, "shape", None), getattr(out, "dtype", None)) != (example.shape, example.dtype):
        raise ValueError(
            f"{name}: a function must map vectors of shape {example.shape} and type {example.dtype} "
            f"to the same, but it returned {out}; the start vector v0 tells shape and type"
        )
    closed = jax.make_jaxpr(function)(example)
    program, parameters = Columns(Program(closed.jaxpr)), tuple(map(jnp.asarray, closed.consts))
    n, dtype = example.shape[0], example.dtype

    def matrix():
        if isinstance(A, lineax.AbstractLinearOperator):
            return A.as_matrix()  # mostly without products
        return program(jnp.eye(n, dtype=dtype), *parameters)

    return Operator(program, parameters, matrix)


def function_of(A) -> Callable:
    """x ↦ A x of a lineax operator or of what is a function already."""
    return A.mv if isinstance(A, lineax.AbstractLinearOperator) else A


def is_operator(A) -> bool:
    return callable(A) or isinstance(A, lineax.AbstractLinearOperator)


def example_of(A, v0, name: str) -> jax.ShapeDtypeStruct:
    """The shape and type of the vectors that an operator acts on."""
    if isinstance(A, lineax.AbstractLinearOperator):
        like = A.in_structure()
        if getattr(like, "ndim", None) != 1:
            raise ValueError(f"{name}: expected an operator on vectors (n,), got one on {like}")
    elif v0 is None:
        raise ValueError(
            f"{name}: a function x ↦ A x does not tell its size; pass a start vector v0 of shape (n,)"
        )
    else:
        like = jnp.asarray(v0)
        if like.ndim != 1 or not jnp.issubdtype(like.dtype, jnp.inexact):
            raise ValueError(
                f"{name}: v0 must be a real or complex vector (n,), got {like.dtype} of shape "
                f"{like.shape}"
            )
    return jax.ShapeDtypeStruct(like.shape, like.dtype)

"""Argument checks: what came, what is allowed, and what to use instead, said at trace time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._shapes import Square


def matrix(A, name: str, shape: str = "(..., m, n)") -> jax.Array:
    """A as an inexact (..., m, n) array; integers and booleans become floating point."""
    if not hasattr(A, "dtype") and not hasattr(A, "__array__") and not isinstance(A, list | tuple):
        raise TypeError(f"{name}: expected an array {shape}, got {type(A).__name__}")
    try:
        A = jnp.asarray(A)
    except (TypeError, ValueError) as error:  # strings, objects, ragged lists
        raise type(error)(f"{name}: expected numbers in an array {shape}; {error}") from None
    if not jnp.issubdtype(A.dtype, jnp.number) and A.dtype != jnp.bool_:
        raise TypeError(f"{name}: expected real or complex numbers, got dtype {A.dtype}")
    if not jnp.issubdtype(A.dtype, jnp.inexact):
        A = A.astype(jnp.result_type(float))
    if A.dtype.itemsize < 4:
        raise TypeError(
            f"{name}: {A.dtype} has too few digits for this; pass A.astype('float32') and cast the "
            "result back"
        )
    if A.ndim < 2:
        remedy = f"; for a number use jnp.{name}(x)" if hasattr(jnp, name) else ""
        raise ValueError(
            f"{name}: expected {shape}, got shape {A.shape}"
            + (remedy or "; a number x is the matrix jnp.full((1, 1), x)")
        )
    return A


def square(A, name: str) -> Square:
    """A as an inexact (..., n, n) array."""
    A = matrix(A, name, "(..., n, n)")
    if A.shape[-1] != A.shape[-2]:
        raise ValueError(
            f"{name}: expected square matrices (..., n, n), got shape {A.shape}; a batch goes on "
            "the leading axes"
        )
    return A


def same_dtype(*arrays):
    """Arrays promoted to one dtype, by NumPy's rules, whatever promotion the user has set."""
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*arrays)
    return tuple(x.astype(dtype) for x in arrays)


def hermitian_part(A):
    """(A + Aᴴ)/2: what a function of a Hermitian matrix depends on."""
    return (A + A.mT.conj()) / 2


def counts(k: Any, least: int, most: int) -> bool:
    """Whether k is a whole number of least..most."""
    return isinstance(k, int | np.integer) and bool(least <= k <= most)

"""Argument checks: what came, what is allowed, and what to use instead, said at trace time."""

import jax
import jax.numpy as jnp

from ._shapes import Square


def matrix(A, name: str) -> jax.Array:
    """A as an inexact (..., m, n) array; integers and booleans become floating point."""
    if not hasattr(A, "dtype") and not hasattr(A, "__array__") and not isinstance(A, list | tuple):
        raise TypeError(f"{name}: expected an array (..., n, n), got {type(A).__name__}")
    try:
        A = jnp.asarray(A)
    except (TypeError, ValueError) as error:  # strings, objects, ragged lists
        raise type(error)(f"{name}: expected numbers in an array (..., n, n); {error}") from None
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
            f"{name}: expected (..., n, n), got shape {A.shape}"
            + (remedy or "; a number x is the matrix jnp.full((1, 1), x)")
        )
    return A


def square(A, name: str) -> Square:
    """A as an inexact (..., n, n) array."""
    A = matrix(A, name)
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

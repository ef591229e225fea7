"""Two Hermitian matrices, B positive definite, reduced to one: with B = L Lᴴ,

    type 1   A v = λ B v    C = L⁻¹ A L⁻ᴴ    v = L⁻ᴴ y    vᴴ B v = 1
    type 2   A B v = λ v    C = Lᴴ A L       v = L⁻ᴴ y    vᴴ B v = 1
    type 3   B A v = λ v    C = Lᴴ A L       v = L y      vᴴ B⁻¹ v = 1

with C y = λ y. Since V = L⁻ᴴ Y gives Yᴴ Ȳ = Vᴴ V̄, and likewise L Y, what a loss asks of a basis at a
tie is the same in either.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from jax import lax

from ..._core._check import hermitian_part, same_dtype, square
from ..._core._matmul import matmul


def standard_form(A, B, type: int, name: str) -> tuple:
    """The Hermitian C, and the map Y ↦ V. NaN where B is not positive definite."""
    if type not in (1, 2, 3):
        raise ValueError(f"{name}: type must be 1, 2 or 3, got {type!r}")
    A = hermitian_part(square(A, name))
    if B is None:
        if type != 1:
            raise ValueError(f"{name}: type {type} is about two matrices; pass B as well")
        return A, lambda Y: Y
    A, B = same_dtype(A, hermitian_part(square(B, name)))
    if A.shape[-1] != B.shape[-1]:
        raise ValueError(f"{name}: A and B must have one size, got {A.shape} and {B.shape}")
    batch = jnp.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = (jnp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, B))
    L = jnp.linalg.cholesky(B, symmetrize_input=False)
    solve = partial(lax.linalg.triangular_solve, L, lower=True)
    if type == 1:
        half = solve(A, left_side=True)
        C = solve(half, transpose_a=True, conjugate_a=True)
    else:
        C = matmul(L.mT.conj(), matmul(A, L))
    back: Callable = (
        partial(matmul, L)
        if type == 3
        else partial(solve, left_side=True, transpose_a=True, conjugate_a=True)
    )
    return hermitian_part(C), back

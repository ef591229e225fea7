"""Linear equations A x = b, and those whose matrix is known to be symmetric.

dx = A⁻¹ (db - dA x). A structure of A says what its derivative is: a function of (A + Aᴴ)/2.
"""

import jax.numpy as jnp
from jax import Array, lax

from ..._core._check import hermitian_part, matrix, same_dtype, square
from ..._core._shapes import Square

_ASSUMPTIONS = ("gen", "sym", "her", "pos")


def solve(A: Square, b: Array, *, assume_a: str = "gen") -> Array:
    """x with A x = b: SciPy's `solve`, with right gradients for complex Hermitian matrices too.

    Identity: A dx = db - dA x.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      b: (n,), or (..., n, k) with a batch that broadcasts with A's.
      assume_a: "gen"; "sym", when (A + Aᵀ)/2 is used; "her", when (A + Aᴴ)/2 is; "pos", when that is
        positive definite, and factored by Cholesky.

    Returns:
      x, (..., n) or (..., n, k). Not finite where A is singular; NaN where it is not positive
      definite and "pos".

    Cost: a factorisation, n³/3 flops by Cholesky and twice that by LU; a gradient reuses it.
    Source: Golub and Van Loan, Matrix Computations (2013), chapters 3 and 4.
    """
    A = square(A, "solve")
    if assume_a not in _ASSUMPTIONS:
        raise ValueError(f"solve: assume_a must be one of {_ASSUMPTIONS}, got {assume_a!r}")
    b, vector = _right_hand_side(b)
    A, b = same_dtype(A, b)
    if b.shape[-2] != A.shape[-1]:
        raise ValueError(
            f"solve: A x = b needs b of {A.shape[-1]} rows for A {A.shape}, got {b.shape}; a batch of "
            "vectors is b[..., None]"
        )
    batch = jnp.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    A, b = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, b))
    x = b if not b.size else (_by_cholesky if assume_a == "pos" else _by_lu)(A, b, assume_a)
    return x[..., 0] if vector else x


def _right_hand_side(b):
    vector = jnp.ndim(b) == 1
    return matrix(jnp.asarray(b)[:, None] if vector else b, "solve"), vector


def _by_lu(A, b, assume_a):
    if assume_a == "sym":
        A = (A + A.mT) / 2
    return jnp.linalg.solve(hermitian_part(A) if assume_a == "her" else A, b)


def _by_cholesky(A, b, _):
    L = jnp.linalg.cholesky(hermitian_part(A), symmetrize_input=False)
    y = lax.linalg.triangular_solve(L, b, left_side=True, lower=True)
    return lax.linalg.triangular_solve(
        L, y, left_side=True, lower=True, transpose_a=True, conjugate_a=True
    )

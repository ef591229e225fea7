"""Eigenvalues and eigenvectors of a real symmetric tridiagonal matrix.

T v = λ v with the diagonal d and e beside it:  dλ = vᵀ dT v = Σ v_i² dd_i + 2 Σ v_i v_{i+1} de_i.
The eigenvalues of T are distinct unless an e_i vanishes (a matrix with n - 1 rows that are
independent whatever λ is has one eigenvector for it), so this is a derivative, and the eigenvectors
have one too. T is kept dense: its eigendecomposition has a rule of every order in JAX.
"""

import jax.numpy as jnp
from jax import Array

from ..._core._check import same_dtype
from ..._core._matmul import row_minus_column


def eigh_tridiagonal(d: Array, e: Array, *, eigvals_only: bool = False):
    """Eigenvalues, ascending, and eigenvectors: SciPy's `eigh_tridiagonal`.

    Identity: dλ = Σ v_i² dd_i + 2 Σ v_i v_{i+1} de_i.

    Args:
      d: (..., n), the diagonal, real; integers are promoted.
      e: (..., n - 1), the entries beside it, with a batch like d's.
      eigvals_only: leave out the eigenvectors.

    Returns:
      λ, (..., n), and unless eigvals_only V, (..., n, n), a vector in each column, up to its sign.
      Derivatives exist where all e_i differ from 0, and otherwise as for a general symmetric matrix:
      those of functions that treat equal eigenvalues alike, to first order.

    Errors: eps ‖T‖ in λ; in derivatives of V, eps ‖T‖ over the gap of eigenvalues.

    Cost: a dense eigendecomposition, n² memory. Source: Parlett, The Symmetric Eigenvalue Problem
    (1998), section 7.7.
    """
    d, e = same_dtype(*(_vector(x, name) for x, name in ((d, "d"), (e, "e"))))
    n = d.shape[-1]
    if e.shape != (*d.shape[:-1], max(n - 1, 0)) or n == 0:
        raise ValueError(
            f"eigh_tridiagonal: d (..., n) needs e (..., n - 1), n > 0, got {d.shape} and {e.shape}"
        )
    T = _dense(d, e)
    return jnp.linalg.eigvalsh(T) if eigvals_only else tuple(jnp.linalg.eigh(T))


def _vector(x, name):
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"eigh_tridiagonal: expected numbers in {name}; {error}") from None
    if x.ndim == 0 or jnp.iscomplexobj(x) or not jnp.issubdtype(x.dtype, jnp.number):
        raise ValueError(
            f"eigh_tridiagonal: {name} must be real, with one axis or more, got {x.dtype} "
            f"of shape {x.shape}; complex e may be replaced by its absolute value, for eigenvalues"
        )
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def _dense(d, e):
    n = d.shape[-1]
    beside = jnp.pad(e, [(0, 0)] * (e.ndim - 1) + [(0, 1)])
    across, down = (jnp.broadcast_to(beside[..., None, :], (*d.shape, n)), beside[..., :, None])
    offset = row_minus_column(across)
    T = jnp.where(offset == 0, d[..., None, :], jnp.where(offset == 1, across, 0))
    return jnp.where(offset == -1, down, T)

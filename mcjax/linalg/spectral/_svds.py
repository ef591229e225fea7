"""The largest singular values of a matrix, or of a function x ↦ A x, and their vectors.

    A v = σ u,  Aᴴ u = σ v      ⇔      [0, A; Aᴴ, 0] (u; v) = σ (u; v),

so (u; v)/√2 are the eigenvectors of the Hermitian dilation for its largest eigenvalues (`_eigsh`), and
derivatives are theirs: all that divides by σ_i - σ_j and by σ_i + σ_j is in one deflated solve. AᴴA
would need half as many steps and lose half the digits of what is small.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from ..._core._check import counts, matrix
from ..._core._matmul import matmul
from ._eigsh import eigsh
from ._operator import example_of, function_of, is_operator


class Svds(NamedTuple):
    """Singular triplets, σ descending; √(‖A v - σ u‖² + ‖Aᴴ u - σ v‖²), and which may be used."""

    U: Num[Array, "*batch m k"]
    S: Float[Array, "*batch k"]
    Vh: Num[Array, "*batch k n"]
    residuals: Float[Array, "*batch k"]
    converged: Bool[Array, "*batch k"]


def svds(A, k: int = 6, *, v0=None, tol: float | None = None, maxiter: int = 300) -> Svds:
    """The k largest singular values of A and their vectors: A ≈ U diag(S) Vh.

    Identity: σ̇ = Re uᴴ Ȧ v;   (σ I - [0, A; Aᴴ, 0]) (u̇; v̇) = ([0, Ȧ; Ȧᴴ, 0] - σ̇ I) (u; v).

    Args:
      A: an array (..., m, n), a lineax operator on vectors (n,), or a linear JAX function x ↦ A x. The
        result is differentiable in what an operator or function closes over.
      k: how many, up to min(m, n).
      v0: a start vector (n,). Functions need one: it tells size and type.
      tol, maxiter: as for `eigsh`; ‖S‖ is σ_1.

    Returns:
      (U (..., m, k), S (..., k) descending, Vh (..., k, n), residuals, converged). A triplet that has not
      converged is NaN, and so are vectors of σ below eps^{2/3} σ_1 (4e-11 in double precision): beyond
      the rank they are not determined. Losses of tied values as for `eigsh`. NaN for a matrix that is
      not finite.

    Errors: eps σ_1 in S; eps σ_1 / gap in a vector, and its derivative, gaps between values and 2σ.
    Cost: products with A and Aᴴ, and O((m + n) k) memory.
    Source: Golub and Kahan, Calculating the singular values and pseudo-inverse of a matrix (1965).
    """
    if is_operator(A):
        example = example_of(A, v0, "svds")
        return _single(function_of(A), example, k, v0, tol, maxiter)
    A = matrix(A, "svds")

    def single(A):
        example = jax.ShapeDtypeStruct(A.shape[1:], A.dtype)
        return _single(lambda x: matmul(A, x), example, k, v0, tol, maxiter)

    for _ in range(A.ndim - 2):
        single = jax.vmap(single)
    return single(A)


def _single(multiply, example, k, v0, tol, maxiter) -> Svds:
    (n,), dtype = example.shape, example.dtype
    out = jax.eval_shape(multiply, example)
    if getattr(out, "ndim", None) != 1 or out.dtype != dtype:
        raise ValueError(
            f"svds: a function must map vectors (n,) of type {dtype} to vectors (m,) of the same type, "
            f"but it returned {out}"
        )
    m = out.shape[0]
    if not counts(k, 0, min(m, n)):
        raise ValueError(f"svds: k must be between 0 and min(m, n) = {min(m, n)}, got {k}")

    def dilation(x):
        u, v = x[:m], x[m:]
        (transposed,) = jax.linear_transpose(multiply, example)(u.conj())
        return jnp.concatenate([multiply(v), transposed.conj()])

    if v0 is not None and jnp.shape(v0) != (n,):
        raise ValueError(
            f"svds: v0 must have the shape of what A acts on, {(n,)}, got {jnp.shape(v0)}"
        )
    start = jnp.zeros(m + n, dtype) if v0 is None else jnp.concatenate([multiply(v0), v0])
    w, X, residuals, converged = eigsh(dilation, k, which="LA", v0=start, tol=tol, maxiter=maxiter)
    w, X, residuals, converged = w[::-1], X[:, ::-1] * 2**0.5, residuals[::-1], converged[::-1]
    beyond = ~(w > jnp.finfo(dtype).eps ** (2 / 3) * w.max(initial=0.0))
    X = X + jnp.where(beyond, jnp.nan, 0)[None].astype(dtype)
    return Svds(X[:m], w, X[m:].mT.conj(), residuals * 2**0.5, converged)

"""Orthogonal factors: A = Q R, with pivots, and with all of Q.

For A of full rank, m >= n, Q and R are smooth: with X = Qᴴ dA R⁻¹, dQ = (I - Q Qᴴ) dA R⁻¹ + Q Ω and
dR = (X - Ω) R, where Ω is skew-Hermitian and X - Ω upper triangular. This is JAX's own rule, and
right. What is built on it here:

Pivots. A P = Q R with the columns in order of what is left of them (Businger and Golub 1965). P is
constant wherever it does not jump, so the factors of A P have all derivatives.

All of Q, m > n. Q = [Q₁ Q₂]: Q₂ is defined up to a rotation, so any function of it that has a
derivative is one of its range, the complement of Q₁'s. Let C be the computed Q₂, as a constant, and

    Y = (I - Q₁ Q₁ᴴ) C,    Q₂ = Y L⁻ᴴ,  Yᴴ Y = L Lᴴ.

In value Q₂ = C. It stays orthonormal and orthogonal to Q₁ to all orders, and moves no more than it
must: Q₂ᴴ dQ₂ = 0.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._check import matrix
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul
from ..._core._shapes import Rectangle

_MODES = ("reduced", "complete", "economic", "full", "r")


def qr(A: Rectangle, mode: str = "reduced", *, pivoting: bool = False):
    """A = Q R, or A[:, P] = Q R with pivots: NumPy's and SciPy's `qr`.

    Identity: Qᴴ Q = I, R upper triangular; m < n: Q and the first m columns of R are those of the
    first m columns of A, and the others of R are Qᴴ times those of A.

    Args:
      A: (..., m, n), real or complex; integers are promoted.
      mode: "reduced" (SciPy's "economic"): Q (..., m, k), R (..., k, n), k = min(m, n); "complete"
        ("full"): Q (..., m, m), R (..., m, n); "r": R of the reduced factors alone.
      pivoting: permute columns so that |r_11| >= |r_22| >= ...

    Returns:
      Q, R, and with pivots the integers P, (..., n). Derivatives exist where the first k columns (of
      A P) are independent, and are NaN or infinite elsewhere. The columns of a complete Q beyond n
      are arbitrary up to a rotation: what depends on their range alone has right derivatives.

    Cost: a Householder factorisation, with pivots another by Gram and Schmidt, with all of Q
    another of size m. Source: Golub and Van Loan, Matrix Computations (2013), sections 5.2, 5.4;
    Walter and Lehmann, Algorithmic differentiation of linear algebra functions (2010).
    """
    A = matrix(A, "qr")
    if mode not in _MODES:
        raise ValueError(f"qr: mode must be one of {_MODES}, got {mode!r}")
    if pivoting:
        choose = jnp.vectorize(lambda A: evaluate(_pivots, A)[0], signature="(m,n)->(n)")
        P = choose(lax.stop_gradient(A))
        A = jnp.take_along_axis(A, P[..., None, :], -1)
    Q, R = jnp.linalg.qr(A)
    if mode == "r":
        factors = (R,)
    elif mode in ("complete", "full") and A.shape[-2] > A.shape[-1]:
        factors = complete(Q), _pad_rows(R, A.shape[-2])
    else:
        factors = Q, R
    factors = (*factors, P) if pivoting else factors
    return factors if len(factors) > 1 else factors[0]


def complete(Q):
    """Orthonormal columns, and others that make them a basis of the space."""
    complement = jnp.vectorize(lambda Q: evaluate(_complement, Q)[0], signature="(m,n)->(m,k)")
    C = complement(lax.stop_gradient(Q))
    Y = C - matmul(Q, matmul(Q.mT.conj(), C))
    L = jnp.linalg.cholesky(matmul(Y.mT.conj(), Y))
    rest = lax.linalg.triangular_solve(L, Y, lower=True, transpose_a=True, conjugate_a=True)
    return jnp.concatenate([Q, rest], -1)


def _complement(Q):
    return (jnp.linalg.qr(Q, mode="complete")[0][:, Q.shape[1] :],)


def _pad_rows(R, m):
    return jnp.pad(R, [(0, 0)] * (R.ndim - 2) + [(0, m - R.shape[-2]), (0, 0)])


def _pivots(A):
    """The order of columns, each the largest of what the earlier ones leave."""
    m, n = A.shape
    index = jnp.arange(n)
    if not A.size:
        return (index,)

    def lengths(M):  # of columns whose squares may be out of range
        unit = jnp.abs(M).max(0)
        unit = jnp.where(unit > 0, unit, 1)
        return unit * jnp.sqrt((jnp.abs(M / unit[None].astype(M.dtype)) ** 2).sum(0))

    def step(k, state):
        M, P = state
        sizes = jnp.where(index >= k, lengths(M), -1)
        j = jnp.argmax(sizes)
        swap = index.at[k].set(j).at[j].set(k)
        M, P, size = M[:, swap], P[swap], sizes[j]
        q = M[:, k] / jnp.where(size > 0, size, 1).astype(M.dtype)
        left = M - q[:, None] * matmul(q.conj()[None, :], M)
        return jnp.where(index > k, left, M), P

    scale = jnp.abs(A).max(initial=0.0)
    scaled = A / jnp.where(scale > 0, scale, 1).astype(A.dtype)
    first = index + jnp.zeros_like(A, index.dtype).sum(0)  # in shard_map it varies as A does
    return (lax.fori_loop(0, min(m, n), step, (scaled, first))[1],)

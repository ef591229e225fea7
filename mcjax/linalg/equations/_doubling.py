"""Doubling: the powers U^{2^j} and V^{2^j} of what contracts, and what makes contractions of A and B."""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import add_diagonal, matmul

_MOST_POWERS = 10  # eigenvalues within a factor 10⁴ of each other; beyond, Schur forms are cheaper


def powers(matrices):
    """U^{2^j}, V^{2^j} for j < steps, until their product is small; steps < 0 if it does not get so.

    Powers that grow first cost digits of the sum: a loss which refinement makes good is allowed.
    """
    n, eps = len(matrices[0]), jnp.finfo(matrices[0].dtype).eps

    def size(matrices):
        norms = [norm(U) for U in matrices]
        return norms[0] * norms[-1]

    def unfinished(state):
        j, matrices, _ = state
        larger = size(matrices) > eps**0.5
        return larger & (size(matrices) < n * eps**-0.25) & (j < _MOST_POWERS)

    def squared(state):
        j, matrices, kept = state
        kept = [k.at[j].set(U) for k, U in zip(kept, matrices, strict=True)]
        return j + 1, [matmul(U, U) for U in matrices], kept

    none = [jnp.zeros_like(U, shape=(_MOST_POWERS, *U.shape)) for U in matrices]
    start = zero(norm(matrices[0])), list(matrices), none
    steps, matrices, kept = lax.while_loop(unfinished, squared, start)
    return kept, jnp.where(size(matrices) <= eps**0.5, steps, -1)


def cayley(matrices):
    """U, V = (A + p)⁻¹(A - p), (B + p)⁻¹(B - p), the two inverses, and p."""
    side = jnp.sign(sum(jnp.trace(A).real / len(A) for A in matrices))
    moduli = [_mean_modulus(A) for A in matrices]
    p = side * jnp.sqrt(moduli[0]) * jnp.sqrt(moduli[-1])
    inverses = [jnp.linalg.inv(add_diagonal(A, p.astype(A.dtype))) for A in matrices]
    return [add_diagonal(-2 * p.astype(X.dtype) * X, 1.0) for X in inverses], inverses, p


def _mean_modulus(A):
    """The geometric mean of the moduli of the eigenvalues; not too small if one of them is zero."""
    mean = jnp.exp(jnp.linalg.slogdet(A)[1] / len(A))
    return jnp.maximum(mean, norm(A) / (100 * len(A) ** 0.5))


def norm(X):
    return jnp.sqrt((X.real**2 + X.imag**2).sum())  # |x|² without its root


def zero(x):
    return jnp.zeros_like(x, dtype=int)

"""The blocks [[a, b], [c, a]], b c < 0, of a real Schur form: conjugate pairs a ± iω of eigenvalues.

With ω² = -b c the eigenvector of a + iω is (b, iω). Normalised, and with its orthogonal complement, it is

    U = [[β, iγ], [iγ, β]],     β² = |b| / (|b| + |c|),  β b > 0,  β² + γ² = 1,

and Uᴴ [[a, b], [c, a]] U is upper triangular: the complex form for the price of the real one.
"""

import jax.numpy as jnp
from jax import lax


def conjugate_pairs(T):
    """Of a real Schur form T, (..., n, n), what is known of each row, (..., n).

    Returns:
      Whether a pair begins there, whether it ends there; β (1 outside of pairs) and γ (0), on both rows of
      a pair; the eigenvalue.
    """
    b, c = (jnp.diagonal(T, k, -2, -1) for k in (1, -1))
    paired = c != 0
    size = jnp.where(paired, jnp.abs(b) + jnp.abs(c), 1)
    beta, gamma = (jnp.where(paired, jnp.sqrt(jnp.abs(x) / size), 0) for x in (b, c))
    omega = jnp.where(paired, jnp.sqrt(jnp.abs(b)) * jnp.sqrt(jnp.abs(c)), 0)
    first, second = _above(paired), _below(paired)
    on = jnp.where(first | second, _both(beta * jnp.sign(b)), 1)
    eigenvalues = lax.complex(jnp.diagonal(T, 0, -2, -1), _above(omega) - _below(omega))
    return first, second, on, _both(gamma), eigenvalues


def _above(x):
    """What a pair of rows has, on its first row."""
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 1)])


def _below(x):
    """What a pair of rows has, on its second row."""
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 0)])


def _both(x):
    return _above(x) + _below(x)

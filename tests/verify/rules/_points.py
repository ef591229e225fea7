"""Points at which rules are taken, and domains."""

import jax.numpy as jnp
import numpy as np


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def positive(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2.0, size=shape)


def spd(n, seed=0):
    X = normal(n, n, seed=seed)
    return X @ X.T / n + np.eye(n)


def hilbert(n):
    i = np.arange(n)
    return 1.0 / (i[:, None] + i[None, :] + 1.0)


def is_spd(A, *_):
    """Symmetric part positive definite, by far."""
    return jnp.linalg.eigvalsh((A + A.T) / 2)[0] > 1e-2


def has_gaps(A, *_):
    """Eigenvalues of the symmetric part apart from each other."""
    return jnp.all(jnp.diff(jnp.linalg.eigvalsh((A + A.T) / 2)) > 1e-2)


def has_full_rank(A, *_):
    """Columns far from dependent."""
    return jnp.linalg.eigvalsh(A.T @ A)[0] > 1e-2

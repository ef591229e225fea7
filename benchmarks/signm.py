"""The matrix sign. jax and PyTorch have none, SciPy no derivative."""

import numpy as np

from . import _inputs as inputs


def split(rng, shape):
    """Half of the eigenvalues about 2, half about -2, under a similarity."""
    n = shape[-1]
    signs = np.where(np.arange(n) < n // 2, -1.0, 1.0)
    (A,), (Z,) = inputs.gaussian(rng, shape), inputs.off_the_cut(rng, shape)
    return (np.linalg.solve(Z, (2 * np.diag(signs) + A / 4) @ Z),)


SIZES = (64, 256)
INPUTS = {"about ±2": split}


def mcjax():
    from mcjax.linalg import signm

    return signm


def scipy():
    from scipy.linalg import signm

    return np.vectorize(signm, signature="(n,n)->(n,n)")

"""The unitary factor of the polar decomposition."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import polar

    return lambda A: polar(A)[0]


def jax():
    from jax.numpy import vectorize
    from jax.scipy.linalg import polar

    return vectorize(lambda A: polar(A, method="svd")[0], signature="(n,n)->(n,n)")


def scipy():
    import numpy as np
    from scipy.linalg import polar

    return np.vectorize(lambda A: polar(A)[0], signature="(n,n)->(n,n)")

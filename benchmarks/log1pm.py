"""log(I + A). The peers' is logm(I + A), which has lost A where A is small; jax has no logarithm."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"norm 1/2": inputs.norm(0.5)}


def mcjax():
    from mcjax.linalg import log1pm

    return log1pm


def scipy():
    import numpy as np
    from scipy.linalg import logm

    return np.vectorize(lambda A: logm(np.eye(len(A)) + A).real, signature="(n,n)->(n,n)")

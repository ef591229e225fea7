"""L D Lᴴ of a positive definite matrix. jax and PyTorch have no such derivative."""

import numpy as np

from . import _inputs as inputs

SIZES = (64, 256, 512)
INPUTS = {"positive definite": inputs.positive_definite}


def mcjax():
    from mcjax.linalg import ldl

    def function(A):
        L, d = ldl(A)
        return L + d[..., None, :]

    return function


def scipy():
    from scipy.linalg import ldl

    def function(A):
        L, D, _ = ldl(A)
        return L + np.diag(D)

    return np.vectorize(function, signature="(n,n)->(n,n)")

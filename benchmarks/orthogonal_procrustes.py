"""The orthogonal R with ‖A R - B‖ least. The peers but SciPy are an SVD by hand."""

from . import _inputs as inputs


def _pair(rng, shape):
    return *inputs.off_the_cut(rng, shape), *inputs.off_the_cut(rng, shape)


SIZES = (64, 256)
INPUTS = {"randn/√n + 2": _pair}


def mcjax():
    from mcjax.linalg import orthogonal_procrustes

    return lambda A, B: orthogonal_procrustes(A, B)[0]


def jax():
    from jax.numpy.linalg import svd

    return _by_hand(svd)


def scipy():
    import numpy as np
    from scipy.linalg import orthogonal_procrustes

    return np.vectorize(lambda A, B: orthogonal_procrustes(A, B)[0], signature="(n,n),(n,n)->(n,n)")


def torch():
    from torch.linalg import svd

    return _by_hand(svd)


def _by_hand(svd):
    def function(A, B):
        U, _, Vh = svd(A.mT @ B)
        return U @ Vh

    return function

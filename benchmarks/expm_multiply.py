"""exp(A) b for one column. jax and PyTorch have no action: theirs is the product with exp(A)."""

from . import _inputs as inputs


def _with_column(rng, shape):
    (A,) = inputs.gaussian(rng, shape)
    return A, rng.standard_normal((*shape[:-1], 1))


SIZES = (64, 256, 1024)
INPUTS = {"randn/√n": _with_column}


def mcjax():
    from mcjax.linalg import expm_multiply

    return expm_multiply


def jax():
    from jax.scipy.linalg import expm

    return lambda A, b: expm(A) @ b


def scipy():
    import numpy as np
    from scipy.sparse.linalg import expm_multiply

    return np.vectorize(expm_multiply, signature="(n,n),(n,k)->(n,k)")


def torch():
    from torch.linalg import matrix_exp

    return lambda A, b: matrix_exp(A) @ b

"""The Cholesky factor of a positive definite matrix."""

from . import _inputs as inputs

SIZES = (64, 256, 512)
INPUTS = {"positive definite": inputs.positive_definite}


def mcjax():
    from mcjax.linalg import cholesky

    return cholesky


def jax():
    from jax.numpy.linalg import cholesky

    return cholesky


def scipy():
    from numpy.linalg import cholesky

    return cholesky


def torch():
    from torch.linalg import cholesky

    return cholesky

"""The logarithm of a determinant."""

from . import _inputs as inputs

SIZES = (64, 256, 512)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import logdet

    return logdet


def jax():
    from jax.numpy.linalg import slogdet

    return lambda A: slogdet(A)[1]


def scipy():
    from numpy.linalg import slogdet

    return lambda A: slogdet(A)[1]


def torch():
    from torch.linalg import slogdet

    return lambda A: slogdet(A)[1]

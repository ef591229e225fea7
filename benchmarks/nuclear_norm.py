"""The sum of singular values."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import nuclear_norm

    return nuclear_norm


def jax():
    from jax.numpy.linalg import norm

    return lambda A: norm(A, "nuc", (-2, -1))


def scipy():
    from numpy.linalg import norm

    return lambda A: norm(A, "nuc", (-2, -1))


def torch():
    from torch.linalg import matrix_norm

    return lambda A: matrix_norm(A, "nuc")

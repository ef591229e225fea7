"""The determinant. The peers' second derivatives are wrong or NaN at singular matrices."""

from . import _inputs as inputs

SIZES = (64, 256, 512)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import det

    return det


def jax():
    from jax.numpy.linalg import det

    return det


def scipy():
    from scipy.linalg import det

    return det


def torch():
    from torch.linalg import det

    return det

"""Q + R of a square matrix, where the peers' gradients exist."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import qr

    return _sum(qr)


def jax():
    from jax.numpy.linalg import qr

    return _sum(qr)


def scipy():
    from numpy.linalg import qr

    return _sum(qr)


def torch():
    from torch.linalg import qr

    return _sum(qr)


def _sum(qr):
    def function(A):
        Q, R = qr(A)
        return Q + R

    return function

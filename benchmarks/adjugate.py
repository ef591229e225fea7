"""The adjugate. The peers are det(A) A⁻¹, which a singular matrix does not have."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from mcjax.linalg import adjugate

    return adjugate


def jax():
    from jax.numpy import linalg

    return _by_hand(linalg)


def scipy():
    from numpy import linalg

    return _by_hand(linalg)


def torch():
    from torch import linalg

    return _by_hand(linalg)


def _by_hand(linalg):
    return lambda A: linalg.det(A)[..., None, None] * linalg.inv(A)

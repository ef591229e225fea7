"""A function of a symmetric matrix, here exp. The peers are eigh by hand: what users write today.

Their derivatives divide by gaps between eigenvalues, and are NaN or wrong where these are small;
the matrices measured have none.
"""

from . import _inputs as inputs

SIZES = (64, 256, 512)
INPUTS = {"symmetric": inputs.symmetric}


def mcjax():
    from jax.numpy import exp

    from mcjax.linalg import funm

    return lambda A: funm(A, exp, hermitian=True)


def jax():
    from jax import numpy as jnp

    return _by_hand(jnp.linalg.eigh, jnp.exp)


def scipy():
    import numpy as np

    return _by_hand(np.linalg.eigh, np.exp)


def torch():
    import torch

    return _by_hand(torch.linalg.eigh, torch.exp)


def _by_hand(eigh, exp):
    def function(A):
        w, V = eigh((A + A.mT) / 2)
        return (V * exp(w)[..., None, :]) @ V.mT

    return function

"""Eigenvalues and eigenvectors, V diag(w): a loss of both, whose cotangents mcjax audits.

The gradients of the peers have no audit; the matrices measured have no ties.
"""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 256)
TINY = 8
INPUTS = {"symmetric": inputs.symmetric}
CLAIMS = [
    Claim("gradient at most 1.4 forwards, n = 256", "256", "gradient", "forward", 1.4),
    Claim("gradient at most 1.7 forwards, 1000 8 x 8", "1000x8x8", "gradient", "forward", 1.7),
]


def mcjax():
    from mcjax.linalg import eigh

    return _scaled(eigh)


def jax():
    from jax import numpy as jnp

    return _scaled(jnp.linalg.eigh)


def scipy():
    import numpy as np

    return _scaled(np.linalg.eigh)


def torch():
    import torch

    return _scaled(torch.linalg.eigh)


def _scaled(eigh):
    def function(A):
        w, V = eigh(A)
        return V * w[..., None, :]

    return function

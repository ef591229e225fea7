"""Singular values and vectors, U diag(S) + Vᴴ: a loss of all, whose cotangents mcjax audits.

The gradients of the peers have no audit; the matrices measured have no ties.
"""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 256)
TINY = 8
INPUTS = {"randn/√n + 2": inputs.off_the_cut}
CLAIMS = [
    Claim("gradient at most 1.4 forwards, n = 256", "256", "gradient", "forward", 1.4),
    Claim("gradient at most 1.7 forwards, 1000 8 x 8", "1000x8x8", "gradient", "forward", 1.7),
]


def mcjax():
    from mcjax.linalg import svd

    return _together(svd)


def jax():
    from jax import numpy as jnp

    return _together(jnp.linalg.svd)


def scipy():
    import numpy as np

    return _together(np.linalg.svd)


def torch():
    import torch

    return _together(torch.linalg.svd)


def _together(svd):
    def function(A):
        U, S, Vh = svd(A, full_matrices=False)
        return U * S[..., None, :] + Vh

    return function

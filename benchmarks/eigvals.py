"""Absolute eigenvalues of general matrices. SciPy has no derivative."""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 256)
TINY = 8
INPUTS = {"randn/√n + 2": inputs.off_the_cut}
CLAIMS = [Claim("gradient at most 1.8 forwards, n = 256", "256", "gradient", "forward", 1.8)]


def mcjax():
    from mcjax.linalg import eigvals

    return lambda A: abs(eigvals(A))


def jax():
    from jax import numpy as jnp

    return lambda A: abs(jnp.linalg.eigvals(A))


def scipy():
    import numpy as np

    return lambda A: abs(np.linalg.eigvals(A))


def torch():
    import torch

    return lambda A: abs(torch.linalg.eigvals(A))

"""exp(A) - I. The peers subtract, and have lost digits where A is small."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n": inputs.gaussian, "norm 1/2": inputs.norm(0.5)}


def mcjax():
    from mcjax.linalg import expm1m

    return expm1m


def jax():
    from jax import numpy as jnp
    from jax.scipy.linalg import expm

    return lambda A: expm(A) - jnp.eye(A.shape[-1])


def scipy():
    import numpy as np
    from scipy.linalg import expm

    return lambda A: expm(A) - np.eye(A.shape[-1])


def torch():
    import torch

    return lambda A: torch.linalg.matrix_exp(A) - torch.eye(A.shape[-1], device=A.device)

"""U f(Σ) Vᴴ, here the soft threshold at 1. The peers are an SVD by hand: what users write today."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}


def mcjax():
    from jax.numpy import maximum

    from mcjax.linalg import svd_function

    return lambda A: svd_function(A, lambda s: maximum(s - 1, 0))


def jax():
    from jax import numpy as jnp

    return _by_hand(jnp.linalg.svd, lambda s: jnp.maximum(s - 1, 0))


def scipy():
    import numpy as np

    return _by_hand(np.linalg.svd, lambda s: np.maximum(s - 1, 0))


def torch():
    import torch

    return _by_hand(torch.linalg.svd, lambda s: torch.relu(s - 1))


def _by_hand(svd, f):
    def function(A):
        U, s, Vh = svd(A, full_matrices=False)
        return (U * f(s)[..., None, :]) @ Vh

    return function

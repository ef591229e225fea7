"""The projector on the range of a matrix of half rank. The peers are by an SVD: what users write today."""

import numpy as np


def _half_rank(rng, shape):
    n = shape[-1]
    A = rng.standard_normal((*shape[:-1], n // 2)) @ rng.standard_normal((*shape[:-2], n // 2, n))
    return (A / n,)


SIZES = (64, 256)
INPUTS = {"rank n/2": _half_rank}


def mcjax():
    from mcjax.linalg import orth_projector

    return lambda A: orth_projector(A, rank=A.shape[-1] // 2)


def jax():
    from jax.numpy.linalg import svd

    return _by_hand(svd)


def scipy():
    return _by_hand(np.linalg.svd)


def torch():
    from torch.linalg import svd

    return _by_hand(svd)


def _by_hand(svd):
    def function(A):
        U = svd(A)[0][..., : A.shape[-1] // 2]
        return U @ U.mT

    return function

"""L U without a permutation, on matrices where the peers' pivoting finds none to do either."""

import numpy as np


def dominant(rng, shape):
    """Every diagonal entry larger than the sum of the others of its column."""
    n = shape[-1]
    return (rng.uniform(-1, 1, shape) / n + np.eye(n),)


SIZES = (64, 256, 512)
INPUTS = {"dominant": dominant}


def mcjax():
    from mcjax.linalg import unpivoted_lu

    return lambda A: _sum(*unpivoted_lu(A))


def jax():
    from jax.numpy import vectorize
    from jax.scipy.linalg import lu

    return vectorize(lambda A: _sum(*lu(A, permute_l=True)), signature="(n,n)->(n,n)")


def scipy():
    from scipy.linalg import lu

    return lambda A: _sum(*lu(A, permute_l=True))


def torch():
    from torch.linalg import lu

    return lambda A: _sum(*lu(A)[1:])


def _sum(L, U):
    return L + U

"""min ‖A x - b‖ for square A, where the peers' gradients exist."""

from . import _inputs as inputs


def _pair(rng, shape):
    return *inputs.off_the_cut(rng, shape), *inputs.gaussian(rng, shape)


def _column(rng, shape):
    return *inputs.off_the_cut(rng, shape), rng.standard_normal((*shape[:-1], 1))


SIZES = (64, 256)
INPUTS = {"randn/√n + 2": _pair, "one column": _column}


def mcjax():
    from mcjax.linalg import lstsq

    return lambda A, b: lstsq(A, b)[0]


def jax():
    from jax.numpy import vectorize
    from jax.numpy.linalg import lstsq

    return vectorize(lambda A, b: lstsq(A, b)[0], signature="(n,n),(n,k)->(n,k)")


def scipy():
    import numpy as np
    from scipy.linalg import lstsq

    return np.vectorize(lambda A, b: lstsq(A, b)[0], signature="(n,n),(n,k)->(n,k)")


def torch():
    from torch.linalg import lstsq

    return lambda A, b: lstsq(A, b).solution

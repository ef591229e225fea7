"""A X Aᴴ - X + Q = 0, and its gradient in A and Q. SciPy does not differentiate it, jax has none."""

from . import _inputs as inputs


def _stable(rng, shape):
    (A,) = inputs.gaussian(rng, shape)
    return A / 2, *inputs.gaussian(rng, shape)


SIZES = (64, 256)
INPUTS = {"randn/2√n": _stable}


def mcjax():
    from mcjax.linalg import solve_discrete_lyapunov

    return solve_discrete_lyapunov


def scipy():
    import numpy as np
    from scipy.linalg import solve_discrete_lyapunov

    return np.vectorize(solve_discrete_lyapunov, signature="(n,n),(n,n)->(n,n)")

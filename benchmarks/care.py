"""The continuous Riccati equation and its gradient in A, B, Q and R. jax has none, SciPy no gradient."""

import numpy as np

from . import _inputs as inputs
from ._claims import Claim


def regulator(rng, shape):
    """A unstable, as many inputs as states, Q = R = I."""
    one = np.broadcast_to(np.eye(shape[-1]), shape)
    return *inputs.gaussian(rng, shape), *inputs.gaussian(rng, shape), one, one


SIZES = (64, 256)
INPUTS = {"randn/√n": regulator}
CLAIMS = [Claim("forward at most 0.2 of SciPy's time, n = 256", "256", "forward", "scipy", 0.2)]


def mcjax():
    from mcjax.linalg import solve_continuous_are

    return solve_continuous_are


def scipy():
    from scipy.linalg import solve_continuous_are

    return np.vectorize(solve_continuous_are, signature="(n,n),(n,m),(n,n),(m,m)->(n,n)")

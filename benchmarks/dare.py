"""The discrete Riccati equation and its gradient in A, B, Q and R. jax has none, SciPy no gradient."""

import numpy as np

from .care import CLAIMS as CLAIMS
from .care import regulator

SIZES = (64, 256)
INPUTS = {"randn/√n": regulator}


def mcjax():
    from mcjax.linalg import solve_discrete_are

    return solve_discrete_are


def scipy():
    from scipy.linalg import solve_discrete_are

    return np.vectorize(solve_discrete_are, signature="(n,n),(n,m),(n,n),(m,m)->(n,n)")

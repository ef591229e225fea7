"""A X + X B = Q, and its gradient in A, B and Q. jax and SciPy do not differentiate A and B."""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 256)
INPUTS = {"randn/√n + 2": inputs.sylvester, "randn/√n": inputs.mixed_sylvester}
CLAIMS = [
    Claim(f"forward at most SciPy's time, n = {n}", str(n), "forward", "scipy", 1.0) for n in SIZES
]


def mcjax():
    from mcjax.linalg import solve_sylvester

    return solve_sylvester


def jax():
    from jax.scipy.linalg import solve_sylvester

    return solve_sylvester


def scipy():
    import numpy as np
    from scipy.linalg import solve_sylvester

    return np.vectorize(solve_sylvester, signature="(n,n),(m,m),(n,m)->(n,m)")

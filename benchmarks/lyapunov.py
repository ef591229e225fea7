"""A X + X Aᴴ = Q, and its gradient in A and Q. SciPy does not differentiate it, jax has none."""

from . import _inputs as inputs
from ._claims import Claim


def _right_half_plane(rng, shape):
    return *inputs.off_the_cut(rng, shape), *inputs.gaussian(rng, shape)


def _both_half_planes(rng, shape):
    return *inputs.gaussian(rng, shape), *inputs.gaussian(rng, shape)


SIZES = (64, 256)
INPUTS = {"randn/√n + 2": _right_half_plane, "randn/√n": _both_half_planes}
CLAIMS = [
    Claim(f"forward at most SciPy's time, n = {n}", str(n), "forward", "scipy", 1.0) for n in SIZES
]


def mcjax():
    from mcjax.linalg import solve_continuous_lyapunov

    return solve_continuous_lyapunov


def scipy():
    import numpy as np
    from scipy.linalg import solve_continuous_lyapunov

    return np.vectorize(solve_continuous_lyapunov, signature="(n,n),(n,n)->(n,n)")

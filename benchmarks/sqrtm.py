"""The principal square root. Neither jax nor SciPy differentiates it; PyTorch has none."""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 128, 256, 512)
INPUTS = {"randn/√n + 2": inputs.off_the_cut}
CLAIMS = [
    Claim("forward at least 3 times faster than jax, n = 128", "128", "forward", "jax", 1 / 3)
]


def mcjax():
    from mcjax.linalg import sqrtm

    return sqrtm


def jax():
    """jax's takes one matrix and returns a complex one."""
    from jax.lax import map as each
    from jax.scipy.linalg import sqrtm

    return lambda A: sqrtm(A).real if A.ndim == 2 else each(sqrtm, A).real


def scipy():
    from scipy.linalg import sqrtm

    return sqrtm

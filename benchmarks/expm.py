"""The matrix exponential. SciPy's gradient is `expm_frechet` at the transposed matrix."""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (64, 128, 256, 512)
INPUTS = {
    "randn/√n": inputs.gaussian,
    "norm 1e-3": inputs.norm(1e-3),
    "norm 1": inputs.norm(1.0),
    "norm 100": inputs.norm(100.0),
}
CLAIMS = [
    *(
        Claim(
            f"forward no slower than the fastest peer, n = {n}", str(n), "forward", "fastest", 1.0
        )
        for n in SIZES
    ),
    Claim("gradient at most 0.7 of jax's time, n = 256", "256", "gradient", "jax", 0.7),
    Claim(
        "gradient at most 1/4 of jax's temporaries, n = 256", "256", "gradient", "temporaries", 0.25
    ),
    Claim("batch forward no slower than PyTorch", "1000x4x4", "forward", "torch", 1.0),
    Claim("batch gradient no slower than PyTorch", "1000x4x4", "gradient", "torch", 1.0),
    Claim("batch gradient at most 4 forwards", "1000x4x4", "gradient", "forward", 4.0),
]


def mcjax():
    from mcjax.linalg import expm

    return expm


def jax():
    from jax.scipy.linalg import expm

    return expm


def scipy():
    from scipy.linalg import expm

    return expm


def scipy_gradient():
    from scipy.linalg import expm_frechet

    return lambda A, weight: expm_frechet(A.T, weight, compute_expm=False)


def torch():
    from torch.linalg import matrix_exp

    return matrix_exp

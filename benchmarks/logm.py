"""The principal logarithm. jax and PyTorch have none, SciPy no derivative."""

from . import _inputs as inputs
from ._claims import Claim

SIZES = (4, 64, 128, 256)
INPUTS = {"randn/√n + 2": inputs.off_the_cut, "SPD": inputs.positive_definite}
CLAIMS = [
    Claim("forward at most 0.05 of SciPy's time, n = 4", "4", "forward", "scipy", 0.05),
    *(
        Claim(f"forward at most 0.3 of SciPy's time, n = {n}", str(n), "forward", "scipy", 0.3)
        for n in (64, 128, 256)
    ),
    *(
        Claim(f"gradient at most 4.5 forwards, n = {n}", str(n), "gradient", "forward", 4.5)
        for n in (64, 256)
    ),
    Claim("gradient with at most 12 n² of temporaries", "256", "gradient", "own temporaries", 12),
    Claim("batch 10 times faster than a SciPy loop", "1000x4x4", "forward", "scipy", 0.1),
]


def mcjax():
    from mcjax.linalg import logm

    return logm


def scipy():
    import numpy as np
    from scipy.linalg import logm

    return np.vectorize(logm, signature="(n,n)->(n,n)")

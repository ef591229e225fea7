"""The matrix exponential. SciPy's gradient is `expm_frechet` at the transposed matrix."""

from . import _inputs as inputs

INPUTS = {
    "randn/√n": inputs.gaussian,
    "norm 1e-3": inputs.norm(1e-3),
    "norm 1": inputs.norm(1.0),
    "norm 100": inputs.norm(100.0),
}


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


CLAIMS = [
    *(
        (
            f"forward no slower than the fastest peer, n = {n}",
            f"randn/√n {n} forward",
            "fastest",
            1.0,
        )
        for n in (64, 256, 512)
    ),
    ("gradient at most 0.7 of jax's time, n = 256", "randn/√n 256 gradient", "jax", 0.7),
    ("gradient at most 1/4 of jax's temporaries, n = 256", "randn/√n 256 gradient", "memory", 0.25),
    ("batch 1000x4x4 forward no slower than torch", "randn/√n 1000x4 forward", "torch", 1.0),
    ("batch 1000x4x4 gradient no slower than torch", "randn/√n 1000x4 gradient", "torch", 1.0),
    ("batch 1000x4x4 gradient at most 4 forwards", "randn/√n 1000x4 gradient", "forward", 4.0),
]

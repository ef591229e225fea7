"""A^0.3, in A. jax and PyTorch have none, SciPy no derivative."""

from .logm import CLAIMS as CLAIMS  # the same for both
from .logm import INPUTS as INPUTS
from .logm import SIZES as SIZES


def mcjax():
    from mcjax.linalg import fractional_matrix_power

    return lambda A: fractional_matrix_power(A, 0.3)


def scipy():
    import numpy as np
    from scipy.linalg import fractional_matrix_power

    return np.vectorize(lambda A: fractional_matrix_power(A, 0.3).real, signature="(n,n)->(n,n)")

"""The matrix cosine. jax and PyTorch have none, SciPy no derivative."""

from . import _inputs as inputs

SIZES = (64, 256)
INPUTS = {"randn/√n": inputs.gaussian}


def mcjax():
    from mcjax.linalg import cosm

    return cosm


def scipy():
    import numpy as np
    from scipy.linalg import cosm

    return np.vectorize(cosm, signature="(n,n)->(n,n)")

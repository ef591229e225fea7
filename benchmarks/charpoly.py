"""Coefficients of det(z I - A). jax's `poly` is by eigenvalues, and has no gradient at double ones."""

from . import _inputs as inputs

SIZES = (16, 32)
INPUTS = {"randn/√n": inputs.gaussian}


def mcjax():
    from mcjax.linalg import charpoly

    return charpoly


def jax():
    from jax.numpy import poly, vectorize

    return vectorize(lambda A: poly(A).real, signature="(n,n)->(m)")


def scipy():
    import numpy as np

    return np.vectorize(np.poly, signature="(n,n)->(m)")

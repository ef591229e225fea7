"""The matrices that are measured, the same on every machine: (rng, shape) ↦ a tuple of arrays."""

import numpy as np


def gaussian(rng, shape):
    """Eigenvalues fill the unit disc."""
    return (rng.standard_normal(shape) / shape[-1] ** 0.5,)


def norm(size):
    """Gaussian matrices of a given 1-norm."""

    def scaled(rng, shape):
        A = rng.standard_normal(shape)
        return (size * A / np.abs(A).sum(-2, keepdims=True).max(-1, keepdims=True),)

    return scaled


def off_the_cut(rng, shape):
    """Eigenvalues in a disc of radius 1 about 2: away from zero and from the negative axis."""
    return (rng.standard_normal(shape) / shape[-1] ** 0.5 + 2 * np.eye(shape[-1]),)


def symmetric(rng, shape):
    A = rng.standard_normal(shape) / (2 * shape[-1]) ** 0.5
    return (A + A.mT,)


def positive_definite(rng, shape):
    A = rng.standard_normal(shape)
    return (A @ A.mT / shape[-1] + np.eye(shape[-1]),)


def sylvester(rng, shape):
    """A X + X B = Q with the eigenvalues of A and -B well apart."""
    return *off_the_cut(rng, shape), *off_the_cut(rng, shape), *gaussian(rng, shape)


def mixed_sylvester(rng, shape):
    """A X + X B = Q with the eigenvalues of A and -B all over the unit disc: no line between them."""
    return *gaussian(rng, shape), *gaussian(rng, shape), *gaussian(rng, shape)

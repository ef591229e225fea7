"""Procrustes of data of any size: R(aA, bB) = R(A, B) and scale(aA, bB) = a b scale(A, B)."""

import jax
import numpy as np
import pytest

from mcjax.linalg import orthogonal_procrustes

from ...helpers import assert_relative

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(4, 5, 3))
DATA = {"real": REAL, "complex": REAL + 1j * RNG.normal(size=(4, 5, 3))}
WEIGHTS = np.arange(9.0).reshape(3, 3)
SIZES = [(1e-165, 1e-165), (1e160, 1e160), (1e300, 1e-300), (1e-300, 1.0)]
SINGLE = [(1e-20, 1e-20), (1e20, 1e20), (1e30, 1e-30)]


def scale(A, B):
    return orthogonal_procrustes(A, B)[1]


def entries(A, B):
    R = orthogonal_procrustes(A, B)[0]
    return (R * WEIGHTS.astype(R.dtype)).real.sum()


@jax.jit
def derivatives(A, B, E, F):
    """R; the gradients of scale, which is as B and A; its second derivative, and R's gradients."""
    first = jax.grad(scale, (0, 1))
    second = jax.jvp(first, (A, B), (E, F))[1]
    return orthogonal_procrustes(A, B)[0], first(A, B), second, jax.grad(entries, (0, 1))(A, B)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("a, b", SIZES + SINGLE)
def test_derivatives(kind, a, b):
    data = DATA[kind]
    dtype = data.dtype if (a, b) in SIZES else data.real.astype("f4").dtype
    if kind == "complex":
        dtype = np.result_type(dtype, "c8")
    R, first, second, entry = derivatives(*data)
    sizes = np.array([a, b, a, b])[:, None, None]
    got = derivatives(*(data * sizes).astype(dtype))
    tolerance = 200 * np.finfo(dtype).eps
    assert_relative(got[0], R, tolerance)
    for i, (own, other) in enumerate(((a, b), (b, a))):
        assert_relative(np.array(got[1][i]) / other, first[i], tolerance)
        assert_relative(np.array(got[2][i]) / other, second[i], tolerance)
        assert_relative(np.array(got[3][i]) * own, entry[i], tolerance)


@pytest.mark.parametrize(
    "a, b", [(1e300, 1e-300), (1e-165, 1e100), (1e160, 1e-20), (1e-140, 1e-140)]
)
def test_scale_that_is_in_range(a, b):
    A, B = REAL[:2]
    truth = np.linalg.svd(A.T @ B)[1].sum()
    np.testing.assert_allclose(scale(a * A, b * B), truth * a * b, rtol=1e-13)


def test_scale_that_is_not():
    A, B = REAL[:2]
    assert scale(1e160 * A, 1e160 * B) == np.inf and scale(1e-165 * A, 1e-165 * B) == 0

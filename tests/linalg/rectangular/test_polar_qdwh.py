"""`polar(method="qdwh")`: the same factors and derivatives, without an SVD in the factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import polar

from ...helpers import assert_close, assert_lowers_for_cuda, assert_nan, assert_promise
from ...helpers._truth_rectangular import flat, true_polar

RNG = np.random.default_rng(0)


def both(A):
    U, P = polar(A, method="qdwh")
    batch = A.shape[:-2]
    return jnp.concatenate([U.reshape(*batch, -1), P.astype(U.dtype).reshape(*batch, -1)], -1)


@pytest.mark.parametrize(
    "A",
    [RNG.normal(size=(3, 3)), RNG.normal(size=(2, 4)), RNG.normal(size=(4, 2)) + 1j * np.eye(4, 2)],
    ids=["generic", "wide", "complex, tall"],
)
def test_promise(A):
    assert_promise(both, A, truth=lambda A: flat(true_polar("right", A)))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (40, 40)], ids=str)
def test_scipy(shape, side):
    for A in (RNG.normal(size=shape), RNG.normal(size=shape) + 1j * RNG.normal(size=shape)):
        condition = np.linalg.cond(A)
        for got, truth in zip(
            polar(A, side, method="qdwh"), scipy.linalg.polar(A, side), strict=True
        ):
            assert_close(got, truth, 1e-14 * condition)


@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_ill_conditioned_in_any_unit(unit):
    """U of Q diag(d) is Q, whose last column has an error of eps / d."""
    Q, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
    U, P = polar(unit * Q * np.array([1.0, 1e-4, 1e-8, 1e-12])[None, :], method="qdwh")
    assert_close(U @ U.T, np.eye(4), 1e-14)
    assert_close(U[:, :2], Q[:, :2], 1e-11)
    assert_close(P / unit, np.diag([1.0, 1e-4, 1e-8, 1e-12]), 1e-14)


@pytest.mark.parametrize("A", [np.zeros((2, 2)), np.full((2, 2), np.nan)], ids=["0", "nan"])
def test_nan_for_that_matrix_alone(A):
    U, P = polar(np.stack([A, np.eye(2)]), method="qdwh")
    assert_nan(U[0])
    assert_nan(P[0])
    assert_close(U[1], np.eye(2), 1e-15)


def test_below_full_rank():
    """Rounding decides whether one of many is found; there are no derivatives."""
    A = np.ones((3, 2))
    U, P = polar(A, method="qdwh")
    if np.isfinite(U).all():
        assert_close(U.T @ U, np.eye(2), 1e-14)
        assert_close(U @ P, A, 1e-14)
    assert_nan(jax.grad(lambda A: polar(A, method="qdwh")[0][0, 0])(A))


def test_no_svd():
    A = np.ones((4, 3))
    text = jax.jit(lambda A: polar(A, method="qdwh")).lower(A).as_text()
    assert "gesdd" not in text
    assert "gesdd" in jax.jit(polar).lower(A).as_text()


def test_method():
    with pytest.raises(ValueError, match=r"polar: method must be one of \('svd', 'qdwh'\)"):
        polar(np.eye(2), method="newton")


def test_lowers_for_cuda():
    assert_lowers_for_cuda(both, RNG.normal(size=(3, 2)))

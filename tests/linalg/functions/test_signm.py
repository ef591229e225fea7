"""sign(A): its derivatives, its scale, and the imaginary axis."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import signm

from ...helpers import (
    GENERAL,
    SYMMETRIC,
    assert_nan,
    assert_promise,
    assert_relative,
    assert_right_at_gaps,
    hermitian,
    hidden_jordan,
    reflect,
    true_signm,
    unitary_phases,
)
from ...helpers._heavy import heavy_but

SPLIT = {  # eigenvalues on both sides of the imaginary axis, and their degeneracies
    "indefinite": GENERAL["spd"] - 1.5 * np.eye(4),
    "repeated": reflect(1.0, 1.0, -1.0, -1.0),
    "defective": hidden_jordan() - 2.5 * np.eye(4),
    "non-normal": GENERAL["non-normal"] - 0.75 * np.eye(4),
    "complex": GENERAL["complex"] - 0.75 * np.eye(4),
    "badly scaled": GENERAL["badly scaled"] - 1.5 * np.eye(4),
    "batched": GENERAL["batched"] - 1.5 * np.eye(4),
    "float32": (GENERAL["float32"] - 1.5 * np.eye(4)).astype(np.float32),
    "n=1": np.array([[-0.3]]),
    "n=0": np.zeros((0, 0)),
}


def signm_hermitian(A):
    return signm(A, hermitian=True)


ROUTES = pytest.mark.parametrize("route", [signm, signm_hermitian])


OTHER_KINDS = ["batched", "float32", "complex"]


@pytest.mark.parametrize(
    "name", heavy_but([n for n in SPLIT if n not in OTHER_KINDS], ["repeated", "defective", "n=0"])
)
def test_promise(name):
    assert_promise(signm, SPLIT[name], truth=true_signm)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_KINDS)
def test_promise_of_other_kinds(name):
    assert_promise(signm, SPLIT[name], truth=true_signm)


@pytest.mark.parametrize("name", ["indefinite", "repeated"])
def test_promise_hermitian(name):
    assert_promise(signm_hermitian, SPLIT[name], truth=hermitian(true_signm))


@pytest.mark.slow
@pytest.mark.parametrize("route", [signm, signm_hermitian])
def test_gaps(route):
    matrices = [unitary_phases(reflect(1.0, 1.0 + gap, -1.25, -1.5)) for gap in (0.0, 1e-14, 1e-3)]
    symmetric = route is signm_hermitian
    truth = hermitian(true_signm) if symmetric else true_signm
    assert_right_at_gaps(route, truth, matrices, symmetric=symmetric)


@ROUTES
@pytest.mark.parametrize("exponent", [-1000, -1, 1, 900])
def test_scale(route, exponent):
    """sign(c A) = sign(A), to the bit if c is a power of two."""
    A = SYMMETRIC["spd"] - 1.5 * np.eye(4)
    np.testing.assert_array_equal(route(2.0**exponent * A), route(A))


def test_projects_on_invariant_subspaces():
    A = GENERAL["non-normal"] - 0.75 * np.eye(4)
    S = np.asarray(signm(A))
    assert_relative(S @ S, np.eye(4), 1e-13)
    assert_relative(A @ S, S @ A, 1e-13)
    assert np.trace(S) == pytest.approx(np.sign(np.linalg.eigvals(A).real).sum())
    assert_relative(S, scipy.linalg.signm(A), 1e-13)


@pytest.mark.parametrize(
    "A",
    [
        [[0.0, -1.0], [1.0, 0.0]],
        [[0.0, 1.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[1j, 0.0], [0.0, 2.0]],
    ],
    ids=str,
)
def test_on_the_imaginary_axis(A):
    batch = np.stack([np.array(A), np.array([[2.0, 1.0], [1.0, -2.0]], np.asarray(A).dtype)])
    gradients = jax.grad(lambda A: signm(A).real.sum())(batch)
    assert_nan(signm(batch)[0])
    assert_nan(gradients[0])
    assert_relative(signm(batch)[1], scipy.linalg.signm(batch[1]), 1e-14)
    assert np.isfinite(gradients[1]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("block", [np.zeros((2, 2)), [[0.0, 2.0], [-2.0, 0.0]]], ids=["0", "2i"])
def test_on_the_imaginary_axis_to_rounding(block, dtype):
    """Rounding alone decides to which side these eigenvalues go; a distance of √eps is seen."""
    A = np.diag([0.0, 0, 1, -3]) + np.diag([0, 0, 5.0], 1)
    A[:2, :2] = block
    near = A + float(np.finfo(dtype).eps) ** 0.5 * np.eye(4)
    sign = jax.jit(signm)
    for seed in range(8):
        Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
        assert_nan(sign((Q @ A @ Q.T).astype(dtype)))
        trace = np.trace(sign((Q @ near @ Q.T).astype(dtype)))
        assert trace == pytest.approx(2, abs=float(np.finfo(dtype).eps) ** 0.5)


def test_hermitian_singular():
    assert_nan(signm_hermitian(reflect(0.0, 1.0, 2.0, -3.0)))

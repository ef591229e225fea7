"""A^{1/2}: its derivatives at any gap, at any scale, and where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import sqrtm

from ...helpers import (
    GAPS,
    GENERAL,
    SINGULAR,
    SYMMETRIC,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    assert_right_at_gaps,
    derivative,
    gap_matrix,
    hermitian,
    judge,
    reflect,
    rounding,
    true_sqrtm,
    unitary_phases,
)
from ...helpers._heavy import heavy_but

compiled = jax.jit(sqrtm)


def sqrtm_hermitian(A):
    return sqrtm(A, hermitian=True)


def gradient(f, A):
    return jax.grad(lambda A: f(A).real.sum())(A)


ROUTES = pytest.mark.parametrize("route", [sqrtm, sqrtm_hermitian])
KINDS = pytest.mark.parametrize(
    "kind",
    [np.asarray, pytest.param(unitary_phases, marks=pytest.mark.slow)],
    ids=["real", "complex"],
)


@pytest.mark.parametrize("name", heavy_but(GENERAL, ["defective", "badly scaled", "n=0"]))
def test_promise(name):
    assert_promise(sqrtm, GENERAL[name], truth=true_sqrtm)


@pytest.mark.parametrize("name", heavy_but(SYMMETRIC, []))
def test_promise_hermitian(name):
    assert_promise(sqrtm_hermitian, SYMMETRIC[name], truth=hermitian(true_sqrtm))


@pytest.mark.slow
@KINDS
def test_gaps(kind):
    matrices = [kind(gap_matrix(gap)) for gap in GAPS]
    assert_right_at_gaps(sqrtm, true_sqrtm, matrices, symmetric=False)


@pytest.mark.slow
@KINDS
def test_gaps_hermitian(kind):
    matrices = [kind(gap_matrix(gap)) for gap in GAPS]
    assert_right_at_gaps(sqrtm_hermitian, true_sqrtm, matrices, symmetric=True)


def test_at_and_near_the_identity():
    """Where the iteration has hardly begun when it ends, its derivatives have converged."""
    near = np.eye(4) + 1e-9 * GENERAL["non-normal"]
    matrices = [np.eye(4), 4 * np.eye(4), near, 1.0001 * near]
    assert_right_at_gaps(sqrtm, true_sqrtm, matrices, symmetric=False)


@ROUTES
@pytest.mark.parametrize("exponent", [-300, -1, 1, 300])
def test_scale(route, exponent):
    """A power of four comes out as a power of two, to the bit, and derivatives scale with it."""
    A, c = GENERAL["spd"], 2.0**exponent
    np.testing.assert_array_equal(route(c**2 * A), c * route(A))
    np.testing.assert_array_equal(gradient(route, c**2 * A), gradient(route, A) / c)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_ill_conditioned(condition):
    A = reflect(1.0, 1 / condition, 0.5, 0.3)
    truth, tolerance = judge(true_sqrtm, (A,))
    assert_close(compiled(A), truth, tolerance)


@pytest.mark.parametrize("angle", [2.0, 3.0, 3.1, 3.1415, np.pi - 1e-6])
def test_towards_the_branch_cut(angle):
    """A rotation's root is the rotation by half the angle, of condition 1/cos(angle/2).

    The iteration alone squares that: M = A has an inverse of norm 1, but (I + (M + M⁻¹)/2)/2, which
    comes next, one of norm 1/cos²(angle/2).
    """
    c, s = np.cos(angle), np.sin(angle)
    A = np.array([[c, -s], [s, c]])
    truth, tolerance = judge(true_sqrtm, (A,))
    assert_close(compiled(A), truth, tolerance)


def test_second_order_towards_the_branch_cut():
    """The equation X L + L X = R has the condition 1/φ at eigenvalues ±i + φ/2 of X."""
    angle, E = np.pi - 5e-8, np.random.default_rng(1).normal(size=(2, 2))
    A = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def along(A):
        return jax.jvp(sqrtm, (A,), (E,))[1]

    truth, tolerance = judge(true_sqrtm, (A,), (E,), (E,))
    assert_close(jax.jit(lambda A: jax.jvp(along, (A,), (E,))[1])(A), truth, tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_far_from_normal(seed):
    """‖X‖² is a thousand times ‖A‖ and more: rounding of X² would be all that is left to correct."""
    rng, eps = np.random.default_rng(seed), np.finfo(float).eps
    T = np.triu(rng.normal(size=(4, 4)), 1) + np.diag([1, 1e-2, 1e-4, 1e-6])
    Q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    A = Q @ T @ Q.T
    truth, _ = judge(true_sqrtm, (A,))
    one = np.eye(4)
    separation = np.linalg.svd(np.kron(truth, one) + np.kron(one, truth.T))[1][-1]
    assert_close(compiled(A), truth, eps * np.linalg.norm(A) / separation)


@pytest.mark.parametrize(
    "A",
    [
        [[-1.0, 0.0], [0.0, 2.0]],
        [[-1.0, 1.0], [0.0, -1.0]],
        [[0.0, 1.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        pytest.param([[-1.0 + 0j, 0.0], [0.0, 2.0]], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_no_principal_root(A):
    """Negative or zero eigenvalues: NaN, values and gradients, alone and in a batch."""
    A = np.array(A)
    assert_nan(compiled(A))
    assert_nan(gradient(sqrtm, A))
    batch = np.stack([A, np.array([[2.0, 1.0], [1.0, 2.0]], A.dtype)])
    values, gradients = compiled(batch), gradient(sqrtm, batch)
    assert_nan(values[0])
    assert_nan(gradients[0])
    assert_relative(values[1], derivative(true_sqrtm, (batch[1],)), rounding((A,)))
    assert np.isfinite(gradients[1]).all()


def test_hermitian_singular():
    """The value exists, at any rank; the derivative is infinite."""
    truth = reflect(0.0, 0.0, np.sqrt(2.0), np.sqrt(3.0))
    assert_close(sqrtm_hermitian(SINGULAR), truth, 1e-15**0.5)
    assert not np.isfinite(gradient(sqrtm_hermitian, SINGULAR)).any()
    np.testing.assert_array_equal(sqrtm_hermitian(np.zeros((2, 2))), np.zeros((2, 2)))


def test_hermitian_indefinite():
    assert_nan(sqrtm_hermitian(reflect(-1.0, 1.0, 2.0, 3.0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@ROUTES
def test_not_finite(bad, route):
    batch = np.stack([GENERAL["spd"], GENERAL["nearly repeated"]])
    batch[0, 1, 2] = bad
    values, gradients = route(batch), gradient(route, batch)
    assert_nan(values[0])
    assert_nan(gradients[0])
    assert np.isfinite(values[1]).all()
    assert np.isfinite(gradients[1]).all()


def test_agrees_with_scipy_on_a_larger_matrix(key):
    A = np.asarray(jax.random.normal(key, (40, 40))) / 40 + np.eye(40)
    assert_relative(compiled(A), scipy.linalg.sqrtm(A), 1e-13)


def test_integers_are_promoted():
    A = np.array([[2, 1], [1, 2]])
    np.testing.assert_array_equal(sqrtm(jnp.asarray(A)), sqrtm(A.astype(float)))


def test_empty_batch():
    assert sqrtm(jnp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert gradient(sqrtm, jnp.zeros((0, 3, 3))).shape == (0, 3, 3)

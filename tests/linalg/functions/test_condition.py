"""Condition numbers against SciPy's, and those known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import expm, expm_cond, funm_cond, sqrtm

from ...helpers import GENERAL, assert_nan, assert_relative, grcar, reflect

compiled = jax.jit(expm_cond)


@pytest.mark.parametrize("name", ["defective", "nearly repeated", "non-normal", "badly scaled"])
def test_small_matrices_exactly(name):
    A = GENERAL[name]
    assert_relative(compiled(A), scipy.linalg.expm_cond(A), 1e-10)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_a_sharp_lower_bound(scale):
    rng = np.random.default_rng(0)
    for A in (scale * grcar(8), scale * rng.normal(size=(8, 8)), scale * np.diag(np.arange(8.0))):
        ratio = compiled(A) / scipy.linalg.expm_cond(A)
        assert 0.95 <= ratio <= 1 + 1e-12


def test_of_a_square_root():
    """1/(2 √λ) is the largest derivative, at the smallest eigenvalue."""
    A = reflect(1e-4, 1.0, 2.0, 3.0)
    truth = np.linalg.norm(A) / np.linalg.norm(scipy.linalg.sqrtm(A)) / (2 * 1e-2)
    assert_relative(jax.jit(lambda A: funm_cond(sqrtm, A))(A), truth, 1e-8)


@pytest.mark.parametrize("n", [3, 6])
def test_of_any_function_of_complex_matrices(n):
    """The identity's is 1, and the inverse's is the square root of its 2-norm condition's analogue."""
    A = grcar(n) + 0.5j * np.eye(n, k=1)
    assert_relative(funm_cond(lambda X: X, A), 1.0, 1e-14)
    inverse = np.linalg.inv(A)
    truth = np.linalg.norm(inverse, 2) ** 2 * np.linalg.norm(A) / np.linalg.norm(inverse)
    ratio = jax.jit(lambda A: funm_cond(jnp.linalg.inv, A))(A) / truth
    assert 0.95 <= ratio <= 1 + 1e-12


def test_batches_and_derivatives():
    A = np.stack([grcar(3), GENERAL["spd"][:3, :3]])
    value = compiled(A)
    assert_relative(value, np.array([compiled(a) for a in A]), 1e-14)
    assert_nan(jax.grad(lambda A: expm_cond(A).sum())(A))


def test_degenerate():
    assert compiled(np.zeros((3, 3))) == 0
    assert_nan(funm_cond(lambda X: X, np.zeros((3, 3))))
    assert_nan(compiled(np.full((3, 3), np.nan)))
    assert expm_cond(jnp.zeros((0, 2, 2))).shape == (0,)


def test_rejected():
    with pytest.raises(TypeError, match="funm_cond: f must be a function"):
        funm_cond(None, np.eye(2))
    with pytest.raises(ValueError, match="expm_cond: expected square"):
        expm_cond(np.ones((2, 3)))
    with jax.numpy_rank_promotion("allow"):
        assert funm_cond(expm, [[1, 0], [0, 1]]).shape == ()


def test_lowers_for_cuda():
    for n in (3, 6):
        jax.jit(expm_cond).trace(np.eye(n)).lower(lowering_platforms=("cuda",))


def test_branch_distance():
    """Of a rotation π minus its angle; 0 on the cut and at 0."""
    c, s = np.cos(3.0), np.sin(3.0)
    A = np.stack([np.array([[c, -s], [s, c]]), np.diag([-1.0, 2.0]), np.diag([0.0, 2.0])])
    _, info = jax.jit(lambda A: sqrtm(A, with_info=True))(A)
    np.testing.assert_allclose(info.branch_distance, [np.pi - 3, 0, 0], atol=1e-14)
    assert 0 < info.iterations[0] < 15 and info.iterations[1] == 100 + 1
    np.testing.assert_allclose(info.condition[0], 1 / (2 * np.cos(1.5)) * 1.0, rtol=1e-10)
    assert np.isnan(info.condition[1:]).all()


def test_information():
    """It changes no value and no gradient, and jit, vmap and empty batches are as for the value."""
    A = np.stack([np.eye(3), 100 * grcar(3)])
    P, info = expm(A, with_info=True)
    np.testing.assert_array_equal(P, expm(A))
    assert info.squarings.shape == (2,) and info.squarings[0] == 1 and 8 <= info.squarings[1] <= 10
    assert (jax.vmap(lambda A: expm(A, with_info=True)[1].squarings)(A) == info.squarings).all()
    assert (expm(A, with_info=True, hermitian=True)[1].squarings == 0).all()
    assert expm(jnp.zeros((0, 3, 3)), with_info=True)[1].squarings.shape == (0,)

    def loss(A):
        P, info = expm(A, with_info=True)
        return P.sum() + info.squarings.sum().astype(float)

    np.testing.assert_array_equal(jax.grad(loss)(A), jax.grad(lambda A: expm(A).sum())(A))
    _, info = sqrtm(GENERAL["spd"], hermitian=True, with_info=True)
    assert info.iterations == 0 and info.branch_distance > 3

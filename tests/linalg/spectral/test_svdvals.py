"""Singular values: as JAX where they are distinct, and what is smooth or one-sided where not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import svdvals, truncated_svd

from ...helpers import assert_lowers_for_cuda, assert_nan

RNG = np.random.default_rng(0)
H = np.eye(4) - 0.5
TURN = H[[2, 0, 3, 1]] * np.array([1, -1, 1, 1])
PAIR = H @ np.diag([4.0, 2.0, 1.0, 1.0]) @ TURN
RANK_TWO = H[:, :3] @ np.diag([2.0, 1.0, 0.0]) @ (np.eye(3) - 2 / 3)


def plain(A):
    return jnp.linalg.svd(A, compute_uv=False)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4)], ids=str)
def test_as_jax_where_they_are_distinct(shape):
    A, E = RNG.normal(size=(2, 2, *shape)) + 1j * RNG.normal(size=(2, 2, *shape))
    c = np.array([1.0, -2.0, 0.5])

    def orders(f):
        def total(A):
            return (jnp.sin(f(A)) * c[None, :]).sum()

        return jax.jit(
            lambda A: (
                f(A),
                jax.grad(total)(A),
                jax.jvp(f, (A,), (E,))[1],
                jax.jvp(jax.grad(total), (A,), (E,))[1],
                jax.vjp(jax.grad(total), A)[1](E)[0],
            )
        )

    for got, true in zip(orders(svdvals)(A), orders(plain)(A), strict=True):
        np.testing.assert_allclose(got, true, atol=1e-12 * np.abs(true).max())


@pytest.mark.parametrize("A", [PAIR, H[:, :2], RANK_TWO], ids=["pair", "orthonormal", "rank 2"])
def test_hessians_at_ties(A):
    """Σ σ² + σ⁴ = tr M + M², M = Aᵀ A; and 3 at the zero of rank 2."""

    def even(A):
        s = svdvals(A)
        return (s**2 + s**4).sum()

    def traces(A):
        M = A.T @ A
        return jnp.trace(M) + (M * M).sum()

    got, true = (jax.jit(jax.hessian(f))(A) for f in (even, traces))
    np.testing.assert_allclose(got, true, atol=1e-14 * np.abs(true).max())


def test_one_sided_derivatives():
    E, t = RNG.normal(size=(4, 3)), 1e-7
    A = np.stack([RANK_TWO, PAIR[:, :3], H[:, :3]])
    slope = jax.jit(lambda A: jax.jvp(svdvals, (A,), (np.stack([E] * 3),))[1])(A)
    difference = (np.linalg.svd(A + t * E[None])[1] - np.linalg.svd(A)[1]) / t
    np.testing.assert_allclose(slope, difference, atol=1e-5)


def test_gradients_that_do_not_exist():
    def losses(A):
        s = svdvals(A)
        return s[2], s.sum()

    third, total = jax.jit(jax.jacrev(losses))(RANK_TWO)
    assert_nan(third)
    assert_nan(total)
    third, total = jax.jit(jax.jacrev(losses))(PAIR)
    assert_nan(third)
    U, _, Vh = np.linalg.svd(PAIR)
    np.testing.assert_allclose(total, U @ Vh, atol=1e-14)


def test_truncated():
    U, s, Vh, gap = truncated_svd(PAIR, 2)
    np.testing.assert_allclose(gap, 0.25, rtol=1e-14)
    np.testing.assert_allclose(s, [4, 2], rtol=1e-14)
    left = PAIR - np.asarray(U * s[None, :]) @ np.asarray(Vh)
    np.testing.assert_allclose(np.linalg.svd(left)[1], [1, 1, 0, 0], atol=1e-14)
    assert truncated_svd(PAIR, 3).gap < 1e-15
    # One entry alone is at an extremum in a basis with zeros: there it has the derivative zero.
    turning = jnp.array([1.0, 2.0, 3.0, 5.0])
    assert_nan(jax.jit(jax.grad(lambda A: (turning @ truncated_svd(A, 3).U[:, 2]) ** 2))(PAIR))
    np.testing.assert_allclose(truncated_svd(PAIR, 4).gap, 0.25, rtol=1e-14)
    with pytest.raises(ValueError, match=r"k must be one of 1\.\.4"):
        truncated_svd(PAIR, 5)


def test_bad_input():
    assert svdvals(np.zeros((2, 0, 3))).shape == (2, 0)
    assert_nan(svdvals(np.full((2, 3), np.nan)))
    with pytest.raises(ValueError, match="svdvals"):
        svdvals(np.ones(3))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(svdvals, RNG.normal(size=(3, 2)))

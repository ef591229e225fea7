"""Eigenvalues of tridiagonal matrices: jax.scipy's have a wrong forward and no reverse derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import det, eigh_tridiagonal

from ...helpers import assert_close

RNG = np.random.default_rng(0)


def values(d, e):
    return eigh_tridiagonal(d, e, eigvals_only=True)


def test_the_sum_is_the_trace():
    d, e = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0])
    for derivative in (jax.grad, jax.jacfwd):
        along_d, along_e = derivative(lambda d, e: values(d, e).sum(), (0, 1))(d, e)
        assert_close(along_d, [1.0, 1.0, 1.0], 1e-15)
        assert_close(along_e, [0.0, 0.0], 1e-15)


def test_scipy_and_batches():
    d, e = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 4))
    w, V = (np.asarray(x) for x in eigh_tridiagonal(d, e))
    for i in range(2):
        assert_close(w[i], scipy.linalg.eigh_tridiagonal(d[i], e[i])[0], 1e-14)
        T = np.diag(d[i]) + np.diag(e[i], 1) + np.diag(e[i], -1)
        assert_close(T @ V[i], V[i] * w[i], 1e-14)
    assert_close(values(d, e), w, 1e-14)
    assert_close(values(np.array([3]), np.zeros(0)), [3.0], 0.0)


def test_orders_against_a_sum_over_powers():
    """Σ λ⁴ = tr T⁴, and ∏ λ = det T: polynomials, of which every derivative is known."""
    d, e = RNG.normal(size=4), RNG.normal(size=3)

    def dense(d, e):
        return jnp.diag(d) + jnp.diag(e, 1) + jnp.diag(e, -1)

    pairs = [
        (
            lambda d, e: (values(d, e) ** 4).sum(),
            lambda d, e: jnp.trace(dense(d, e) @ dense(d, e) @ dense(d, e) @ dense(d, e)),
        ),
        (lambda d, e: values(d, e).prod(), lambda d, e: det(dense(d, e))),
    ]
    for got, truth in pairs:
        for x, y in zip(
            jax.tree.leaves(jax.jit(jax.hessian(got, (0, 1)))(d, e)),
            jax.tree.leaves(jax.jit(jax.hessian(truth, (0, 1)))(d, e)),
            strict=True,
        ):
            assert_close(x, y, 1e-11)


def test_derivative_of_each_eigenvalue():
    d, e = RNG.normal(size=4), RNG.normal(size=3)
    _, V = eigh_tridiagonal(d, e)
    along_d, along_e = jax.jit(jax.jacrev(values, (0, 1)))(d, e)
    assert_close(along_d, V.T**2, 1e-14)
    assert_close(along_e, 2 * (V[:-1] * V[1:]).T, 1e-14)


@pytest.mark.parametrize(
    "d, e", [(np.ones(3), np.ones(3)), (np.ones(2) * 1j, np.ones(1)), (1.0, 1.0)]
)
def test_bad_arguments(d, e):
    with pytest.raises(ValueError, match="eigh_tridiagonal: "):
        eigh_tridiagonal(d, e)

"""One eigenvalue much closer to σ than the others: eps κ(A - σB) of S is more than other pairs have of it.

Truth: LAPACK's dense eigenpairs, right to eps / gap. What is asked of the vectors is 64 eps ‖S‖ / gap of ν,
and of their derivatives, which are sums of n such vectors over gaps, a multiple of it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import eigsh

EPS = np.finfo(float).eps
SEEDS = range(6)


def _problem(seed, n, least):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    levels = np.concatenate([[least, 1e-3, 2e-3, 5e-3], np.linspace(1, 2, n - 4)])
    A = (Q * levels) @ Q.T
    return (A + A.T) / 2, rng.normal(size=n)


@pytest.mark.parametrize("n", [12, 40])  # a basis of the whole space, and restarts
@pytest.mark.parametrize("least", [1e-4, 1e-6, 1e-8])
def test_value_and_gradient(n, least):
    """Of a loss of the two pairs that are not the closest."""

    def loss(A, weight):
        w, V, _, converged = eigsh(A, 3, sigma=0.0)
        return w[1] + ((weight @ V[:, 1:]) ** 2).sum(), converged

    both = jax.jit(jax.value_and_grad(loss, has_aux=True))
    for A, weight in (_problem(seed, n, least) for seed in SEEDS):
        (value, converged), gradient = both(jnp.asarray(A), weight)
        assert converged.all()
        w, V = np.linalg.eigh(A)
        slopes = np.outer(V[:, 1], V[:, 1])
        for v, level in ((V[:, 1], w[1]), (V[:, 2], w[2])):
            gaps = np.where(w == level, np.inf, level - w)
            half = (v @ weight) * np.outer(V @ (V.T @ weight / gaps), v)
            slopes = slopes + half + half.T
        true = w[1] + ((weight @ V[:, 1:3]) ** 2).sum()
        accuracy = 64 * EPS / least / (1 / 2e-3 - 1 / 5e-3)  # residual / gap
        assert abs(value - true) <= 2 * accuracy * np.linalg.norm(weight) ** 2
        assert np.linalg.norm(gradient - slopes) <= 50 * accuracy * np.linalg.norm(slopes)


@pytest.mark.parametrize("sigma", [0.0, 1e-16, -2e-16])
def test_a_shift_that_is_an_eigenvalue(sigma):
    """Of the path's Laplacian, 4 sin²(j π / 2n): no pair but that of 0 is known, and none is made up."""
    n = 30
    A = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    A[0, 0] = A[-1, -1] = 1
    found = eigsh(A, 3, sigma=sigma)
    true = 4 * np.sin(np.arange(3) * np.pi / (2 * n)) ** 2
    right = np.abs(found.eigenvalues - true) < 1e-9
    assert (right | ~found.converged).all() and (
        np.isnan(found.eigenvalues) == ~found.converged
    ).all()


def test_always_converges():
    """Whether the residual is rounding is not left to one sample of rounding."""
    found = jax.jit(lambda A: eigsh(A, 3, sigma=0.0).converged)
    for seed in range(40):
        assert found(jnp.asarray(_problem(seed, 60, 1e-5)[0])).all()

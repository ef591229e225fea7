"""Functions that no unit of the matrix changes, or as a power of it: values and derivatives far from 1."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import eigsh, pca, spectral_projector, svd_projectors, truncated_svd

SIZES = [(jnp.float32, 1e19), (jnp.float64, 1e-170)]  # squares are out of range
SAMPLES = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0]])


def assert_homogeneous(f, A, size, dtype):
    """f(c A) = f(A): its derivatives at c A along c E are those at A along E, in 64 bits."""
    E = np.random.default_rng(1).normal(size=A.shape)

    @partial(jax.jit, static_argnums=(0, 1))
    def taylor(c, dtype):
        A_, E_ = (jnp.asarray(X * c, dtype) for X in (A, E))

        def along(t):
            return f(A_ + t * E_)

        bar = jax.grad(lambda X: jnp.sin(f(X)).sum())(A_)
        first = jax.jacfwd(along)
        zero = jnp.zeros((), dtype)
        return along(zero), first(zero), jax.jacrev(first)(zero), bar * dtype(c)

    eps = float(jnp.finfo(dtype).eps)  # times gaps of about 1/3, squared in second derivatives
    for got, truth in zip(taylor(size, dtype), taylor(1.0, jnp.float64), strict=True):
        np.testing.assert_allclose(got, truth, rtol=0, atol=200 * eps * np.abs(truth).max())


@pytest.mark.parametrize(("dtype", "size"), SIZES)
@pytest.mark.parametrize(
    "f",
    [
        lambda X: pca(X, 1).projector,
        lambda X: pca(X, 2).explained_variance_ratio,
        pytest.param(lambda X: svd_projectors(X, 1).left, marks=pytest.mark.slow),
        lambda X: truncated_svd(X, 1).gap,
        lambda X: spectral_projector(X[:2] + X[:2].T, slice(1, None)),
        pytest.param(
            lambda X: spectral_projector(X[:2] + X[:2].T, (0.0, np.inf)), marks=pytest.mark.slow
        ),
    ],
    ids=["pca", "ratio", "svd", "gap", "slice", "interval"],
)
def test_derivatives(f, dtype, size):
    """Squares and quotients of squares were out of range: derivatives of 0, or with another sign."""
    assert_homogeneous(f, SAMPLES - 1, size, dtype)


@pytest.mark.parametrize("sigma", [None, 0.3])
@pytest.mark.parametrize(
    ("dtype", "a", "b"),
    [
        (jnp.float32, 1.0, 1e27),
        (jnp.float32, 1e10, 1e-20),
        (jnp.float64, 1e-200, 1e100),
        (jnp.float64, 1.0, 1e250),
    ],
)
def test_eigsh_of_a_pencil(dtype, a, b, sigma):
    """B⁻¹ A v underflowed to 0, an eigenvector to any accuracy: diagonal entries, called converged."""
    rng = np.random.default_rng(0)
    A, M = rng.normal(size=(2, 6, 6))
    A, B = A + A.T, M @ M.T + 6 * np.eye(6)
    w, V = scipy.linalg.eigh(A, B)
    near = np.abs(w) if sigma is None else -np.abs(w - sigma)
    best = np.sort(np.argsort(near)[-2:])

    def pairs(A):
        X, Y = A * dtype(a), jnp.asarray(B * b, dtype)
        shift = None if sigma is None else sigma * a / b
        return eigsh(X, 2, B=Y, sigma=shift)

    found = pairs(jnp.asarray(A, dtype))
    assert found.converged.all()
    tolerance = 100 * float(jnp.finfo(dtype).eps)  # gaps and norms are about 1
    np.testing.assert_allclose(found.eigenvalues * dtype(b / a), w[best], rtol=0, atol=tolerance)
    size = np.abs(found.eigenvectors * dtype(b**0.5))
    np.testing.assert_allclose(size, np.abs(V[:, best]), rtol=0, atol=tolerance)
    gradient = jax.grad(lambda A: pairs(A).eigenvalues.sum())(jnp.asarray(A, dtype))
    truth = V[:, best] @ V[:, best].T
    np.testing.assert_allclose(gradient * dtype(b / a), truth, rtol=0, atol=tolerance)

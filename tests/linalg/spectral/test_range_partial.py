"""A few pairs, pencils and truncations of c A are those of A; a loss times c has c times the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import best_rank, eig, eigsh, pca, svd_projectors, svds, truncated_svd

RNG = np.random.default_rng(0)
DENSE = np.array([[2.0, 1, 0], [1, 3, 0.5], [0, 0.5, -1]])  # all vectors at once
LARGE = np.diag(np.arange(40.0)) + (lambda X: X + X.T)(RNG.normal(size=(40, 40))) / 10  # restarts
SCALES = [("float32", 1e-20), ("float32", 1e18), ("float64", 1e-150), ("float64", 1e150)]


def _weighted(V):
    return (V[:3] ** 2).sum(1) @ jnp.array([1, 2, -1], V.dtype)


LOSSES = {  # of A = c A₀, the same for every c
    "largest": lambda A, c: _weighted(eigsh(A, 2, which="LA").eigenvectors),
    "shifted": lambda A, c: _weighted(eigsh(A, 2, sigma=0.3 * c).eigenvectors),
    "values": lambda A, c: ((eigsh(A, 2, which="SA").eigenvalues / c) ** 2).sum(),
    "singular": lambda A, c: _weighted(svds(A, 2)[0]),
}
SLOPES = {name: jax.jit(jax.grad(loss)) for name, loss in LOSSES.items()}


@pytest.mark.parametrize("dtype, scale", SCALES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("A", [DENSE, LARGE], ids=["whole", "restarted"])
def test_losses_are_homogeneous(A, name, dtype, scale):
    near, scale, unit = jnp.asarray(A, dtype), jnp.asarray(scale, dtype), jnp.asarray(1, dtype)
    slope, far = SLOPES[name](near, unit), SLOPES[name](near * scale, scale)
    tolerance = 3000 * float(jnp.finfo(dtype).eps)  # ‖A‖ over the gaps is 40 at most
    np.testing.assert_allclose(far * scale, slope, atol=tolerance * np.abs(slope).max())


@pytest.mark.parametrize("dtype, scale", SCALES)
def test_small_and_large_cotangents(dtype, scale):
    A, scale = jnp.asarray(DENSE, dtype), jnp.asarray(scale, dtype)
    for found in (lambda A: eigsh(A, 2).eigenvectors[0, 0], lambda A: svds(A, 2)[0][0, 0]):
        gradient = jax.jit(jax.grad(lambda A, c, found=found: c * found(A) ** 2))
        slope = gradient(A, jnp.ones((), dtype))
        tolerance = 300 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(gradient(A, scale) / scale, slope, atol=tolerance)


@pytest.mark.parametrize("dtype, scale", SCALES)
def test_second_derivatives_of_the_best_rank(dtype, scale):
    """D²F(c A)[c E, c E] = c D²F(A)[E, E]."""
    A, E = jnp.asarray(DENSE, dtype), jnp.asarray(RNG.normal(size=(3, 3)), dtype)

    def second(A, E):
        along = lambda A: jax.jvp(lambda A: best_rank(A, 2), (A,), (E,))[1]  # noqa: E731
        return jax.jvp(along, (A,), (E,))[1]

    truth, c = second(A, E), jnp.asarray(scale, dtype)
    tolerance = 300 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(
        second(c * A, c * E) / c, truth, atol=tolerance * np.abs(truth).max()
    )


@pytest.mark.parametrize("dtype, scale", [*SCALES, ("float64", 1e200), ("float32", 1e20)])
def test_homogeneous_eigenvalues_of_pencils(dtype, scale):
    A, B = jnp.diag(jnp.array([1, 2, 3], dtype)), jnp.eye(3, dtype=dtype)
    alpha, beta = eig(A * jnp.asarray(scale, dtype), B).eigenvalues
    tolerance = 20 * float(jnp.finfo(dtype).eps)  # A and B are diagonal
    np.testing.assert_allclose(np.abs(alpha) ** 2 + np.abs(beta) ** 2, 1, rtol=tolerance)
    larger, smaller, ratios = (
        (alpha, beta, [1, 1 / 2, 1 / 3]) if scale > 1 else (beta, alpha, [1, 2, 3])
    )
    np.testing.assert_allclose(larger, 1, rtol=tolerance)
    np.testing.assert_allclose(smaller * min(scale, 1 / scale) ** -1, ratios, rtol=tolerance)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: eigsh(np.eye(3), 1.5), "eigsh: k must be between 0 and n = 3, got 1.5"),
        (lambda: svds(np.eye(3), 1.5), "svds: k must be between 0"),
        (
            lambda: eigsh(np.eye(3), 1, v0=np.ones(4)),
            r"eigsh: v0 must have the shape .*\(3,\), got",
        ),
        (
            lambda: svds(np.ones((3, 2)), 1, v0=np.ones(3)),
            r"svds: v0 must have .*\(2,\), got \(3,\)",
        ),
        (lambda: truncated_svd(np.eye(3), 1.5), "truncated_svd: k must be one of 1..3"),
        (lambda: pca(np.ones((4, 3)), 1.5), "pca: k must be one of 1..3"),
        (lambda: svd_projectors(np.eye(3), 1.5), "svd_projectors: k must be one of 1..3"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()

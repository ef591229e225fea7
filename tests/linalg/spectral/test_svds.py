"""Leading singular triplets against JAX's dense SVD, a tie in closed form, and what lies beyond the rank."""

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest

from mcjax.linalg.spectral._svds import svds

from ...helpers import assert_lowers_for_cuda, assert_nan, assert_relative

rng = np.random.default_rng(1)
C, E = rng.normal(size=(2, 24, 30))
W = rng.normal(size=(2, 24, 30))


def loss(U, S, Vh):
    """Of the common phase of u and v it does not depend."""
    lines = (U * S[None].astype(U.dtype)) @ Vh
    return (jnp.abs(lines) ** 2 * W[0]).sum() + (lines.real * W[1]).sum() + (S**3).sum()


def dense(A):
    U, S, Vh = jnp.linalg.svd(A, full_matrices=False)
    return U[:, :2], S[:2], Vh[:2]


def test_as_jax_where_values_are_distinct():
    """A wide complex matrix: value, gradient, their tangents."""
    A, D = C + 1j * E, E - 1j * C + 1

    def orders(triplets):
        both = jax.value_and_grad(lambda A: loss(*triplets(A)[:3]))
        return jax.tree.leaves(jax.jit(lambda A: jax.jvp(both, (A,), (D,)))(A))

    for x, y in zip(orders(lambda A: svds(A, 2)), orders(dense), strict=True):
        assert_relative(x, y, 1e-11)


def test_a_tie_beyond_the_rank_and_bad_numbers():
    """Q diag(3, 2, 2, 0) Pᵀ with reflections Q and P: a sum of tied values has a gradient, one has none;
    the fourth value is 0 and has no vectors."""
    H = np.eye(4) - 0.5
    P = np.eye(6)[:4] - np.ones((4, 6)) / 3
    A = H @ np.diag([3.0, 2.0, 2.0, 0.0]) @ P
    rows = np.array([[1.0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])

    @jax.jit
    @jax.vmap
    def run(A):
        def values(A):
            U, S, Vh, residuals, converged = svds(A, 4)
            return S, (U, Vh, residuals, converged)

        S, pull, rest = jax.vjp(values, A, has_aux=True)
        return S, *rest, jax.vmap(pull)(rows)[0]

    S, U, Vh, residuals, converged, slopes = run(np.stack([A, np.full((4, 6), np.nan)]))
    np.testing.assert_allclose(S[0], [3, 2, 2, 0], atol=1e-14)
    assert converged[0].all() and (residuals[0] < 1e-13).all()
    np.testing.assert_allclose((U[0, :, :3] * S[0, None, :3]) @ Vh[0, :3], A, atol=1e-13)
    assert_nan(U[0, :, 3]), assert_nan(Vh[0, 3])
    np.testing.assert_allclose(slopes[0, 0], np.outer(H[0], P[0]), atol=1e-13)
    np.testing.assert_allclose(slopes[0, 1], H[1:3].T @ P[1:3], atol=1e-13)
    assert_nan(slopes[0, 2:])
    assert_nan(S[1]), assert_nan(U[1])
    assert not converged[1].any()


def test_a_function_and_its_parameters():
    """A convolution closes over its kernel: σ_1 is homogeneous in it, Σ c_i ∂σ/∂c_i = σ."""
    kernel = np.array([1.0, 2.0, 0.5])

    @jax.jit
    @jax.value_and_grad
    def largest(kernel):
        return svds(lambda x: jnp.convolve(x, kernel), 1, v0=np.ones(60)).S[0]

    value, slope = largest(kernel)
    full = np.stack([np.convolve(e, kernel) for e in np.eye(60)], 1)
    np.testing.assert_allclose(value, np.linalg.norm(full, 2), rtol=1e-13)
    np.testing.assert_allclose((kernel * slope).sum(), value, rtol=1e-12)
    assert (slope > 0).all()


@pytest.mark.slow
def test_a_lineax_operator():
    S = svds(lineax.MatrixLinearOperator(jnp.asarray(C)), 3).S
    np.testing.assert_allclose(S, np.linalg.svd(C, compute_uv=False)[:3], rtol=1e-13)


@pytest.mark.parametrize(
    ("match", "args", "options"),
    [
        ("k must be between", (np.ones((4, 3)), 4), {}),
        ("expected", (np.ones(3), 1), {}),
        ("pass a start vector v0", (lambda x: x, 1), {}),
        ("must map vectors", (lambda x: x[:, None], 1), {"v0": np.zeros(4)}),
    ],
)
def test_errors_name_the_remedy(match, args, options):
    with pytest.raises(ValueError, match=match):
        svds(*args, **options)


def test_nothing_asked_for():
    U, S, Vh, *_ = svds(np.zeros((3, 0)), 0)
    assert (U.shape, S.shape, Vh.shape) == ((3, 0), (0,), (0, 0))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lambda A: loss(*svds(A, 2)[:3]), C)

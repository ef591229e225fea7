"""U f(Σ) Vᴴ: derivatives where singular values repeat and vanish, kinks, jumps and parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import svd_function

from ...helpers import (
    along,
    assert_close,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    reflect,
    unitary_phases,
)
from ...helpers._heavy import heavy_but
from ...helpers._truth_rectangular import true_isometry, true_lorentz

RNG = np.random.default_rng(0)
GENERIC = RNG.normal(size=(4, 4))
ROTATION = (np.eye(4) - 0.5)[:, [1, 2, 0, 3]]  # orthogonal, of dyadic numbers


def lorentz(A):
    return svd_function(A, lambda x: x / (1 + x * x))


def soft(A):
    return svd_function(A, lambda x: jnp.maximum(x - 0.5, 0.0))


def clipped(A):
    return svd_function(A, lambda x: jnp.minimum(x, 0.5))


def flat(A):
    return svd_function(A, jnp.ones_like)


CASES = {
    "generic": GENERIC,
    "orthogonal": ROTATION,
    "zero, twice": ROTATION @ np.diag([2.0, 2.0, 0.0, 0.0]),
    "tiny": 1e-9 * ROTATION,
    "orthonormal columns": np.eye(4, 2),
    "zero": np.zeros((4, 2)),
    "very wide, complex": unitary_phases(GENERIC)[:1].repeat(2, 1),
}


@pytest.mark.parametrize("name", heavy_but(CASES, ["zero, twice", "orthonormal columns"]))
def test_promise(name):
    assert_promise(lorentz, CASES[name], truth=true_lorentz)


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-10, 1e-7, 1e-3])
@pytest.mark.parametrize("kind", [np.asarray, unitary_phases], ids=["real", "complex"])
def test_third_derivative_at_gaps(kind, gap):
    """Any distance of two singular values, and of two others to 0 and to each other."""
    A = kind(reflect(1.0, 1.0 + gap, gap, 0.0) @ ROTATION)
    directions = [(kind(RNG.normal(size=(4, 4))),) for _ in range(3)]
    truth = derivative(true_lorentz, (A,), *directions)
    assert_relative(_third(A, *directions), truth, 1e-12)


@jax.jit
def _third(A, d, e, f):
    return along(along(along(lorentz, d), e), f)(A)


def test_batched_is_one_at_a_time():
    A = RNG.normal(size=(2, 2, 3, 2))
    gradient = jax.jit(jax.grad(lambda A: (lorentz(A) ** 3).sum()))
    whole = gradient(A)
    for i in np.ndindex(2, 2):
        assert_relative(whole[i], gradient(A[i]), 1e-14)


def test_frobenius_norm_through_the_svd():
    """jax: NaN for diag(1, 1, 2, 3), whose gradient is A / ‖A‖."""
    A = np.diag([1.0, 1.0, 2.0, 3.0])
    gradient = jax.grad(lambda A: jnp.linalg.norm(svd_function(A, lambda x: x)))(A)
    assert_relative(gradient, A / np.linalg.norm(A), 1e-14)


def test_orthonormal_rows():
    """jax: a finite wrong number for U f(Σ) Vᴴ of a wide matrix whose singular values are all equal."""
    A = ROTATION[:2] * 1.0
    E, w = RNG.normal(size=(2, 2, 4))
    truth = derivative(true_lorentz, (A,), (E,))
    assert_relative(jax.jvp(lorentz, (A,), (E,))[1], truth, 1e-14)
    gradient = jax.grad(lambda A: (w * lorentz(A)).sum())(A)
    np.testing.assert_allclose((gradient * E).sum(), (w * truth).sum(), rtol=1e-13)


def test_thresholds():
    """Away from the kink, f = σ - t above it and 0 below: A - t U of the part above."""
    U, V = ROTATION, reflect(1.0, -1.0, 1.0, 1.0)
    above, below = U[:, :2] @ np.diag([2.0, 2.0]) @ V[:2], U[:, 2:] @ np.diag([0.3, 0.1]) @ V[2:]
    A, E = above + below, RNG.normal(size=(4, 4))
    isometry = U[:, :2] @ V[:2]
    assert_close(soft(A), above - 0.5 * isometry, 1e-14)
    assert_close(clipped(A), 0.5 * isometry + below, 1e-14)
    # In the singular basis: divided differences at ±σ.
    s, K = np.array([2.0, 2.0, 0.3, 0.1]), U.T @ E @ V.T
    f = np.maximum(s - 0.5, 0)
    plus = (f[:, None] + f) / (s[:, None] + s)
    minus = np.block([[np.ones((2, 2)), (1.5 - 0) / (2 - s[None, 2:]) * np.ones((2, 1))]])
    minus = np.vstack([minus, np.hstack([minus[:, 2:].T, np.zeros((2, 2))])])
    truth = U @ (minus * (K + K.T) / 2 + plus * (K - K.T) / 2) @ V
    assert_relative(jax.jvp(soft, (A,), (E,))[1], truth, 1e-13)
    assert_relative(jax.jvp(clipped, (A,), (E,))[1], E - truth, 1e-13)


@pytest.mark.parametrize(
    "A", [ROTATION, GENERIC, GENERIC[:, :2]], ids=["orthogonal", "square", "tall"]
)
def test_a_jump_at_zero_is_the_polar_factor(A):
    E = RNG.normal(size=A.shape)
    value, tangent = jax.jvp(flat, (A,), (E,))
    assert_relative(value, derivative(true_isometry, (A,)), 1e-13)
    assert_relative(tangent, derivative(true_isometry, (A,), (E,)), 1e-12)


def test_no_derivative_where_it_jumps():
    A = np.stack([GENERIC, GENERIC])
    A[0, 0] = A[0, 1]
    gradient = jax.grad(lambda A: flat(A).sum())(A)
    assert_nan(gradient[0])
    assert np.isfinite(gradient[1]).all()


def test_a_power_of_a_tall_matrix():
    """√σ has no derivative at 0, which is no singular value of A though H has it as an eigenvalue."""
    A, E = GENERIC[:, :2], RNG.normal(size=(4, 2))

    def root(A):
        return svd_function(A, jnp.sqrt)

    def plain(A):
        U, s, Vh = jnp.linalg.svd(A, full_matrices=False)
        return (U * jnp.sqrt(s)[None, :]) @ Vh

    for got, truth in zip(*(jax.jvp(f, (A,), (E,)) for f in (root, plain)), strict=True):
        assert_relative(got, truth, 1e-13)
    assert not np.isfinite(jax.jvp(root, (np.zeros((2, 2)),), (E[:2],))[1]).any()


def test_parameters():
    """d/dt of U max(σ - t, 0) Vᴴ and of U σ^p Vᴴ, mixed with derivatives by A."""
    A, w = ROTATION @ np.diag([2.0, 2.0, 1.0, 0.5]), RNG.normal(size=(4, 4))

    def cubic(c, A):
        return (w * svd_function(A, lambda x: c[0] * x + c[1] * x**3)).sum()

    def plain(c, A):
        return (w * (c[0] * A + c[1] * A @ A.T @ A)).sum()

    c, dc, E = np.array([0.3, -0.2]), np.array([1.0, 2.0]), RNG.normal(size=(4, 4))
    for f in (jax.grad, lambda f, k: lambda *x: jax.jvp(jax.grad(f, k), x, (dc, E))[1]):
        for got, truth in zip(f(cubic, (0, 1))(c, A), f(plain, (0, 1))(c, A), strict=True):
            assert_relative(got, truth, 1e-12)
    slope = jax.grad(lambda p: (w * svd_function(A, lambda x: x**p)).sum())(1.0)
    s = np.array([2.0, 2.0, 1.0, 0.5])
    np.testing.assert_allclose(slope, (w * (ROTATION * (s * np.log(s)))).sum(), rtol=1e-12)


def test_complex_values_of_a_real_matrix():
    phase = svd_function(GENERIC, lambda x: jax.lax.complex(x * jnp.cos(x), x * jnp.sin(x)))
    U, s, Vh = np.linalg.svd(GENERIC)
    assert_relative(phase, (U * (s * np.exp(1j * s))) @ Vh, 1e-13)


def test_float32_stays_float32():
    A = GENERIC[:, :2].astype(np.float32)
    value, tangent = jax.jvp(lorentz, (A,), (A,))
    assert value.dtype == tangent.dtype == np.float32
    assert_relative(tangent, derivative(true_lorentz, (A,), (A,)), 1e-5)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(lorentz, GENERIC[:, :2])


@pytest.mark.parametrize("f", [None, 2.0, lambda x: (x, x)], ids=["None", "number", "pair"])
def test_f_must_be_a_scalar_function(f):
    with pytest.raises((TypeError, ValueError), match="svd_function: f must"):
        svd_function(GENERIC, f)


def test_empty():
    for shape in ((0, 3), (3, 0), (0, 3, 2)):
        assert jax.grad(lambda A: lorentz(A).sum())(jnp.zeros(shape)).shape == shape

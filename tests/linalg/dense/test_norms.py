"""Norms: smooth where they are, with a valid subgradient elsewhere, against 60 digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import (
    ky_fan_norm,
    norm,
    nuclear_norm,
    numerical_radius,
    schatten_norm,
    spectral_norm,
)
from mcjax.verify.differences import jvp as difference

from ...helpers import assert_close, assert_nan, assert_promise, assert_relative
from ...helpers._truth_dense import true_ky_fan, true_schatten_four

RNG = np.random.default_rng(0)
U, V = (scipy.linalg.qr(RNG.normal(size=(n, n)))[0] for n in (4, 3))


def tall(*singular_values):
    return U[:, :3] @ np.diag(singular_values) @ V.T


def fan_two(A):
    return ky_fan_norm(A, 2)


def schatten_four(A):
    return schatten_norm(A, 4)


TALL = {
    "repeated above": tall(2.0, 2.0, 1.0),
    "complex": RNG.normal(size=(4, 3)) + 1j * RNG.normal(size=(4, 3)),
}


@pytest.mark.parametrize("name", TALL)
def test_ky_fan_promise(name):
    assert_promise(fan_two, TALL[name], truth=true_ky_fan(2))


def test_nuclear_promise_where_all_singular_values_agree():
    assert_promise(nuclear_norm, tall(1.0, 1.0, 1.0), truth=true_ky_fan(3))


def test_scale():
    """‖s A‖ = s ‖A‖: first derivatives do not change, second ones by 1/s."""
    A, E = 1e-9 * np.eye(4, 3), RNG.normal(size=(4, 3))
    for f in (nuclear_norm, fan_two, lambda A: schatten_norm(A, 3)):
        gradient = jax.jit(jax.grad(f))
        assert_close(gradient(A), gradient(1e9 * A), 1e-14)
    hessian = jax.jit(lambda A: jax.jvp(jax.grad(nuclear_norm), (A,), (E,))[1])
    assert_relative(hessian(A), 1e9 * hessian(1e9 * A), 1e-13)


def test_spectral_norm_where_the_others_vanish():
    """σ₁² = tr Aᵀ A + O(E⁴) along E in the range of A: the norm of a vector."""
    a, e = RNG.normal(size=(2, 4))
    A, E = np.outer(a, V[0]), np.outer(e, V[0])
    second = jax.jvp(jax.grad(spectral_norm), (A,), (E,))[1]
    truth = jax.jvp(jax.grad(jnp.linalg.norm), (a,), (e,))[1]
    assert_close(second @ V[0], truth, 1e-14)


@pytest.mark.parametrize(
    "A", [tall(2.0, 2.0, 1.0), tall(2.0, 1.0, 0.0)], ids=["repeated", "singular"]
)
def test_schatten_promise(A):
    assert_promise(schatten_four, A, truth=true_schatten_four)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 7, np.inf])
def test_schatten_values_and_gradients(p):
    """Against JAX, where singular values are distinct, to second order."""

    def plain(A):
        s = jnp.linalg.svd(A, compute_uv=False)
        return s.max() if p == np.inf else (s**p).sum() ** (1 / p)

    A, E = RNG.normal(size=(2, 4, 3))

    def all_orders(f):
        return jax.jit(lambda A: (f(A), *jax.jvp(jax.grad(f), (A,), (E,))))(A)

    got = all_orders(lambda A: schatten_norm(A, p))
    for x, y in zip(got, all_orders(plain), strict=True):
        assert_close(x, y, 1e-13)


def test_ties_have_a_mean_subgradient_and_no_hessian():
    gradient = jax.grad(spectral_norm)
    assert_close(gradient(jnp.eye(3)), np.eye(3) / 3, 1e-15)
    assert_close(jax.grad(fan_two)(jnp.eye(3)), np.eye(3) * 2 / 3, 1e-15)
    assert_nan(jax.jvp(gradient, (jnp.eye(3),), (jnp.eye(3),))[1])


def test_zero_singular_values():
    """At diag(1, 0): the nuclear norm has the subgradient that is zero on the null space."""
    A = jnp.diag(jnp.array([1.0, 0.0]))
    assert_close(jax.grad(nuclear_norm)(A), A, 1e-15)
    assert_nan(jax.hessian(nuclear_norm)(A))
    assert_close(jax.grad(lambda A: schatten_norm(A, 1.5))(A), A, 1e-15)
    assert_nan(jax.hessian(lambda A: schatten_norm(A, 1.5))(A))
    assert np.isfinite(jax.hessian(lambda A: schatten_norm(A, 3))(A)).all()
    for p in (1, 1.5, 2, np.inf):
        assert_close(jax.grad(lambda A, p=p: schatten_norm(A, p))(0 * A), 0 * A, 1e-15)


def test_square_of_norm_at_zero():
    """jax.numpy's is NaN (its issues 21723, 4177)."""
    for x in (jnp.zeros(2), jnp.zeros(2, complex), jnp.zeros((2, 3))):
        np.testing.assert_array_equal(jax.grad(lambda x: norm(x) ** 2)(x), x)
        np.testing.assert_array_equal(jax.grad(norm)(x), x)
    assert_nan(jax.hessian(norm)(jnp.zeros(2)))


ORDS = [(1, None), (2, 0), (2, 1), (np.inf, 0), (1, 1), (3, 0), (None, (0, 1)), ("fro", (1, 0))]
ORDS += [("nuc", (0, 1)), (1, (0, 1)), (2, (1, 0)), (np.inf, (0, 1)), (None, 1), (None, None)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ord, axis", ORDS)
def test_numpy(ord, axis, keepdims):
    x = TALL["complex"]
    got = norm(x, ord, axis, keepdims)
    assert_close(got, np.linalg.norm(x, ord, axis, keepdims), 1e-14)


def test_euclidean_against_jax_and_out_of_range():
    x, d = RNG.normal(size=(2, 5))
    for f in (lambda f: jax.jvp(jax.grad(f), (x,), (d,))[1], lambda f: jax.hessian(f)(x)):
        assert_close(f(norm), f(jnp.linalg.norm), 1e-14)
    for scale in (1e-200, 1e200):
        assert_relative(norm(scale * x), scale * np.linalg.norm(x), 1e-15)
        assert_relative(jax.grad(norm)(scale * x), x / np.linalg.norm(x), 1e-15)


@pytest.mark.parametrize("dtype, scales", [("f4", (1e-20, 1e20)), ("f8", (1e-160, 1e160))])
def test_second_order_at_any_scale(dtype, scales):
    """‖s x‖ = s ‖x‖: s D²‖·‖ is the same at s x, in whichever order it is differentiated."""
    x, E = (
        np.array(X, dtype) for X in ([[3.0, 1], [-4, 2], [1, 1]], [[1.0, -1], [2, 0.5], [0, 1]])
    )
    third = lambda A: norm(A.reshape(-1), 3)  # noqa: E731
    for f in (norm, third, lambda A: schatten_norm(A, 3), schatten_four):

        def seconds(x, f=f):
            along = lambda f: lambda x: jax.jvp(f, (x,), (E,))[1]  # noqa: E731
            reverse = jax.grad(lambda x: (jax.grad(f)(x) * E).sum())
            return along(along(f))(x), (along(jax.grad(f))(x) * E).sum(), (reverse(x) * E).sum()

        seconds = jax.jit(seconds)
        truth = seconds(x)[1]
        for scale in scales:
            scaled = np.array(seconds(x * x.dtype.type(scale)), float) * scale
            np.testing.assert_allclose(scaled, truth, rtol=100 * np.finfo(dtype).eps)


def test_euclidean_hessian_of_small_entries():
    """(I - x xᵀ/‖x‖²)/‖x‖ with ‖x‖ = 5e-20, whose square is no number of single precision."""
    x = np.array([3e-20, 4e-20], np.float32)
    truth = np.array([[1.28e19, -9.6e18], [-9.6e18, 7.2e18]], np.float32)
    for hessian in (jax.jacfwd(jax.jacfwd(norm)), jax.hessian(norm)):
        np.testing.assert_allclose(hessian(x), truth, rtol=1e-6)


def test_gradient_in_single_precision():
    """In the strict world of these tests, where a mean of counts in 64 bits is an error."""
    gradient = jax.grad(spectral_norm)(np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(gradient, np.eye(2, dtype=np.float32) / 2, strict=True)


def test_batches_and_empty():
    A = RNG.normal(size=(2, 4, 3))
    assert_close(spectral_norm(A), np.linalg.norm(A, 2, (1, 2)), 1e-14)
    assert_close(norm(A, axis=(1, 2)), np.linalg.norm(A, axis=(1, 2)), 1e-14)
    assert nuclear_norm(jnp.zeros((3, 0))) == spectral_norm(jnp.zeros((0, 0))) == 0.0
    assert norm(jnp.zeros(0)) == 0.0 and numerical_radius(jnp.zeros((2, 0, 0))).shape == (2,)


def test_bad_arguments():
    for call, said in {
        lambda: ky_fan_norm(np.eye(2), 3): "ky_fan_norm: k must be one of 1..2",
        lambda: schatten_norm(np.eye(2), 0.5): "schatten_norm: p must be",
        lambda: norm(np.eye(2), 3): "norm: of matrices, ord",
        lambda: norm(np.ones(2), "nuc"): "norm: of vectors, ord",
        lambda: norm(np.ones((2, 2, 2)), 1): "norm: a norm of vectors",
        lambda: norm(np.ones(2), axis=3): "norm: axis=3",
    }.items():
        with pytest.raises(ValueError, match=said):
            call()


def brute_force_radius(A):
    angles = np.linspace(0, 2 * np.pi, 4001)
    B = np.exp(1j * angles)[:, None, None] * A
    return np.linalg.eigvalsh((B + B.conj().swapaxes(1, 2)) / 2)[:, -1].max()


def test_numerical_radius_is_the_largest_reach():
    batch = np.stack([TALL["complex"][:3], TALL["complex"][:3].real + 0j])
    assert_close(numerical_radius(batch), [brute_force_radius(X) for X in batch], 1e-5)


@pytest.mark.slow
def test_numerical_radius():
    """Second derivatives by differences, in both modes; the disk of a Jordan block."""
    A = TALL["complex"][:3]
    E = RNG.normal(size=(3, 3)) + 0j
    gradient = jax.jit(jax.grad(numerical_radius))
    along = jax.jit(lambda A: jax.jvp(gradient, (A,), (E,))[1])
    reverse = jax.jit(jax.grad(lambda A: (gradient(A) * E).sum().real))
    pairing = (gradient(A) * E).sum().real
    for value, f in ((along(A), gradient), (pairing, jax.jit(numerical_radius))):
        truth = difference(f, A, E)
        assert np.max(truth.error) < 1e-8
        assert_close(value, truth.value, np.max(truth.error) + 1e-13)
    assert_close((reverse(A) * E).sum().real, (along(A) * E).sum().real, 1e-12)
    J = jnp.array([[0.0, 2.0], [0.0, 0.0]])
    assert_close(numerical_radius(J), 1.0, 1e-15)
    assert_close((jax.grad(numerical_radius)(J) * J).sum(), 1.0, 1e-14)


def test_numerical_radius_where_eigenvalues_tie():
    """A subgradient, e^{iθ} times the mean projector, the same in both modes, and 0 at A = 0."""
    A = np.stack([np.diag([2, 2, 1]), np.eye(3), (1 + 2j) * np.eye(3), np.zeros((3, 3))])
    phase = (1 - 2j) / 5**0.5
    truth = np.stack([np.diag([0.5, 0.5, 0]), np.eye(3) / 3, phase * np.eye(3) / 3, 0 * A[0]])
    gradient = jax.jit(jax.grad(lambda A: numerical_radius(A).sum()))(A)
    assert_close(gradient, truth, 1e-14)
    E = RNG.normal(size=A.shape) + 1j * RNG.normal(size=A.shape)
    along = jax.jit(lambda A: jax.jvp(numerical_radius, (A,), (E,))[1])(A)
    assert_close(along, (truth * E).sum((-2, -1)).real, 1e-13)


@pytest.mark.slow
def test_numerical_radius_has_no_second_derivative_at_ties_and_disks():
    hessian = jax.jit(jax.hessian(numerical_radius))
    for A in (np.eye(2), np.zeros((2, 2)), np.array([[0.0, 2.0], [0.0, 0.0]])):
        assert_nan(hessian(A))


@pytest.mark.parametrize("dtype, scales", [("f4", (1e-15, 1e30)), ("f8", (1e-110, 1e-250, 1e250))])
def test_numerical_radius_at_any_scale(dtype, scales):
    """w(M + tF) = 3.5 + 1.5 t + √(2.5 - t/4 + 5t²/16): θ = 0. And s D²w(sM)[F, F] = D²w(M)[F, F]."""
    truth = 0.625 / (2 * 2.5**0.5) - 0.0625 / (4 * 2.5**1.5)
    M, F = np.array([[3, 1], [2, 4]], dtype), np.array([[1, -1], [0.5, 2]], dtype)
    gradient = jax.grad(numerical_radius)
    second = jax.jit(lambda M: (jax.jvp(gradient, (M,), (F,))[1] * F).sum())
    for scale in (1.0, *scales):
        got = second(M * M.dtype.type(scale)) * scale
        np.testing.assert_allclose(got, truth, rtol=100 * np.finfo(dtype).eps)


@pytest.mark.slow
def test_numerical_radius_along_directions_of_its_size():
    M, F = 1e-15 * np.array([[[3, 1], [2, 4]], [[1, -1], [0.5, 2]]])
    M, F = M.astype(np.float32), F.astype(np.float32)
    along = lambda f: lambda M: jax.jvp(f, (M,), (F,))[1]  # noqa: E731
    second = jax.jit(along(along(numerical_radius)))(M)
    np.testing.assert_allclose(second / 1e-15, 0.1936895, rtol=1e-5)


@pytest.mark.parametrize("dtype, p", [("float64", 3000), ("float32", 300)])
def test_large_exponents(dtype, p):
    """Powers of 0.71 and of 1.4 are out of range, and so are those of √64."""
    for largest in (0.71, 1.4):
        x = jnp.asarray([largest, 0.3], dtype)
        for f, at in ((lambda x: norm(x, p), x), (lambda A: schatten_norm(A, p), jnp.diag(x))):
            value, slope = jax.value_and_grad(f)(at)
            np.testing.assert_allclose(value, x[0], rtol=10 * float(jnp.finfo(dtype).eps))
            rounding = 10 * p * float(jnp.finfo(dtype).eps)
            np.testing.assert_allclose(slope, jnp.where(at == x[0], 1, 0), atol=rounding)


@pytest.mark.parametrize("p", [8, 22])
def test_a_large_rank_one_matrix(p):
    A = np.ones((64, 64), np.float32)
    value, slope = jax.value_and_grad(lambda A: schatten_norm(A, p))(A)
    eps = np.finfo(np.float32).eps  # singular values have errors of some √64 of it
    np.testing.assert_allclose(value, 64, rtol=20 * eps)
    np.testing.assert_allclose(slope, A / 64, atol=20 * eps)


def test_empty_batches():
    for f in (numerical_radius, lambda A: schatten_norm(A, 2)):
        assert f(jnp.zeros((0, 3, 3))).shape == (0,)


def test_infinite_entries():
    for x in ([np.inf, 1], [np.inf + 0j, 1], [[np.inf, 1]], [[1, 2], [3, -np.inf]]):
        assert np.isinf(norm(jnp.array(x)))

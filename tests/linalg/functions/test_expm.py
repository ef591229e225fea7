"""exp(A): Ward's matrices, triangular and overscaled ones, and its derivatives at any gap."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import expm, expm_frechet

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
    grcar,
    hermitian,
    judge,
    reflect,
    rounding,
    true_expm,
    unitary_phases,
)
from ...helpers._heavy import heavy_but

compiled = jax.jit(expm)


def expm_hermitian(A):
    return expm(A, hermitian=True)


@pytest.mark.parametrize("name", heavy_but(GENERAL, ["defective", "badly scaled", "n=0"]))
def test_promise(name):
    assert_promise(expm, GENERAL[name], truth=true_expm, reference=scipy.linalg.expm)


def test_promise_at_a_singular_matrix():
    assert_promise(expm, SINGULAR, truth=true_expm, reference=scipy.linalg.expm)


def test_promise_at_zero():
    assert_promise(expm, np.zeros((4, 4)), truth=true_expm)


@pytest.mark.parametrize("name", heavy_but(SYMMETRIC, []))
def test_promise_hermitian(name):
    assert_promise(
        expm_hermitian, SYMMETRIC[name], truth=hermitian(true_expm), reference=scipy.linalg.expm
    )


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow) for kind in (np.asarray, unitary_phases)],
    ids=["real", "complex"],
)
def test_gaps(kind):
    assert_right_at_gaps(expm, true_expm, [kind(gap_matrix(gap)) for gap in GAPS], symmetric=False)


def test_gaps_non_normal():
    """From a Toeplitz matrix with one eigenvalue that is nearly defective to separate ones."""

    def nearly_defective(gap):
        return np.eye(4) + np.diag([2.0, 1.0, 1.0], 1) + 1e-3 * gap * np.diag([1.0, 1.0, 1.0], -1)

    assert_right_at_gaps(expm, true_expm, [nearly_defective(g) for g in GAPS], symmetric=False)


def test_triangular_derivatives():
    """The closed forms on the diagonal of a triangular matrix carry derivatives of every order."""
    A = np.triu(grcar(4)) + np.diag([0.0, 1.0, 2.0, 2.0])
    assert_right_at_gaps(expm, true_expm, [A, A.T, np.diag(np.diag(A))], symmetric=False)


@pytest.mark.parametrize(
    "A",
    [[[1.0, 1e6], [0.0, -1.0]], [[1.0, 1e12], [0.0, -1.0]], [[-1e6, 0.0], [0.0, -1e6]]],
    ids=str,
)
@pytest.mark.parametrize("transpose", [False, True])
def test_triangular(A, transpose):
    """Every entry, to 1e-13; a lower triangular matrix is as good as an upper one."""
    A = np.array(A).T if transpose else np.array(A)
    truth = derivative(true_expm, (A,))
    np.testing.assert_allclose(compiled(A), truth, rtol=1e-13, atol=0)


def test_rotation():
    A = np.array([[0.0, -1e3], [1e3, 0.0]])
    truth = np.array([[np.cos(1e3), -np.sin(1e3)], [np.sin(1e3), np.cos(1e3)]])
    assert_relative(compiled(A), truth, 1e-11)


WARD = {
    "1": [[4, 2, 0], [1, 4, 1], [1, 1, 4]],
    "2": [
        [29.87942128909879, 0.7815750847907159, -2.289519314033932],
        [0.7815750847907159, 25.72656945571064, 8.680737820540137],
        [-2.289519314033932, 8.680737820540137, 34.39400925519054],
    ],
    "3": [[-131, 19, 18], [-390, 56, 54], [-387, 57, 52]],
    "4": np.eye(10, k=1) + 1e-10 * np.eye(10, k=-9),
}


@pytest.mark.parametrize("name", WARD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ward(name, dtype):
    """Ward, SIAM J. Numer. Anal. 14 (1977) 600: 50 units in the last place, times the condition."""
    A = np.array(WARD[name], dtype)
    condition = scipy.linalg.expm_cond(A.astype(float))
    truth, got = derivative(true_expm, (A,)), np.asarray(compiled(A))
    assert got.dtype == dtype
    error = np.linalg.norm(got - truth) / np.linalg.norm(truth)
    assert error <= 50 * np.finfo(dtype).eps * condition


def side_by_side():
    """Norms 1e-3, 1e5 and 1, stable so that nothing overflows."""
    skew = np.triu(grcar(4), 1) - np.triu(grcar(4), 1).T
    return np.stack([1e-3 * grcar(4), -1e5 * GENERAL["spd"], 1e5 * skew, grcar(4)])


@pytest.mark.slow
def test_neighbours_in_a_batch_do_not_disturb_each_other():
    """Alone as in company, to the bit; derivatives too."""
    batch = side_by_side()
    together, alone = compiled(batch), [compiled(A[None])[0] for A in batch]
    np.testing.assert_array_equal(together, np.stack(alone))

    def gradients(A):
        return jax.grad(lambda A: expm(A).sum())(A)

    together, alone = gradients(batch), [gradients(A[None])[0] for A in batch]
    np.testing.assert_array_equal(together, np.stack(alone))
    for A, value in zip(batch, compiled(batch), strict=True):
        truth, tolerance = judge(true_expm, (A,))
        assert_close(value, truth, tolerance)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e50, 1e100, 1e200, 8e307])
def test_nilpotent(size):
    """N² = 0, so exp(N) = I + N, at any size of N, but for the rounding of the polynomial."""
    N = np.zeros((4, 4))
    N[:2, 2:] = size
    np.testing.assert_allclose(compiled(N), np.eye(4) + N, rtol=4e-16, atol=0)
    np.testing.assert_allclose(compiled(N.T), np.eye(4) + N.T, rtol=4e-16, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_at_the_ends_of_the_range(dtype):
    """Where 2^s, 2^-s or the reciprocal of the norm is no number, or none that a CPU sees."""
    for size in np.finfo(dtype).max / np.array([4, 8, 16], dtype):
        A = size * GENERAL["spd"].astype(dtype) / 2
        assert np.isfinite(np.linalg.norm(A, 1))
        np.testing.assert_array_equal(compiled(-A), np.zeros((4, 4)))
        np.testing.assert_array_equal(jax.jvp(expm, (-A,), (A,))[1], np.zeros((4, 4)))
        np.testing.assert_array_equal(expm_hermitian(-A), np.zeros((4, 4)))
    for size in np.finfo(dtype).tiny * np.array([1, 2, 16], dtype):
        A = size * GENERAL["spd"].astype(dtype)
        for B in (A, A / 1024):
            np.testing.assert_allclose(compiled(B), np.eye(4) + B, rtol=0, atol=np.abs(B).max())


@pytest.mark.parametrize("size", [2.0**4, 2.0**10])
def test_nilpotent_hidden(size):
    """A full matrix with N² = 0, whose exponential has a condition number of about ‖N‖³."""
    N = size * np.array([[1.0, -1.0], [1.0, -1.0]])
    truth, tolerance = judge(true_expm, (N,))
    assert_close(compiled(N), truth, tolerance)


def rotated(b, angle=0.3):
    """Al-Mohy and Higham (2009), example 1.1, rotated, so that it is not triangular."""
    c, s = np.cos(angle), np.sin(angle)
    Q = np.array([[c, -s], [s, c]])
    return Q @ np.array([[1.0, b], [0.0, -1.0]]) @ Q.T


@pytest.mark.parametrize("b", [1e2, 1e4])
def test_overscaling(b):
    truth, tolerance = judge(true_expm, (rotated(b),))
    assert_close(compiled(rotated(b)), truth, tolerance)


def test_overscaling_is_no_worse_than_scipy():
    """At b = 1e6 each of the 18 squarings that such a method needs costs digits: how many is the luck
    of the rounding errors, so over twenty matrices."""
    matrices = [rotated(1e6, angle) for angle in np.linspace(0.1, 1.4, 20)]
    truths = [derivative(true_expm, (A,)) for A in matrices]

    def mean_error(f):
        errors = [np.abs(f(A) - truth).max() for A, truth in zip(matrices, truths, strict=True)]
        return np.exp(np.mean(np.log(errors)))

    assert mean_error(compiled) <= 2 * mean_error(scipy.linalg.expm)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("route", [expm, expm_hermitian])
def test_not_finite(bad, route):
    """NaN, soon, and for the one matrix that has it."""
    batch = np.stack([grcar(4), GENERAL["spd"]])
    batch[0, 1, 2] = bad
    value, gradient = route(batch), jax.grad(lambda A: route(A).sum())(batch)
    assert_nan(value[0])
    assert_nan(gradient[0])
    assert np.isfinite(value[1]).all()
    assert np.isfinite(gradient[1]).all()


def test_integers_are_promoted():
    A = np.array(WARD["1"])
    np.testing.assert_array_equal(expm(jnp.asarray(A)), expm(A.astype(float)))


def test_empty_batch():
    assert expm(jnp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert jax.grad(lambda A: expm(A).sum())(jnp.zeros((0, 3, 3))).shape == (0, 3, 3)


@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 3, 3)])
def test_expm_frechet(shape, key):
    A, E = jax.random.normal(key, (2, *shape))
    value, tangent = expm_frechet(A, E)
    for i in np.ndindex(shape[:-2]):
        for got, truth in zip((value, tangent), scipy.linalg.expm_frechet(A[i], E[i]), strict=True):
            _, tolerance = judge(true_expm, (A[i],), (E[i],))
            assert_close(got[i], truth, 4 * tolerance)
    np.testing.assert_array_equal(expm_frechet(A, E, compute_expm=False), tangent)


def test_a_nonlinear_loss_has_the_hessian_of_plain_jax(key):
    """Along one direction, forward over reverse, at a matrix where plain JAX is right."""
    A, E = np.asarray(jax.random.normal(key, (2, 4, 4)))

    def product(f):
        def gradient(A):
            return jax.grad(lambda A: jnp.sin(f(A)).sum())(A)

        return jax.jit(lambda A, E: jax.jvp(gradient, (A,), (E,))[1])(A, E)

    truth = product(jax.scipy.linalg.expm)
    assert_close(product(expm), truth, rounding((A,)) * np.abs(truth).max() * 10)


@pytest.mark.parametrize("loss", ["linear", "sine"])
def test_memory(loss):
    """The gradient's temporaries, to the byte, against those of `jax.scipy.linalg.expm`.

    For the linear loss they are a quarter at most. For the sine they are seven matrices, and vectors
    beside them, with either jax; a quarter of jax's own is 7.25 matrices in jax 0.10, but 7.002 in
    jax 0.12 (7.04 / 28.01 = 0.2513), so there the limit is absolute.
    """
    n = 256
    A = W = jax.ShapeDtypeStruct((n, n), jnp.float64)

    def temporaries(f):
        def total(A, W):
            return (W * f(A)).sum() if loss == "linear" else jnp.sin(f(A)).sum()

        gradient = jax.jit(jax.grad(total)).lower(A, W).compile()
        return gradient.memory_analysis().temp_size_in_bytes

    if loss == "linear":
        assert 4 * temporaries(expm) <= temporaries(jax.scipy.linalg.expm)
    else:
        assert temporaries(expm) <= 7.1 * n * n * 8


def test_repeated_eigenvalues_agree_with_the_spectral_route():
    A = reflect(1.0, 1.0, 2.0, 2.0)
    truth, tolerance = judge(true_expm, (A,))
    for route in (expm, expm_hermitian):
        assert_close(route(A), truth, tolerance)


def exact_expm(A, bits=256):
    """exp(A) in integers scaled by 2^bits, for sizes at which numbers of 60 digits take minutes."""
    s = 6 + max(0, int(np.ceil(np.log2(np.linalg.norm(A, 1)))))
    X = np.vectorize(lambda x: int(Fraction(x) * 2 ** (bits - s)), otypes=[object])(A)
    one = np.eye(len(A), dtype=int).astype(object) << bits
    P = one
    for j in range(26, 0, -1):
        P = one + (X @ P >> bits) // j
    for _ in range(s):
        P = P @ P >> bits
    return np.vectorize(lambda k: float(Fraction(k, 2**bits)), otypes=[float])(P)


def assert_scaled_enough(A):
    """exp(A), D exp(A)[A] = A exp(A) and D exp(A)[I] = exp(A) within 5 eps ‖A‖₁, in the 1-norm.

    Half of it is needed. A squaring too few, where rounding up leaves their number no slack, takes 10
    in the value and 23 in the derivative.
    """
    value, identity = exact_expm(A), np.eye(len(A))
    for got, truth in (
        (compiled(A), value),
        (expm_frechet(A, A, compute_expm=False), A @ value),
        (expm_frechet(A, identity, compute_expm=False), value),
    ):
        error = np.linalg.norm(got - truth, 1) / np.linalg.norm(truth, 1)
        assert error <= 5 * np.finfo(float).eps * np.linalg.norm(A, 1)


LARGE = {  # the size from which on powers of A are estimated
    "random": np.random.default_rng(0).normal(size=(32, 32)),
    "Grcar": grcar(32),
    "nilpotent": 3 * np.eye(32, k=1) + 2 * np.eye(32, k=5),
    "rotations": 5 * np.kron([[0, 1], [-1, 0]], np.eye(16)),
    "Hadamard": scipy.linalg.hadamard(32) / 4.0,
    "chirp": np.cos(0.7 * np.outer(np.arange(32), np.arange(32) ** 2)),
    "rank one": np.outer(np.ones(32), np.linspace(-1, 1, 32)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_matrices_are_scaled_enough(name):
    assert_scaled_enough(LARGE[name])


@pytest.mark.parametrize("size", 8 * 2 ** (np.arange(8) / 8))
def test_the_estimate_alone_scales_enough(size):
    """Where every other bound is useless or far too large, at all fractions of a squaring.

    The circulant B of signs has powers that neither decay nor prefer an entry, and |B| is twice as
    large. N is invisible in |A|^8 and A⁴, but ‖N²‖ is what the bound from A² sees.
    """
    signs = np.where(np.isin(np.arange(29), [3, 4, 9, 13, 20, 22, 27]), -1, 1)
    B = size * scipy.linalg.circulant(signs) / signs.sum()
    N = 32 * np.diag([1.0, 1.0], 1)
    assert_scaled_enough(scipy.linalg.block_diag(B, N))

"""Eigenvalues of general matrices: simple ones at every order, and symmetric losses at ties."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import eigvalsh, svdvals
from mcjax.linalg.spectral._eig_extremes import spectral_abscissa, spectral_radius
from mcjax.linalg.spectral._eigvals import eigvals

from ...helpers import (
    along,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
    grcar,
    hidden_jordan,
    identity,
    reflect,
    true_solve,
)
from ...helpers._jets import exact
from ...helpers._truth_equations import numbers

EPS = np.finfo(float).eps
rng = np.random.default_rng(0)
E, F = rng.normal(size=(2, 4, 4))
S = np.array([[1, 2, 0, 1], [0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]], float)
COMPLEX = grcar(4) + 0.25j * rng.normal(size=(4, 4))


def similar(J):
    return S @ J @ np.linalg.inv(S)


def jordan(m, n=4):
    """One Jordan block of size m for 2, and simple eigenvalues 3, 4, .. ."""
    J = np.diag([2.0] * m + [3.0 + k for k in range(n - m)])
    J[range(m - 1), range(1, m)] = 1
    return J


SEMISIMPLE = {
    "identity": np.eye(4),
    "zero": np.zeros((4, 4)),
    "diagonal": np.diag([2.0, 2.0, 3.0, 3.0]),
    "similar": similar(np.diag([2.0, 2.0, 2.0, 3.0])),
    "symmetric": reflect(1.0, 1.0, 2.0, 4.0),
    "to rounding": similar(np.diag([2.0, 2.0 + 1e-14, 3.0, 5.0])),
    "pairs": np.kron(np.eye(2), [[1.0, 2.0], [-2.0, 1.0]]),
}
DEFECTIVE = {
    "block": (jordan(2), 2),
    "similar": (similar(jordan(2)), 2),
    "hidden": (hidden_jordan(), 3),
    "nilpotent": (np.diag([1.0, 1.0, 1.0], 1), 4),
    "two blocks": (
        np.kron(np.diag([1.0, 3.0]), [[1.0, 0.0], [0.0, 1.0]]) + np.diag([1.0, 0, 1], 1),
        2,
    ),
}


def true_pairs(A, near):
    """λ and v of the eigenvalues next to given numbers: Newton's method on (A - λ) v = 0, r v = 1."""
    n, found, plain = len(A), [], numbers(A)
    for x in near:
        start = np.linalg.svd(plain - x * np.eye(n))[2][-1].conj()
        exactly = np.vectorize(lambda z: exact(complex(z)), otypes=[object])
        row, v, x = exactly(start.conj()[None, :]), exactly(start[:, None]), exact(complex(x))
        corner = np.array([[exact(0.0)]], object)
        for _ in range(5):
            M = A - identity(n) * x
            residual = np.concatenate([M @ v, row @ v - exact(1.0)])
            step = true_solve(np.block([[M, -v], [row, corner]]), residual)
            v, x = v - step[:n], x - step[n, 0]
        found.append((x, v[:, 0]))
    return found


def true_eigvals(A):
    return np.array([x for x, _ in true_pairs(A, np.linalg.eigvals(numbers(A)))], object)


def cubes(A):
    w = eigvals(A)
    return (w**3).sum().real + (w.sum() ** 2).real


def plain_cubes(A):
    return jnp.trace(A @ A @ A).real + (jnp.trace(A) ** 2).real


@cache
def _orders(f):
    """Value, gradient, derivative and Hessian along E of Re Σ a λ + c cubes, for stacks."""

    def orders(A, E, a, c):
        def loss(A):
            return f(A, a, c)

        gradient = jax.grad(loss)
        return loss(A), gradient(A), along(loss, (E,))(A), along(gradient, (E,))(A)

    return jax.jit(jax.vmap(orders))


def orders(matrices, a=0.0, c=1.0, direction=E, f=None):
    """Of at most a dozen, which are filled up to one: one program for all tests."""
    count = len(matrices)
    A = np.stack([*matrices, *[np.eye(4)] * (12 - count)])
    a = np.resize(np.broadcast_to(np.asarray(a, complex), (count, 4)), (12, 4))
    results = _orders(f or _loss)(A, np.broadcast_to(direction, A.shape), a, np.full(12, c))
    return [x[:count] for x in jax.device_get(results)]


def _loss(A, a, c):
    w = eigvals(A)
    kept = jnp.where(c == 0, 0, w)
    return (a * w).sum().real + c * ((kept**3).sum().real + (kept.sum() ** 2).real)


def _plain_loss(A, a, c):
    return c * plain_cubes(A)


@pytest.mark.slow
def test_promise():
    assert_promise(eigvals, COMPLEX, truth=true_eigvals, reference=np.linalg.eigvals)


def test_simple_eigenvalues_of_real_matrices():
    """Hessians, of which stock JAX has none (PEERS row 17b), with complex pairs."""
    A, a = grcar(4), np.array([1.0, 2.0, 3.0, 4.0]) * (2 - 1j)
    got = orders([A], a, 0.0)

    def true(A):
        return (true_eigvals(A) * a).sum()

    slope, bend = (derivative(true, (A,), *d).real for d in (((E,),), ((E,), (F,))))
    np.testing.assert_allclose(got[2][0], slope, rtol=1e-12)
    np.testing.assert_allclose((got[1][0] * E).sum(), slope, rtol=1e-12)
    np.testing.assert_allclose((got[3][0] * F).sum(), bend, rtol=1e-12)


NILPOTENT = np.diag([0.0, 1.0, 0.0], 1)  # a direction that leaves a tie tied, to first order


@pytest.mark.parametrize("direction", [E, NILPOTENT], ids=["generic", "nilpotent"])
def test_symmetric_functions_at_semisimple_ties(direction):
    A = [*SEMISIMPLE.values()]
    got = orders(A, direction=direction)
    truth = orders(A, direction=direction, f=_plain_loss)
    for x, y in zip(got, truth, strict=True):
        for i, name in enumerate(SEMISIMPLE):
            np.testing.assert_allclose(
                x[i], y[i], atol=1e-12 * max(1, np.abs(y[i]).max()), err_msg=name
            )


def test_symmetric_functions_at_defective_matrices():
    """The gradient to eps^{1/m}; no tangents of eigenvalues, which move as t^{1/m}."""
    A = [A for A, _ in DEFECTIVE.values()]
    value, gradient, slope, bend = orders(A)
    truth = orders(A, f=_plain_loss)
    for i, (_, m) in enumerate(DEFECTIVE.values()):
        np.testing.assert_allclose(value[i], truth[0][i], atol=1e-12 * abs(truth[0][i]) + 1e-13)
        assert_relative(gradient[i], truth[1][i], 100 * EPS ** (1 / m), f"matrix {i}")
    assert_nan(slope)
    assert_nan(bend)


def test_trace_of_the_square_of_a_nilpotent_matrix():
    """PEERS row 16: stock JAX has 0."""
    gradient = jax.grad(lambda A: (eigvals(A) ** 2).sum().real)(np.array([[0.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(gradient, [[0, 0], [2, 0]], atol=1e-14)


def test_what_does_not_exist_is_nan():
    """The gradient of one eigenvalue of a tie, at any scale of the loss."""
    ties = [A for A, _ in DEFECTIVE.values()] + [*SEMISIMPLE.values()]
    for scale in (1.0, 1e-6):
        weights = scale * np.array([1.0, 2.0, 4.0, 7.0]) * (1 + 0.5j)
        assert_nan(orders(ties, weights, 0.0)[1])


def test_one_sided_derivatives_at_a_semisimple_tie():
    A, T = SEMISIMPLE["similar"], np.linalg.inv(S) @ E @ S
    slopes = jax.jit(along(eigvals, (E,)))(A)
    true = [*np.linalg.eigvals(T[:3, :3]), T[3, 3]]
    got, true = (np.sort_complex(np.round(x, 11)) for x in (slopes, true))
    np.testing.assert_allclose(got, true, atol=1e-10)


def test_simple_eigenvalue_beside_a_defective_one():
    """All its derivatives have the digits that its own condition leaves."""
    blocks = [jordan(2), jordan(3)]
    A = [similar(J) for J in blocks]
    w = jax.jit(jax.vmap(lambda A: jax.jvp(eigvals, (A,), (A,))[0]))(np.stack(A))
    last = (np.argmax(w.real, -1)[:, None] == np.arange(4)[None, :]).astype(float)
    value, gradient, _, bend = orders(A, last, 0.0)
    for i, J in enumerate(blocks):

        def true(A, near=J[3, 3]):
            return np.array([true_pairs(A, [near])[0][0]], object)

        kappa = np.linalg.norm(S[:, 3]) * np.linalg.norm(np.linalg.inv(S)[3])
        np.testing.assert_allclose(value[i], J[3, 3], rtol=20 * kappa * EPS)
        slope, second = (derivative(true, (A[i],), *d).real for d in (((F,),), ((E,), (F,))))
        np.testing.assert_allclose((gradient[i] * F).sum(), slope[0], rtol=1e-12)
        np.testing.assert_allclose((bend[i] * F).sum(), second[0], rtol=1e-11)


EXTREMES = {
    "abscissa": (spectral_abscissa, lambda w: w.real),
    "radius": (spectral_radius, lambda w: jnp.abs(w)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(name):
    """Where one eigenvalue or a conjugate pair attains it: as the largest of `eigvals`."""
    f, height = EXTREMES[name]

    def orders(f):
        return along(jax.value_and_grad(f), (E,))

    A = np.stack([grcar(4), S + F, E @ E.T - F])
    both = lambda A: (orders(f)(A), orders(lambda A: height(eigvals(A)).max())(A))  # noqa: E731
    for got, true in zip(*jax.jit(jax.vmap(both))(A), strict=True):
        assert_relative(got, true, 1e-12)


def test_subgradients():
    """At ties that of the mean, whose derivative no tie hurts; and no second derivative."""
    rotation, block = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[2.0, 1.0], [0.0, 2.0]])
    nilpotent = block - 2 * np.eye(2)
    matrices = np.stack([np.eye(2), np.diag([1.0, -1.0]), rotation, block, nilpotent])
    gradient = jax.jit(jax.vmap(jax.grad(spectral_radius)))(matrices)
    both = jax.jit(jax.vmap(lambda A: jax.jvp(jax.grad(spectral_abscissa), (A,), (A + 1,))))
    abscissa, bend = both(matrices)
    half, near = np.eye(2) / 2, 10 * EPS**0.5
    np.testing.assert_allclose(abscissa, [half, np.diag([1.0, 0]), half, half, half], atol=near)
    expected = [half, np.diag([0.5, -0.5]), rotation / 2, half, 0 * half]
    np.testing.assert_allclose(gradient, expected, atol=near)
    assert_nan(bend[np.array([0, 3, 4])])
    assert np.isfinite(bend[1:3]).all()


DEFECTIVE_BESIDE_A_TIE = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 5, 1], [0, 0, 0, 5]])


def test_the_order_is_that_of_the_value():
    """Differentiated, a defective matrix is split, which LAPACK orders otherwise."""
    for A in (
        DEFECTIVE_BESIDE_A_TIE,
        DEFECTIVE_BESIDE_A_TIE.T,
        np.diag([2.0, 2, -1]) + np.eye(3, k=1),
    ):
        value = eigvals(A)
        differentiated = jax.jvp(eigvals, (A,), (np.eye(len(A)),))[0]
        np.testing.assert_allclose(differentiated, value, atol=10 * EPS**0.5)  # ε^{1/m}, m = 2


def test_tie_beside_a_defective_eigenvalue():
    """The slopes of the tie are those of its block, 2 and 3, and Σ λ³ over it has the slope 3 (2 + 3)."""
    A, k = DEFECTIVE_BESIDE_A_TIE, slice(0, 2)
    D = np.diag([2.0, 3, 0.3, -0.2]) + np.diag([0, 0, 0.7], 1) + np.diag([0, 0, 0.5], -1)
    loss = lambda A: (eigvals(A)[k] ** 3).sum().real  # noqa: E731
    slopes = jax.jvp(eigvals, (A,), (D,))[1][k]
    np.testing.assert_allclose(np.sort(slopes.real), [2, 3], rtol=100 * EPS)
    for slope in (jax.jvp(loss, (A,), (D,))[1], (jax.grad(loss)(A) * D).sum()):
        # The matrix decomposed is 4 ε ‖A‖ away in every entry, ‖A‖ < 8, n = 4, and λ² doubles it.
        np.testing.assert_allclose(slope, 15, rtol=256 * EPS)


@pytest.mark.parametrize("function", [eigvals, eigvalsh, svdvals])
def test_every_order_of_a_simple_eigenvalue_beside_a_tie(function):
    """λ₃ of diag(1, 1, 3) has the second derivative 2 (1 + 4)/2 along the last row and column (1, 2)."""
    A, D = np.diag([1.0, 1, 3]), np.array([[0.0, 0, 1], [0, 0, 2], [1, 2, 0]])
    largest = np.argmax(np.asarray(function(A)).real).item()

    @partial(jax.jit, static_argnums=0)
    def orders(k, A):
        f = lambda A: function(A)[k].real  # noqa: E731
        slope = lambda A: jax.jvp(f, (A,), (D,))[1]  # noqa: E731
        pulled = lambda A: (jax.grad(f)(A) * D).sum()  # noqa: E731
        return [
            derivative
            for outer in (slope, pulled)
            for derivative in (jax.jvp(outer, (A,), (D,))[1], (jax.grad(outer)(A) * D).sum())
        ]

    np.testing.assert_allclose(orders(largest, A), [5] * 4, rtol=100 * EPS)
    forwards, reverse_over_forward, *_ = orders(1, A)
    assert_nan(forwards)
    assert_nan(reverse_over_forward)


def test_types_and_bad_input():
    A = SEMISIMPLE["similar"].astype("float32")
    assert eigvals(A).dtype == eigvals(A.astype("complex64")).dtype == "complex64"
    assert_relative(jax.jit(jax.grad(cubes))(A), jax.grad(plain_cubes)(A), 1e-4)
    assert eigvals(np.zeros((2, 0, 0))).shape == (2, 0)
    assert spectral_radius(np.zeros((2, 0, 0))).shape == (2,)
    np.testing.assert_allclose(eigvals([[3]]), [3])
    value, gradient, *_ = orders([np.eye(4), np.full((4, 4), np.inf)])
    assert_nan(value[1])
    assert_nan(gradient[1])
    np.testing.assert_allclose(gradient[0], 11 * np.eye(4), atol=1e-13)
    with pytest.raises(ValueError, match="eigvals: expected square"):
        eigvals(np.ones((2, 3)))
    with pytest.raises(ValueError, match="spectral_abscissa: expected square"):
        spectral_abscissa(np.ones((2, 3)))


@pytest.mark.parametrize("f", [eigvals, pytest.param(spectral_radius, marks=pytest.mark.slow)])
def test_lowers_for_cuda(f):
    assert_lowers_for_cuda(f, grcar(4))

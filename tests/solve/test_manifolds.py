"""Minima on manifolds against eigenvectors, polar factors and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
import scipy.linalg

from mcjax.linalg import eigh, orthogonal_procrustes
from mcjax.solve import SPD, STATUS, Sphere, Stiefel, run_optax

EPS = jnp.finfo(float).eps
SUCCESS = optx.RESULTS.successful
RNG = np.random.default_rng(7)
A = RNG.normal(size=(3, 3))
A = A + A.T + np.diag([-2.0, 0.0, 2.0])
B = RNG.normal(size=(3, 3))
T = np.array([0.3, -0.2])


def symmetric(t):
    """A matrix that depends on two numbers, not linearly."""
    return jnp.asarray(A) + t[0] * jnp.asarray(B + B.T) + t[1] * t[0] * jnp.asarray(B @ B.T)


def orders(value):
    """t ↦ value, derivatives in reverse, second ones forward over that, and aux, in one run."""

    def first(t):
        slope, aux = jax.jacrev(value, has_aux=True)(t)
        return slope, (slope, aux)

    return jax.jit(jax.jacfwd(first, has_aux=True))


def agrees(found, truth, rtol, order):
    """Value and derivatives up to an order of a solution, found in one run, with those of a formula."""

    def taylor(value):
        first = jax.jacrev(value, has_aux=True)
        return orders(value)(T) if order == 2 else jax.jit(lambda t: (0, first(t)))(T)

    second, (slope, (value, result)) = taylor(found)
    true_second, (true_slope, (true_value, _)) = taylor(lambda t: (truth(t), (truth(t), 0)))
    assert result == SUCCESS
    for a, b in ((value, true_value), (slope, true_slope), (second, true_second)):
        np.testing.assert_allclose(a, b, atol=rtol * np.abs(b).max())


ORDERS = pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])


def minimum(fn, steps, y0, manifold, **more):
    def run(t):
        found = run_optax(fn, steps, y0, t, manifold=manifold, throw=False, **more)
        return found.value, (found.value, found.result)

    return run


def with_sign(vectors, like):
    return vectors * jax.lax.stop_gradient(jnp.sign((vectors * like).sum(0, keepdims=True)))


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_least_eigenvector_on_the_sphere(order):
    """min x·A(t)x on ‖x‖ = 1, f in tiny units."""
    y0 = np.array([1.0, 0.5, 0.2])
    found = minimum(
        lambda x, t: 1e-9 * (x @ symmetric(t) @ x), optax.sgd(5e7), y0, Sphere(), tol=1e-12
    )
    agrees(found, lambda t: with_sign(eigh(symmetric(t))[1][:, 0], y0), 1e-12, order)


def test_a_saddle_on_the_sphere_is_no_minimum():
    """Started at the middle eigenvector, exactly, and a little off it."""
    values = jnp.array([-1.0, 1.0, 3.0])

    @jax.jit
    @jax.vmap
    def run(off):
        found = run_optax(
            lambda x, _: values @ x**2, optax.sgd(0.1), jnp.array([0.0, 1.0, 0.0]).at[0].set(off),
            manifold=Sphere(), throw=False, max_steps=400,
        )  # fmt: skip
        return found.value, found.certificate

    x, certificate = run(jnp.array([0.0, 0.1]))
    assert (certificate.status == STATUS.saddle)[0] and certificate.stationary[1]
    np.testing.assert_allclose(x[1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(certificate.curvature[0], -1, rtol=1e-12)  # -4 of -4, 4, and 0


@ORDERS
def test_procrustes_among_the_orthogonal_matrices(order):
    points = jnp.asarray(RNG.normal(size=(5, 3)))
    turn = jnp.asarray(scipy.linalg.expm(0.2 * (B - B.T)))

    def data(t):
        return points @ turn + t[0] * points**2 + t[1] * t[0]

    def truth(t):
        return orthogonal_procrustes(points, data(t))[0]

    found = minimum(
        lambda R, t: ((points @ R - data(t)) ** 2).sum(), optax.sgd(0.02), np.eye(3), Stiefel()
    )
    agrees(found, truth, 1e-11, order)


@pytest.mark.slow
def test_brockett_on_the_stiefel_manifold():
    """min tr(Xᵀ A X N): the first eigenvectors, in the order of the weights N."""
    y0 = np.linalg.qr(np.linalg.eigh(symmetric(T))[1][:, :2] + 0.3 * B[:, :2])[0]
    weights = jnp.array([2.0, 1.0])
    found = minimum(
        lambda X, t: ((X.T @ symmetric(t) @ X).diagonal() * weights).sum(),
        optax.sgd(0.03, momentum=0.5), y0, Stiefel(),
    )  # fmt: skip
    agrees(found, lambda t: with_sign(eigh(symmetric(t))[1][:, :2], y0), 1e-11, 2)


def spectra(t):
    """Positive numbers (3, 2): the eigenvalues of three matrices of one basis."""
    a, b = t
    return jnp.stack([jnp.stack([1 + a, 2 - b]), jnp.stack([3 + a * b, 1]), jnp.stack([2, 1 + b])])


def basis(d):
    c, s = np.cos(0.4), np.sin(0.4)
    Q = jnp.array([[c, -s], [s, c]])
    return Q @ jnp.diag(d) @ Q.T


def by_cofactors(X, S):
    """tr X⁻¹S, det X⁻¹S, det X of matrices (2, 2)."""
    det = X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0]
    adjugate = jnp.stack([jnp.stack([X[1, 1], -X[0, 1]]), jnp.stack([-X[1, 0], X[0, 0]])])
    return (adjugate * S.T).sum() / det, (S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]) / det, det


def test_most_likely_covariance():
    """min log det X + tr X⁻¹S is S."""

    def S(t):
        return basis(spectra(t)[0])

    def unlikely(X, t):
        trace, _, det = by_cofactors(X, S(t))
        return jnp.log(det) + trace

    found = minimum(unlikely, optax.sgd(0.5), np.array([[1.0, 0.2], [0.2, 2.0]]), SPD())
    agrees(found, S, 1e-11, 1)


def distance(X, S):
    """Of the affine-invariant metric, squared: Σ log² λ, λ the eigenvalues of X⁻¹ S."""
    trace, product, _ = by_cofactors(X, S)
    mean = trace / 2
    larger = mean + jnp.sqrt(mean**2 - product)
    return jnp.log(larger) ** 2 + jnp.log(product / larger) ** 2


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_mean_of_positive_definite_matrices(order):
    """The Karcher mean of matrices that commute is exp of the mean of their logarithms."""

    def scatter(X, t):
        return jax.vmap(lambda d: distance(X, basis(d)))(spectra(t)).sum()

    found = minimum(scatter, optax.sgd(0.1), np.array([[1.0, 0.2], [0.2, 2.0]]), SPD())
    agrees(found, lambda t: basis(jnp.exp(jnp.log(spectra(t)).mean(0))), 1e-11, order)


@pytest.mark.parametrize("name", ["Sphere", "Stiefel", "SPD"])
def test_tangents_and_retractions(name):
    """tangent projects orthogonally, retract follows it to first order and ends on the manifold."""
    M = dict(Sphere=Sphere(), Stiefel=Stiefel(), SPD=SPD())[name]
    shape = dict(Sphere=(4,), Stiefel=(4, 2), SPD=(3, 3))[name]
    x = RNG.normal(size=shape)
    x = jnp.asarray(x @ x.T + np.eye(3) if name == "SPD" else x)
    if name != "SPD":
        x = M.retract(x, jnp.zeros_like(x))
    v, t, n = jnp.asarray(RNG.normal(size=shape)), 1e-4, x.size

    @jax.jit
    def run(x, v):
        v = M.tangent(x, v)
        flat, off = jax.jacfwd(lambda v: M.tangent(x, v))(v), jax.jacfwd(M.defect)(x)
        return v, flat.reshape(n, n), off.reshape(n, n), *(M.retract(x, s * v) for s in (1, t))

    v, flat, off, moved, little = run(x, v)
    np.testing.assert_allclose(flat, flat.T, atol=20 * EPS)
    np.testing.assert_allclose(flat @ flat, flat, atol=20 * EPS)
    np.testing.assert_allclose(off + flat, np.eye(n), atol=20 * EPS)  # normal, and 1 there
    np.testing.assert_allclose(M.defect(moved), 0, atol=20 * EPS)
    assert np.abs(moved - x).max() > 0.1
    np.testing.assert_allclose(little, x + t * v, atol=10 * t**2 * (v**2).sum())
    if name == "SPD":  # x exp(x⁻¹ v)
        np.testing.assert_allclose(moved, x @ scipy.linalg.expm(np.linalg.solve(x, v)), rtol=1e-11)


def test_bad_input():
    with pytest.raises(ValueError, match="a pytree of them like y0"):
        run_optax(lambda y, _: y["a"].sum(), optax.sgd(0.1), {"a": np.ones(2)}, manifold=Sphere())
    with pytest.raises(ValueError, match="for orthonormal rows use the transpose"):
        run_optax(lambda y, _: y.sum(), optax.sgd(0.1), np.ones((2, 3)), manifold=Stiefel())
    with pytest.raises(ValueError, match="expected a square matrix"):
        run_optax(lambda y, _: y.sum(), optax.sgd(0.1), np.ones((2, 3)), manifold=SPD())


def test_on_the_sphere_to_the_last_digit():
    """In single precision a step of Newton's along the tangent leaves it by its square, 1e-5."""
    weights = jnp.array([1.0, 2.0, 4.0], jnp.float32)
    f = lambda x, _: (weights * x * x).sum()  # noqa: E731
    for start in np.random.default_rng(0).normal(size=(4, 3)):
        y0 = jnp.asarray(start, jnp.float32)
        x = run_optax(f, optax.adam(0.05), y0, manifold=Sphere()).value
        assert abs(float(jnp.linalg.norm(x)) - 1) <= 4 * float(jnp.finfo(jnp.float32).eps)


@pytest.mark.parametrize("gap, start", [(1e-6, 1e-4), (1e-2, 1e-2)])
def test_a_slope_that_is_another_at_the_start(gap, start):
    """A pole beside the start, ∇f of 1e4 to 1e12 there: the minimum on the far side has ∇f of 1."""
    x0, a = jnp.array([1, start, start]), jnp.array([0.3, -0.2])

    def f(x, a):
        return 1 / (1 + gap - x[0]) ** 2 + ((x[1:] - a) ** 2).sum()

    x0 = x0 / jnp.sqrt((x0**2).sum())
    solution = run_optax(f, optax.lbfgs(), x0, a, manifold=Sphere(), polish=3)
    g = jax.grad(f)(solution.value, a)
    assert abs(g - solution.value * (solution.value @ g)).max() < 1e-14
    assert solution.certificate.smallest_singular_value > 0.1


def test_what_lies_on_the_boundary_is_no_positive_definite_matrix():
    """The nearest positive definite matrix to a singular one does not exist; it was NaN, certified."""
    v = jnp.array([0.64, 0.1])
    inside = jnp.array([[1.0, 0.2], [0.2, 2.0]])
    targets = jnp.stack(
        [jnp.zeros((2, 2)), jnp.diag(jnp.array([0.0, 1.0])), jnp.outer(v, v), inside]
    )

    @jax.jit
    @jax.vmap
    def run(t):
        def fn(y, t):
            return ((y - t) ** 2).sum()

        found = run_optax(fn, optax.sgd(0.1), jnp.eye(2), t, manifold=SPD(), throw=False)
        return found.value, found.certificate.status

    found, status = run(targets)
    assert (status == STATUS.infeasible)[:3].all() and (status == STATUS.stationary)[3]
    np.testing.assert_allclose(found, targets, atol=10 * EPS)

"""Gauss-Newton and the natural gradient as transforms of optax, against least squares and definitions."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optax
import pytest

from mcjax.solve import (
    categorical_fisher,
    fisher_vector_product,
    scale_by_gauss_newton,
    scale_by_natural_gradient,
)

EPS = jnp.finfo(float).eps


def linear_problem(dtype):
    rng = np.random.default_rng(1)
    A, b = rng.normal(size=(6, 3)), rng.normal(size=6)
    data, target = jnp.asarray(A, dtype), jnp.asarray(b, dtype)

    def r(x):
        return {"all": data[:, :2] @ x["slope"] + data[:, 2] * x["offset"] - target}

    return A, b, r, {"slope": jnp.ones(2, dtype), "offset": jnp.ones((), dtype)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gauss_newton_solves_a_linear_problem_in_one_step(dtype):
    A, b, r, x = linear_problem(dtype)
    damping = {"slope": jnp.array([1.0, 2.0]), "offset": 0.5}

    def after(*options):
        transform = optax.chain(scale_by_gauss_newton(r, *options), optax.scale(-1.0))
        updates, _ = transform.update(jax.tree.map(jnp.zeros_like, x), transform.init(x), x)
        return optax.apply_updates(x, updates)

    plain, damped = (
        [*y["slope"], y["offset"]] for y in jax.jit(lambda: (after(), after(damping)))()
    )
    tol = {"float32": 1e-5, "float64": 1e-13}[dtype]
    truth = np.linalg.lstsq(A, b)[0]
    np.testing.assert_allclose(plain, truth, rtol=tol)
    D, start = np.diag([1.0, 2.0, 0.5]), np.ones(3)
    truth = start - np.linalg.solve(A.T @ A + D, A.T @ (A @ start - b))
    np.testing.assert_allclose(damped, truth, rtol=tol)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [lx.Normal(lx.CG(1e-12, 1e-12)), lx.LSMR(1e-12, 1e-12)], ids=str)
def test_gauss_newton_by_products_alone(solver):
    A, b, r, x = linear_problem("float64")
    step, _ = jax.jit(lambda: scale_by_gauss_newton(r, 0.0, solver).update(x, None, x))()
    found = np.ones(3) - np.array([*step["slope"], step["offset"]])
    np.testing.assert_allclose(found, np.linalg.lstsq(A, b)[0], rtol=1e-10)


def test_gauss_newton_of_no_full_rank():
    """NaN without damping, and a step with it; NaN too where rounding leaves a pivot that is not 0."""

    @jax.jit
    def run(x):
        def step(weights, *damping):
            transform = scale_by_gauss_newton(lambda x: weights * (x.sum() - 1), *damping)
            return transform.update(x, None, x)[0]

        return step(jnp.ones(1)), step(jnp.array([1.0, 2.0, 0.0])), step(jnp.ones(1), 1.0)

    undamped, rounded, damped = run(jnp.ones(2))
    assert np.isnan(undamped).all() and np.isnan(rounded).all()
    np.testing.assert_allclose(damped, [1 / 3, 1 / 3], rtol=10 * EPS)  # (1 1ᵀ + 1) s = (1, 1)


FEATURES = jnp.arange(8.0).reshape(4, 2) % 3 - 0.7  # a made-up classification: 4 points, 3 classes
LABELS = np.array([0, 2, 1, 2])


def logits(W):
    return jnp.einsum("ki,ij->kj", FEATURES, W)


def log_loss(W):
    return -jax.nn.log_softmax(logits(W))[np.arange(4), LABELS].sum()


W0 = jnp.array([[0.3, -0.2, 0.1], [0.5, 0.4, -0.6]])


def test_the_fisher_product_is_the_covariance_of_scores():
    """F = Σ_y p_y s sᵀ, s = ∇ log p_y, by its definition; for a Gaussian, JᵀJ."""

    def log_p(W):
        return jax.nn.log_softmax(logits(W))

    product = fisher_vector_product(logits, categorical_fisher)

    @jax.jit
    def run():
        scores = jax.jacrev(log_p)(W0).reshape(4, 3, 6)
        basis = jnp.eye(6).reshape(6, 2, 3)
        return scores, jnp.exp(log_p(W0)), jax.vmap(lambda v: product(W0, v))(basis)

    scores, p, F = run()
    truth = np.einsum("ky,kyi,kyj->ij", p, scores, scores)
    np.testing.assert_allclose(F.reshape(6, 6), truth, atol=10 * EPS)


def test_the_natural_gradient_does_not_depend_on_linear_parameters():
    """W = A φ: the step in W is A times the step in φ; and damped, it solves its equation."""
    A = jnp.array([[2.0, 1.0], [-0.5, 3.0]])

    def step(model, loss, x, damping):
        metric = fisher_vector_product(model, categorical_fisher)
        transform = scale_by_natural_gradient(metric, damping, lx.CG(1e-13, 1e-13))
        g = jax.grad(loss)(x)
        s, _ = transform.update(g, transform.init(x), x)
        return s, metric(x, s) + damping * s - g

    @jax.jit
    def run():
        def through(f):
            return lambda phi: f(A @ phi)

        phi = jnp.linalg.inv(A) @ W0
        return (
            step(logits, log_loss, W0, 0.0)[0],
            A @ step(through(logits), through(log_loss), phi, 0.0)[0],
            step(logits, log_loss, W0, 0.1)[1],
        )

    plain, changed, residual = run()
    # Logits are known up to a constant: F is singular, and s too up to its kernel, equal columns.
    plain, changed = (s - s.mean(1, keepdims=True) for s in (plain, changed))
    np.testing.assert_allclose(plain, changed, rtol=1e-9)
    np.testing.assert_allclose(residual, 0, atol=1e-11)

"""No unit of f, of a constraint, or of an equation decides what is a solution, or what its derivative is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mcjax.solve import (
    KKT,
    attach_implicit,
    constrained_minimise,
    root,
    run_optax,
    scale_by_natural_gradient,
    scale_by_newton_cg,
    scale_by_trust_region,
)

HALF, FULL = jnp.float32, jnp.float64
OF_F = [(HALF, 1e-6), (HALF, 1e8), (FULL, 1e-20)]


def close(x, truth, dtype):
    """To some units of rounding: problems of a condition number below 10."""
    assert x.dtype == dtype
    np.testing.assert_allclose(x, truth, rtol=0, atol=100 * jnp.finfo(dtype).eps)


def slanted(size, x):
    """Least on x₀ + x₁ = t at (2t/3, t/3), with the multiplier 4 (3 - t)/3 in size."""
    return size * ((x[0] - 2) ** 2 + 2 * (x[1] - 1) ** 2)


@pytest.mark.parametrize("kind", ["equality", "inequality"])
@pytest.mark.parametrize(
    ("dtype", "size", "unit"),
    [
        (HALF, 1e-6, 1.0),
        (HALF, 1e8, 1e-6),
        (HALF, 1e-12, 1e15),
        (FULL, 1e-20, 1.0),
        (FULL, 1.0, 1e18),
    ],
)
def test_constrained_minimise(dtype, size, unit, kind):
    """A float32 f of 1e-6 was at its minimum anywhere, certified, with derivatives NaN."""
    constraint = {kind: lambda x, t: (t - x[0] - x[1]) * unit}

    def solve(t):
        start = jnp.full(2, 0.3, dtype)
        solution = constrained_minimise(
            lambda x, _: slanted(size, x), None, start, t, **constraint, throw=False
        )
        multiplier = getattr(solution.multipliers, kind)[0] * (unit / size)
        return jnp.append(solution.value, multiplier), solution.certificate.stationary

    (solution, stationary), derivative = jax.jit(
        lambda t: (solve(t), jax.jacfwd(lambda t: solve(t)[0])(t))
    )(dtype(1))
    assert stationary
    close(solution, [2 / 3, 1 / 3, 8 / 3], dtype)
    close(derivative, [2 / 3, 1 / 3, -4 / 3], dtype)


def test_a_portfolio_of_least_variance():
    factors = np.random.default_rng(0).normal(size=(4, 4))
    covariance = (factors @ factors.T / 4 + np.eye(4) / 2) * 1e-6
    truth = np.linalg.solve(covariance, np.ones(4))
    solution = constrained_minimise(
        lambda x, S: x @ S @ x,
        None,
        jnp.full(4, 0.25, HALF),
        jnp.asarray(covariance, HALF),
        equality=lambda x, S: x.sum() - 1,
    )
    close(solution.value, truth / truth.sum(), HALF)


@pytest.mark.parametrize("volume", [0.3, 20.0])
def test_a_start_far_inside(volume):
    """In units of its value the constraint was too weak to hold a cubic back."""

    def inside(x, _):
        return 48 * volume - (jnp.array([1.0, 2, 4]) * x**2).sum()

    solution = constrained_minimise(
        lambda x, _: -x[0] * x[1] * x[2], None, jnp.ones(3), inequality=inside
    )
    box = np.sqrt(volume * np.array([16, 8, 4]))  # the largest in the ellipsoid
    close(solution.value / box, np.ones(3), FULL)


@pytest.mark.parametrize("on_singular", ["nan", "min_norm"])
@pytest.mark.parametrize(("dtype", "size"), OF_F)
def test_attach_implicit(dtype, size, on_singular):
    kkt = KKT(lambda x, t: slanted(size, x), equality=lambda x, t: t - x[0] - x[1])

    def x(t):
        exact = jnp.asarray([2 / 3, 1 / 3], dtype)
        return attach_implicit(exact, kkt, t, on_singular=on_singular)

    close(jax.jacrev(x)(dtype(1)), [2 / 3, 1 / 3], dtype)


@pytest.mark.parametrize(("dtype", "size"), [(HALF, 1e-6), (HALF, 1e-12), (FULL, 1e-12)])
def test_min_norm_of_a_regular_equation(dtype, size):
    """An equation in a small unit was one that rounding had made."""

    def x(t):
        def F(x, t):
            return jnp.stack([x[0] - t, size * (x[1] - t)])

        return attach_implicit(jnp.ones(2, dtype), F, t, on_singular="min_norm")

    close(jax.jacfwd(x)(dtype(1)), [1, 1], dtype)


@pytest.mark.parametrize(("dtype", "size"), OF_F)
def test_run_optax_on_a_projection(dtype, size):
    """x - P(x - ∇f) was small everywhere where ∇f was, and rounding where it was large."""

    def solve(t):
        solution = run_optax(
            lambda x, _: slanted(size, x),
            optax.scale(-0.2 / size),
            jnp.full(2, 0.3, dtype),
            project=lambda x: x - (x.sum() - t) / 2,
        )
        return solution.value

    close(solve(dtype(1)), [2 / 3, 1 / 3], dtype)
    close(jax.jacfwd(solve)(dtype(1)), [2 / 3, 1 / 3], dtype)


@pytest.mark.parametrize(
    ("dtype", "size"), [(HALF, 1e-30), (HALF, 1e30), (FULL, 1e-250), (FULL, 1e250)]
)
def test_newton_steps(dtype, size):
    H = dtype(size) * jnp.array([[3, 1], [1, 2]], dtype)
    x = jnp.array([0.3, 0.7], dtype)

    def f(x):
        return 0.5 * x @ (H @ x)

    metric = scale_by_natural_gradient(lambda _, v: H @ v)
    for transform in (scale_by_newton_cg(tol=1e-9), scale_by_trust_region(tol=1e-9), metric):
        step, _ = transform.update(jax.grad(f)(x), transform.init(x), x, value_fn=f)
        close(step, x, dtype)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_a_metric_at_the_end_of_the_numbers(size):
    """Times what CG leaves of a residual it is below all numbers."""
    transform = scale_by_natural_gradient(lambda _, v: size * np.array([1.0, 2.0]) * v)
    x = jnp.array([0.3, 0.7])
    step, _ = transform.update(size * np.array([1.0, 2.0]) * x, transform.init(x), x)
    close(step, x, FULL)


@pytest.mark.parametrize(("dtype", "size"), [(HALF, 1e-30), (HALF, 1e30), (FULL, 1e250)])
def test_to_the_sphere_where_curvature_is_negative(dtype, size):
    H = dtype(size) * jnp.diag(jnp.array([2, -1], dtype))

    def f(x):
        return 0.5 * x @ (H @ x)

    transform, x = scale_by_trust_region(radius=2.0), jnp.array([0.1, 0], dtype)
    step, _ = transform.update(jax.grad(f)(x), transform.init(x), x, value_fn=f)
    close(jnp.linalg.norm(step), 2, dtype)


@pytest.mark.parametrize("unit", [1e-10, 1e-100, 1.0, 1e10])
def test_equations(unit):
    """x² + y² = 5, x y = 2 at (2, 1), from a start where no solver's first look should be its last."""

    def F(z, a):
        x, y = z
        return unit * jnp.stack([x**2 + y**2 - a, x * y - 2])

    z = root(F, None, jnp.array([3.0, 0.5]), 5.0).value
    np.testing.assert_allclose(z, [2, 1], rtol=1e-14)


@pytest.mark.parametrize("missing", [float("nan"), jnp.nan])
def test_an_argument_that_is_nan(missing):
    """NaN is not equal to itself, and no reason to refuse a function that does not use it."""
    args = {"missing": missing, "a": 8.0}
    z = root(lambda z, args: z**3 - args["a"], None, jnp.array([1.0]), args).value
    np.testing.assert_allclose(z, 2, rtol=4 * float(jnp.finfo(float).eps))

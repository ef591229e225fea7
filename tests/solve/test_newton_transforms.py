"""Newton-CG and the trust region in optax: steps against closed forms, and loops of optax to the end."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mcjax.solve import (
    scale_by_gauss_newton,
    scale_by_newton_cg,
    scale_by_trust_region,
)

EPS = jnp.finfo(float).eps


def descend(transform, f, x, steps):
    """Iterates and values of the loop that optax's own examples write."""
    optimiser = optax.chain(transform, optax.scale(-1.0))

    def step(carry, _):
        x, state = carry
        value, g = jax.value_and_grad(f)(x)
        updates, state = optimiser.update(g, state, x, value=value, grad=g, value_fn=f)
        return (optax.apply_updates(x, updates), state), (x, value)

    (_, state), path = jax.lax.scan(step, (x, optimiser.init(x)), None, length=steps)
    return *path, state


def residuals(x):
    return jnp.stack([10 * (x["b"][0] - x["a"] ** 2), 1 - x["a"]])


def rosenbrock(x):
    return (residuals(x) ** 2).sum() / 2


@pytest.mark.parametrize(
    "transform",
    [
        scale_by_newton_cg(tol=1e-10),
        scale_by_trust_region(tol=1e-10),
        scale_by_gauss_newton(residuals),
    ],
    ids=["newton_cg", "trust_region", "gauss_newton"],
)
def test_rosenbrock_from_many_starts_converges_quadratically(transform):
    """On a pytree, under vmap and jit."""
    a, b = jnp.array([-1.2, 0.5, 2.0]), jnp.array([[1.0], [-0.5], [3.0]])
    run = jax.jit(jax.vmap(lambda x: descend(transform, rosenbrock, x, 40)[:2]))
    x, values = run({"a": a, "b": b})
    error = np.hypot(x["a"] - 1, x["b"][..., 0] - 1)
    np.testing.assert_allclose(error[:, -1], 0, atol=100 * EPS)
    for e in error:
        near = e[:-1] < 1e-2
        assert near.any()
        assert (
            e[1:][near] <= 100 * e[:-1][near] ** 2 + 2500 * EPS
        ).all()  # κ of the Hessian is 2500
    if transform.init is not optax.init_empty_state:  # the trust region's values never rise
        assert (np.diff(values) <= 10 * EPS * values[:, :-1]).all()


def valley(x):
    """A saddle at 0, minima at (0, ±1) with value -1/4."""
    return x[0] ** 2 / 2 - x[1] ** 2 / 2 + x[1] ** 4 / 4


def test_hard_case():
    """The gradient has no part along the only negative eigenvalue, on the whole axis and at the saddle."""
    starts = jnp.array([[1.0, 0.0], [0.0, 0.0], [-3.0, 0.0]])
    run = jax.jit(jax.vmap(lambda x: descend(scale_by_trust_region(0.5), valley, x, 25)[:2]))
    x, values = run(starts)
    assert (np.diff(values) <= 10 * EPS * np.abs(values[:, :-1])).all()
    np.testing.assert_allclose(values[:, -1], -0.25, rtol=10 * EPS)
    np.testing.assert_allclose(np.abs(x[:, -1]), [[0, 1]] * 3, atol=10 * EPS)


def exact_ball_minimum(H, g, radius):
    """min m(p) on the ball: (H + λ) p = -g, λ ≥ max(0, -λ₁), and λ₁'s eigenvector in the hard case."""
    values, V = np.linalg.eigh(H)
    c = V.T @ g

    def model(z):
        return c @ z + z @ (values * z) / 2

    if values[0] > 0 and np.linalg.norm(c / values) <= radius:
        return model(-c / values)
    low = max(0.0, -values[0])
    rest = values + low > 1e-9
    z = np.where(rest, -c / np.where(rest, values + low, 1), 0)
    if values[0] < 0 and abs(c[0]) < 1e-12 and np.linalg.norm(z) <= radius:
        z[0] = np.sqrt(radius**2 - z @ z)
        return model(z)
    high = low + np.linalg.norm(c) / radius + 1
    for _ in range(200):
        middle = (low + high) / 2
        longer = np.linalg.norm(c / (values + middle)) > radius
        low, high = (middle, high) if longer else (low, middle)
    return model(-c / (values + high))


def cases():
    """Quadratics of all signs; every other gradient orthogonal to the least eigenvector; one of them zero."""
    rng = np.random.default_rng(0)
    for i in range(40):
        V = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        values = np.sort(rng.normal(size=4) * 10.0 ** rng.uniform(-1, 1, 4))
        values = np.abs(values) if i % 4 == 1 else values
        c = rng.normal(size=4) * 10.0 ** rng.uniform(-2, 1)
        c[np.argmin(values)] *= i % 2
        yield V @ np.diag(values) @ V.T, V @ c * (i > 0)


def test_an_indefinite_quadratic_against_the_exact_minimum_on_the_ball():
    H, g = (np.stack(x) for x in zip(*cases(), strict=True))
    transform = scale_by_trust_region(0.7, tol=1e-12)

    def step(H, g):
        x = jnp.zeros(4)
        updates, state = transform.update(
            g, transform.init(x), x, value_fn=lambda x: g @ x + x @ H @ x / 2
        )
        return -updates, state.radius

    p, radius = jax.jit(jax.vmap(step))(H, g)
    size = np.linalg.norm(p, axis=1)
    assert (size <= 0.7 * (1 + 10 * EPS)).all()
    found = np.einsum("ki,ki->k", g, p) + np.einsum("ki,kij,kj->k", p, H, p) / 2
    best = np.array([exact_ball_minimum(*case, 0.7) for case in zip(H, g, strict=True)])
    assert (best < 0).all() and (found >= best * (1 + 1e-10)).all()
    assert (found <= best / 2).all()
    least = np.linalg.eigvalsh(H)[:, 0]
    assert np.isclose(size[least < 0], 0.7).all()
    np.testing.assert_allclose(found[0], best[0], rtol=1e-12)  # g = 0: along the eigenvector
    inside = (least > 0) & (size < 0.69)
    newton = -np.linalg.solve(H[inside], g[inside][..., None])[..., 0]
    assert inside.any()
    np.testing.assert_allclose(p[inside], newton, rtol=1e-9)
    np.testing.assert_array_equal(radius, np.where(size > 0.69, 1.4, 0.7))


def test_a_step_that_fails_is_zero_and_the_next_is_shorter():
    """A function that is NaN where the model has its minimum, in float32; and at a point of NaN."""
    transform = scale_by_trust_region(10.0)

    def bent(x):
        return jnp.where(x < 0.9, x**2 - 2 * x, jnp.nan)

    @jax.jit
    def run(x):
        g = jax.grad(bent)(x)
        return transform.update(g, transform.init(x), x, value_fn=bent)

    update, state = run(jnp.array(0.0, "float32"))
    assert update.dtype == jnp.float32 and update == 0 and state.radius == 0.25
    update, _ = run(jnp.array(2.0, "float32"))
    assert np.isnan(update)


def test_a_hessian_that_is_not_finite_is_no_step():
    """x + |y|^1.5 at 0 has a gradient, (1, 0), and no second derivative in y."""
    transform = scale_by_trust_region()

    def f(x):
        return x[0] + jnp.abs(x[1]) ** 1.5

    x = jnp.zeros(2)
    update, _ = jax.jit(
        lambda x: transform.update(jax.grad(f)(x), transform.init(x), x, value_fn=f)
    )(x)
    assert np.isnan(update).all()


def test_chains_with_clipping_and_a_schedule():
    """-η_k H⁻¹ clip(g) on a quadratic, exactly, and in float32."""
    H = np.array([[4.0, 1.0], [1.0, 3.0]], "float32")
    optimiser = optax.chain(
        optax.clip(0.5),
        scale_by_newton_cg(tol=1e-6),
        optax.scale_by_learning_rate(lambda k: 1 / (k + 1)),
    )

    @jax.jit
    def run(x):
        state, steps = optimiser.init(x), []
        for _ in range(2):
            updates, state = optimiser.update(
                H @ x, state, x, value_fn=lambda x: x @ H @ x / 2, hvp=None, key=None
            )
            steps.append(updates)
        return steps

    x = jnp.array([1.0, -0.1], "float32")
    steps = run(x)
    newton = -np.linalg.solve(H, np.clip(H @ x, -0.5, 0.5))
    assert steps[0].dtype == jnp.float32
    np.testing.assert_allclose(steps, [newton, newton / 2], rtol=1e-5)


def test_newton_cg_goes_down_where_the_curvature_is_negative():
    """On the saddle x² - y²: CG stops at once, or after a step; -s·g < 0 either way, and s is g at once."""
    transform = scale_by_newton_cg()

    def f(x):
        return x[0] ** 2 - x[1] ** 2

    @jax.jit
    @jax.vmap
    def run(x):
        g = jax.grad(f)(x)
        return g, transform.update(g, transform.init(x), x, value_fn=f)[0]

    g, s = run(jnp.array([[1.0, 2.0], [2.0, 1.0]]))
    assert (np.einsum("ki,ki->k", g, s) > 0).all()
    np.testing.assert_array_equal(s[0], g[0])


def test_float32_with_a_line_search_behind():
    """Himmelblau's function in float32 from where the Hessian is indefinite: a minimum, by optax's search."""

    def f(x):
        return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2

    transform = optax.chain(
        scale_by_newton_cg(), optax.scale(-1.0), optax.scale_by_backtracking_linesearch(20)
    )

    @jax.jit
    def run(x):
        def step(carry, _):
            x, state = carry
            value, g = jax.value_and_grad(f)(x)
            updates, state = transform.update(g, state, x, value=value, grad=g, value_fn=f)
            return (optax.apply_updates(x, updates), state), None

        return jax.lax.scan(step, (x, transform.init(x)), None, length=20)[0][0]

    found = run(jnp.array([0.1, -0.2], "float32"))
    minima = np.array(
        [[3, 2], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848127]]
    )
    assert np.abs(minima - np.asarray(found)).max(1).min() < 1e-5


def test_a_saddle_of_little_curvature_is_left():
    """-1e-10 of the largest: far above rounding, and below its root."""

    def f(x):
        return 1e6 * (x[0] - 1) ** 2 - 1e-4 * x[1] ** 2

    transform, x = scale_by_trust_region(), jnp.array([1.0, 0.0])
    step, _ = jax.jit(lambda x: transform.update(jax.grad(f)(x), transform.init(x), x, value_fn=f))(
        x
    )
    np.testing.assert_allclose(np.abs(step), [0, 1], atol=10 * EPS)


def test_no_parameters():
    transform, x = scale_by_trust_region(), jnp.zeros(0)
    step, _ = transform.update(x, transform.init(x), x, value_fn=jnp.sum)
    assert step.shape == (0,)


def test_bad_input():
    x = jnp.ones(2)
    for transform in (scale_by_newton_cg(), scale_by_trust_region()):
        with pytest.raises(ValueError, match="pass the function"):
            transform.update(x, transform.init(x), x)
        with pytest.raises(ValueError, match="pass the parameters"):
            transform.update(x, transform.init(x), value_fn=jnp.sum)
    for radius in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="radius is positive and finite"):
            scale_by_trust_region(radius)
    with pytest.raises(TypeError, match="expected real parameters"):
        scale_by_gauss_newton(lambda x: x).update(x, None, x.astype(complex))

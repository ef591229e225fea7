"""Constrained minima: solutions, multipliers and derivatives against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

from mcjax.solve import KKT, STATUS, KKTAdjoint, attach_implicit, constrained_minimise

from .hock_schittkowski import HOCK_SCHITTKOWSKI

EPS = jnp.finfo(float).eps
H = np.array([[2.0, 0.5], [0.5, 1.0]])


def quadratic(x, p):
    return x @ jnp.asarray(H) @ x / 2 - p @ x


P = jnp.array([1.0, -1.0])  # with x ≥ 0 the second coordinate is 0, the first p₁ / H₁₁
TRUTH = np.array([[1 / H[0, 0], 0.0], [0.0, 0.0]])


def by_optax(p, adjoint):
    """Projected gradient descent, which knows its constraint and does not tell the adjoint."""
    steps = optax.chain(optax.sgd(0.3), optax.keep_params_nonnegative())
    solver = optx.OptaxMinimiser(steps, 1e-8, 1e-8)
    return optx.minimise(
        quadratic, solver, jnp.array([0.3, 0.3]), p, adjoint=adjoint, max_steps=1000
    )


def test_hole_a_of_optax_with_an_active_coordinate():
    @jax.jit
    def run(p):
        def x(p):
            return by_optax(p, KKTAdjoint(lower=0.0)).value

        def wrong(p):
            return by_optax(p, optx.ImplicitAdjoint()).value

        active = by_optax(p, KKTAdjoint(lower=0.0)).stats["active_set"]
        return jax.jacrev(x)(p), jax.jacfwd(x)(p), jax.jacfwd(wrong)(p), active

    rev, fwd, wrong, active = run(P)
    np.testing.assert_allclose(rev, TRUTH, atol=1e-15)
    np.testing.assert_allclose(fwd, TRUTH, atol=1e-15)
    assert abs(wrong[1, 1] - 8 / 7) < 1e-8  # what the unconstrained condition gives
    assert active.strict and active.lower[1] and not active.lower[0]


def test_attach_a_constrained_minimum_from_anywhere():
    def x(p):
        return attach_implicit(jnp.array([0.5, 0.0]), KKT(quadratic, lower=0.0), p)

    np.testing.assert_allclose(jax.jit(jax.jacrev(x))(P), TRUTH, atol=1e-15)


def test_hole_a_of_newton_with_an_active_bound():
    """y₁ = a, y₂ = a²: with y₁ ≤ 0.4 the first is clipped, and moves with the bound alone."""

    def y(a, top):
        return optx.root_find(
            lambda y, a: jnp.stack([y[0] - a, y[1] - a**2]),
            optx.Newton(1e-8, 1e-8, cauchy_termination=False),
            jnp.array([0.3, 0.3]),
            a,
            options=dict(lower=jnp.array([-1.0, -9.0]), upper=jnp.stack([top, jnp.array(9.0)])),
            adjoint=KKTAdjoint(),
            throw=False,
        ).value

    derivatives = jax.jit(jax.jacrev(y, argnums=(0, 1)))
    da, dtop = derivatives(jnp.array(1.0), jnp.array(0.4))
    np.testing.assert_allclose(da, [0.0, 2.0], atol=1e-15)
    np.testing.assert_allclose(dtop, [1.0, 0.0], atol=1e-15)
    for beyond in (0.0, 1e-7):  # at the bound by itself: one-sided derivatives alone
        assert np.isnan(derivatives(jnp.array(0.4 + beyond), jnp.array(0.4))[0]).all()


def test_a_projector_with_an_equality():
    """min ‖x - p‖²/2 with a·x = 0: dx/dp = I - a aᵀ / aᵀa."""
    a = np.array([1.0, 2.0, -1.0])

    def x(p):
        kkt = KKT(lambda x, p: ((x - p) ** 2).sum() / 2, equality=lambda x, p: a @ x)
        return attach_implicit(jax.lax.stop_gradient(p - a * (a @ p) / (a @ a)), kkt, p)

    truth = np.eye(3) - np.outer(a, a) / (a @ a)
    np.testing.assert_allclose(
        jax.jit(jax.jacrev(x))(jnp.array([1.0, 2.0, 3.0])), truth, atol=20 * EPS
    )


def solution(problem, **more):
    def run(p):
        x0 = jnp.asarray(problem.x0, float)
        return constrained_minimise(
            problem.fn, None, x0, p, throw=False, **problem.constraints, **more
        )

    return run


def case(problem, *marks):
    return pytest.param(problem, id=f"HS{problem.name}", marks=marks)


@pytest.mark.parametrize(
    "problem",
    [case(p, *[pytest.mark.slow] * (p.name not in ("14", "35"))) for p in HOCK_SCHITTKOWSKI],
)
def test_hock_schittkowski(problem):
    """x, dx/dp in both modes, d²x/dp², and multipliers as derivatives of the least value."""
    p, truth = jnp.array(problem.p), problem.solution

    @jax.jit
    def run(p):
        def both(p):
            found = solution(problem)(p)
            return (found.value, problem.fn(found.value, p)), found

        def slope(p):
            _, (dx, df), found = jax.jvp(both, (p,), (jnp.ones_like(p),), has_aux=True)
            return dx, (df, found)

        fwd, second, (envelope, found) = jax.jvp(slope, (p,), (jnp.ones_like(p),), has_aux=True)
        _, pull, _ = jax.vjp(both, p, has_aux=True)
        rev = jax.vmap(lambda c: pull((c, jnp.zeros_like(p)))[0])(jnp.eye(len(fwd)))
        return found, fwd, rev, second, envelope

    found, fwd, rev, second, envelope = run(p)
    assert found.result == optx.RESULTS.successful
    assert found.active.strict and found.active.licq
    d_truth = jax.jacfwd(truth)
    np.testing.assert_allclose(found.value, truth(p), atol=1e-10)
    np.testing.assert_allclose(fwd, d_truth(p), atol=1e-8)
    np.testing.assert_allclose(rev, fwd, atol=1e-12)
    np.testing.assert_allclose(second, jax.jacfwd(d_truth)(p), atol=1e-6)
    true_envelope = jax.grad(lambda p: problem.fn(truth(p), p))(p)
    np.testing.assert_allclose(envelope, true_envelope, atol=1e-8)


def hs43(x, p):
    f = x[0] ** 2 + x[1] ** 2 + 2 * x[2] ** 2 + x[3] ** 2 - 5 * x[0] - 5 * x[1] - 21 * x[2]
    g = [
        8 - x @ x - x[0] + x[1] - x[2] + x[3],
        10 - x[0] ** 2 - 2 * x[1] ** 2 - x[2] ** 2 - 2 * x[3] ** 2 + x[0] + x[3],
        5 - 2 * x[0] ** 2 - x[1] ** 2 - x[2] ** 2 - 2 * x[0] + x[1] + x[3],
    ]
    return f + 7 * x[3], jnp.stack(g)


def hs37(x, p):
    length = x @ jnp.array([1.0, 2, 2])
    return -x.prod(), jnp.stack([72 - length, length])


def convex(x, p):
    """Twenty half spaces around 0, which is strictly inside: the last of twenty draws was lost."""
    rng = np.random.default_rng(11)
    for _ in range(20):
        M, c, A = rng.normal(size=(8, 8)), rng.normal(size=8) * 3, rng.normal(size=(20, 8))
        b = 0.2 + np.abs(rng.normal(size=20))
    return x @ (M @ M.T + np.eye(8)) @ x / 2 + c @ x, b - A @ x


@pytest.mark.parametrize(
    "problem, x0, bounds",
    [
        pytest.param(hs43, np.zeros(4), {}, id="HS43"),
        pytest.param(hs37, np.full(3, 10.0), {"lower": 0.0, "upper": 42.0}, id="HS37"),
        pytest.param(convex, np.zeros(8), {}, id="convex"),
    ],
)
def test_conditions_hold_from_a_standard_start(problem, x0, bounds):
    """Of f and g in JAX's own derivatives: ∇f = Cᵀ μ + bounds', all of a sign, and complementary."""
    found = constrained_minimise(
        lambda x, p: problem(x, p)[0], None, jnp.array(x0),
        inequality=lambda x, p: problem(x, p)[1], **bounds,
    )  # fmt: skip
    x, mu, bound = found.value, found.multipliers.inequality, found.multipliers.bound
    slope, C = jax.jacrev(problem)(x, None)
    g = problem(x, None)[1]
    rounding = 64 * EPS * jnp.abs(slope).max()  # of the 20 or so terms that ∇L and g are made of
    np.testing.assert_allclose(slope, C.T @ mu + bound, rtol=0, atol=rounding)
    np.testing.assert_allclose(jnp.minimum(mu, g), 0, atol=rounding)
    ends = [bounds.get(k, x) for k in ("lower", "upper")]
    away = jnp.where(bound > 0, x - ends[0], jnp.where(bound < 0, ends[1] - x, 0))
    np.testing.assert_allclose(away, 0, atol=rounding)


def scalar(x, p):
    return ((x - p) ** 2).sum()


def test_weakly_active_is_flagged_and_has_no_derivative():
    """min (x - p)² with x ≥ 0 is max(p, 0), which has a corner at 0."""

    def x(p):
        found = constrained_minimise(scalar, None, jnp.ones(1), p, lower=0.0, throw=False)
        return found.value[0], found

    slope, found = jax.jit(jax.vmap(jax.grad(x, has_aux=True)))(jnp.array([1.0, 0.0, -1.0]))
    np.testing.assert_allclose(found.value[:, 0], [1, 0, 0], atol=1e-8)
    np.testing.assert_array_equal(found.active.strict, [True, False, True])
    np.testing.assert_allclose(slope[::2], [1, 0], atol=1e-14)
    assert np.isnan(slope[1])
    np.testing.assert_allclose(found.multipliers.bound[:, 0], [0, 0, 2], atol=1e-7)


def test_weakly_active_on_either_side_of_the_corner_in_both_modes():
    def x(p):
        return attach_implicit(jnp.zeros(1), KKT(scalar, lower=0.0), p)[0]

    both = jax.jit(jax.vmap(lambda p: (jax.grad(x)(p), jax.jacfwd(x)(p))))
    assert np.isnan(both(jnp.array([-1e-12, 1e-12]))).all()
    np.testing.assert_array_equal(both(jnp.array([-1.0])), 0)


def test_failures_have_names():
    """No point is feasible; gradients of two constraints are dependent; a saddle."""

    @jax.jit
    def infeasible():
        return constrained_minimise(
            scalar, None, jnp.ones(1), 0.0, lower=1.0, inequality=lambda x, p: -x, throw=False
        )

    @jax.jit
    def dependent():
        return constrained_minimise(
            scalar, None, jnp.ones(2), 0.0, equality=lambda x, p: jnp.stack([x[0] - 1, 2 * x[0] - 2]),
            throw=False,
        )  # fmt: skip

    @jax.jit
    def weak():
        """x₀ x₁ is least at 0, and negative where a bound of no multiplier forbids it."""
        return constrained_minimise(
            lambda x, p: x[0] * x[1], None, jnp.ones(2), lower=0.0, throw=False
        )

    assert infeasible().certificate.status == STATUS.infeasible
    assert weak().certificate.status == STATUS.undecided
    assert not dependent().active.licq


def test_bad_input():
    with pytest.raises(ValueError, match="must return one real number"):
        constrained_minimise(lambda x, p: x, None, jnp.ones(2))
    with pytest.raises(ValueError, match="bounds must be numbers or pytrees like x"):
        constrained_minimise(scalar, None, jnp.ones(2), 0.0, lower=[0.0, 0.0])
    with pytest.raises(TypeError, match="inequality ≥ 0 is of real numbers"):
        constrained_minimise(
            scalar, None, jnp.ones(1), 0.0, inequality=lambda x, p: jax.lax.complex(x, x)
        )
    with pytest.raises(ValueError, match=r"a bound of shape \(3,\) for x of shape \(2,\)"):
        constrained_minimise(scalar, None, jnp.ones(2), 0.0, upper=jnp.ones(3))


def test_bounds_are_on_real_numbers():
    f = lambda z, a: jnp.abs(z - (2 - 3j)) ** 2  # noqa: E731
    with pytest.raises(TypeError, match="bounds are on real numbers"):
        constrained_minimise(f, None, 0.5 + 0.1j, None, lower=-10.0)
    with pytest.raises(TypeError, match="bounds are on real numbers"):
        attach_implicit(2 - 3j, KKT(f, lower=-10.0), None)

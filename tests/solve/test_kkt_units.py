"""Bounds and inequalities in any units: the active set, the certificate and derivatives do not move."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mcjax.solve import (
    KKT,
    STATUS,
    attach_implicit,
    constrained_minimise,
    run_optax,
    scale_by_trust_region,
)

T = np.linspace(0.5, 1.5, 7)


def chi2(x, a):
    """A length of nanometres with an error of picometres; its minimum is a to 2e-14."""
    return (((x - a) * T - 1e-12 * np.cos(9 * T)) ** 2 * 1e24).sum()


def by_optax(a):
    steps = optax.chain(scale_by_trust_region(), optax.scale(-1.0))
    found = run_optax(chi2, steps, 1e-7, a, lower=0.0, throw=False)
    return found, found.stats["active_set"]


def by_constrained_minimise(a):
    found = constrained_minimise(chi2, None, 1e-7, a, lower=0.0, throw=False)
    return found, found.active


@pytest.mark.parametrize("solve", [by_optax, by_constrained_minimise])
def test_a_length_in_metres_is_not_at_its_bound(solve):
    def x(a):
        found, active = solve(a)
        return found.value, (found, active)

    slope, (found, active) = jax.jit(jax.jacfwd(x, has_aux=True))(jnp.array(5e-8))
    truth = 5e-8 + 1e-12 * (T * np.cos(9 * T)).sum() / (T**2).sum()
    assert found.certificate.stationary and active.strict and not active.lower[0]
    np.testing.assert_allclose(found.value, truth, rtol=1e-12)
    np.testing.assert_allclose(slope, 1, rtol=1e-12)


def test_a_solution_of_scipy_with_a_precise_chi2():
    """Errors of 1e-6 make a slope of 1e5 of an x that is right to 2e-7; without bounds that is no matter."""
    t = np.linspace(0, 1, 50)
    d = 3 * np.exp(-2 * t) * (1 + 1e-6 * np.cos(40 * t))
    x = jnp.array([3.0000007, 2.0000007])

    def chi2(p, d):
        return (((p[0] * jnp.exp(-p[1] * t) - d) / 1e-6) ** 2).sum() / 2

    def slopes(equation, polish):
        return jax.jacfwd(lambda d: attach_implicit(x, equation, d, polish=polish))(d)

    kkt = KKT(chi2, lower=0.0, upper=10.0)
    free, bounded, polished = jax.jit(
        lambda: (slopes(jax.grad(chi2), 0), slopes(kkt, 0), slopes(kkt, 1))
    )()
    decay = np.exp(-x[1] * t)  # residuals of 1e-6 bend the least-squares solution as little
    truth = np.linalg.pinv(np.stack([decay, -x[0] * t * decay], 1))
    np.testing.assert_allclose(free, truth, atol=1e-5)
    np.testing.assert_allclose(bounded, free, atol=1e-12)
    np.testing.assert_allclose(polished, free, atol=1e-5)


@pytest.mark.parametrize("f, x", [(1e12, 1e-8), (1e-12, 1e8)])
def test_no_unit_moves_the_bounds(f, x):
    """min (u₀ - a)² + (u₁ + a)² + u₀ u₁ with 0 ≤ u ≤ 9 is u = (a, 0)."""

    def solution(a):
        def fn(y, a):
            u = y / x
            return f * (((u - jnp.stack([a, -a])) ** 2).sum() + u[0] * u[1])

        near = x * (jnp.array([1.0, 0.0]) + 1e-9)
        return attach_implicit(near, KKT(fn, lower=0.0, upper=9 * x), a) / x

    for jacobian in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(jacobian(solution))(jnp.array(1.0)), [1, 0], atol=1e-12)


@pytest.mark.parametrize("f, x", [(1e12, 1e-8), (1e-12, 1e8)])
def test_no_unit_moves_the_active_inequalities(f, x):
    """min (u₀ - a)² + (u₁ + a)² + (u₂ - 2)², u ≥ 0, u₀ + u₂ ≥ 4, Σu ≤ 10: u = (a/2 + 1, 0, 3 - a/2)."""

    g = f / x

    def solution(a):
        kkt = KKT(
            lambda y, a: f * ((y / x - jnp.stack([a, -a, 2.0])) ** 2).sum(),
            inequality=lambda y, a: g * jnp.stack([(y[0] + y[2]) / x - 4, 10 - y.sum() / x]),
            lower=0.0,
        )
        near = x * (jnp.array([1.5, 0, 2.5]) + 1e-9)
        return jax.tree.map(lambda y: y / x, attach_implicit(near, kkt, a))

    for jacobian in (jax.jacfwd, jax.jacrev):
        slope = jax.jit(jacobian(solution))(jnp.array(1.0))
        np.testing.assert_allclose(slope, [0.5, 0, -0.5], atol=1e-7)


@pytest.mark.parametrize("size, x, a, slope", [(1e10, 1 + 1e-8, 1.0, 1), (1e-12, 1e-9, -1.0, 0)])
def test_a_bound_does_not_see_the_unit_of_f(size, x, a, slope):
    def solution(a):
        return attach_implicit(x, KKT(lambda x, a: size * (x - a) ** 2, lower=0.0), a)

    np.testing.assert_allclose(jax.grad(solution)(jnp.array(a)), slope, atol=1e-12)


@pytest.mark.parametrize("f, x", [(1e12, 1), (1e-12, 1), (1, 1e-8)])
def test_weakly_active_is_flagged_in_any_units(f, x):
    def solution(a):
        return attach_implicit(0.0, KKT(lambda y, a: f * (y / x - a) ** 2, lower=0.0), a)

    slopes = jax.jit(jax.vmap(jax.grad(solution)))(jnp.array([-1e-12, 0, 1e-12]))
    assert np.isnan(slopes).all()


def test_a_slope_without_curvature_leads_to_the_bound():
    found = constrained_minimise(lambda x, _: 1e-7 * x, None, 1.0, lower=0.0, throw=False)
    assert found.certificate.stationary and found.active.lower[0]
    np.testing.assert_allclose(found.value, 0, atol=1e-15)
    np.testing.assert_allclose(found.multipliers.bound, 1e-7, rtol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1e5])
def test_a_saddle_beside_a_large_number(unit):
    """(u₀ - 10)² - 5 x₁² + x₁⁴ has a saddle at (10, 0), and minima at x₁ = ±√(5/2)."""
    found = constrained_minimise(
        lambda x, _: (x[0] / unit - 10) ** 2 - 5 * x[1] ** 2 + x[1] ** 4, None,
        jnp.array([unit, 0.0]), inequality=lambda x, _: x[0] + 1, throw=False,
    )  # fmt: skip
    assert found.certificate.status == STATUS.saddle
    np.testing.assert_allclose(found.certificate.curvature, -1, rtol=1e-6)


def test_a_masked_lane_that_is_weakly_active_does_not_reach_what_lanes_share():
    """max(w p, 0) for p = 1, 0, 2: the slope in w is 3, and the lane at 0 has none."""

    def total(w):
        def lane(p):
            found = constrained_minimise(lambda x, p: (x - w * p) ** 2, None, 1.0, p, lower=0.0)
            return jnp.where(found.active.strict, found.value, 0.0)

        return jax.vmap(lane)(jnp.array([1.0, 0.0, 2.0])).sum()

    np.testing.assert_allclose(jax.jit(jax.grad(total))(2.0), 3, rtol=1e-12)

"""Integral costs and their gradients, against closed forms."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._gauss import GaussAdjoint


def cost(y0, a, rate, t0, t1):
    """∫ a exp(rate t) y² dt along y' = -a y, which is a y0² exp(2 a t0) ∫ exp((rate - 2 a) t) dt."""
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, a: -a * y), diffrax.Tsit5(), t0, t1, None, y0, a,
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9),
        adjoint=GaussAdjoint(cost=lambda t, y, a: a * jnp.sum(y**2) * jnp.exp(rate * t)),
    )  # fmt: skip
    return solution.stats["cost"], solution.stats["cost_error"]


def truth(y0, a, rate, t0, t1):
    r = rate - 2 * a
    return a * jnp.sum(y0**2) * (jnp.exp(r * t1 + 2 * a * t0) - jnp.exp(rate * t0)) / r


def test_cost_in_both_directions_of_time():
    which = tuple(range(5))
    gradient = jax.jit(jax.value_and_grad(cost, which, has_aux=True))
    for t0, t1 in [(0.1, 2.0), (2.0, 0.1)]:
        inputs = np.array([1.2, -0.4]), 0.7, 0.9, t0, t1
        (value, error), got = gradient(*inputs)
        want, slopes = jax.value_and_grad(truth, which)(*inputs)
        assert abs(value - want) < 1e-8 * abs(want)
        assert error < 1e-8 * abs(want)
        for g, w in zip(got, slopes, strict=True):
            assert np.linalg.norm(g - w) < 1e-7 * np.linalg.norm(w)


def test_error_number_tells_what_steps_are_too_long():
    """y = 1 + t lets steps grow, and sin 60 t does not fit into them."""

    def solve(frequency):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: jnp.ones_like(y)), diffrax.Tsit5(),
            0.0, 3.0, None, jnp.ones(()), stepsize_controller=diffrax.PIDController(1e-6, 1e-6),
            adjoint=GaussAdjoint(cost=lambda t, y, args: jnp.sin(frequency * t) * y),
        )  # fmt: skip
        return solution.stats["cost"], solution.stats["cost_error"]

    solve = jax.jit(solve)
    for w, fits in [(0.5, True), (60.0, False)]:
        want = np.sin(3 * w) / w**2 - 4 * np.cos(3 * w) / w + 1 / w
        value, error = solve(w)
        assert (abs(value - want) < error) == fits
        assert (error < 1e-2) == fits


def test_a_cost_beside_one_saved_value_within():
    """λ is not zero after the only save time, and jumps there: y = exp(-p t), J = ∫ y² dt."""

    def loss(p, ts):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, p: -p * y), diffrax.Tsit5(), 0.0, 1.0, None, 1.0, p,
            saveat=diffrax.SaveAt(ts=ts), adjoint=GaussAdjoint(cost=lambda t, y, p: y**2),
            stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9),
        )  # fmt: skip
        return solution.ys.sum() + solution.stats["cost"]

    gradient = jax.jit(jax.grad(loss))
    for t in (0.0, 0.2, 0.5, 1.0):
        want = jax.grad(lambda p, t=t: jnp.exp(-p * t) + (1 - jnp.exp(-2 * p)) / (2 * p))(1.3)
        assert abs(gradient(1.3, jnp.array([t])) - want) < 1e-7 * abs(want)


def test_a_cost_over_no_time():
    """J(t0, t0) = 0, and dJ = g (dt1 - dt0), g = a |y0|² exp(rate t0)."""
    x = np.array([1.2, -0.4]), 0.7, 0.9, 1.3, 1.3
    got = jax.jit(jax.grad(lambda *x: cost(*x)[0], (0, 1, 3, 4)))(*x)
    g = 0.7 * (1.2**2 + 0.4**2) * np.exp(0.9 * 1.3)
    for slope, want in zip(got, (np.zeros(2), 0.0, -g, g), strict=True):
        np.testing.assert_allclose(slope, want, rtol=1e-12)


def test_a_cost_is_a_number():
    with pytest.raises(ValueError, match="must be a number"):
        jax.eval_shape(
            lambda: diffrax.diffeqsolve(
                diffrax.ODETerm(lambda t, y, args: -y),
                diffrax.Tsit5(),
                0.0,
                1.0,
                0.1,
                jnp.ones(2),
                adjoint=GaussAdjoint(cost=lambda t, y, args: y),
            )
        )

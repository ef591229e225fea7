"""ReplayAdjoint inside of optimistix's solvers, which differentiate a solve and are differentiated."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.ode import ReplayAdjoint


def decay(y0, rate):
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, a: -a * y), diffrax.Tsit5(), 0.0, 1.0, None, y0, rate,
        stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-10),
        adjoint=ReplayAdjoint(), max_steps=64,
    )  # fmt: skip
    return sol.ys[0]


@pytest.mark.slow
def test_root_find_through_a_solve():
    # y(1) = c from y0 = c exp(a).
    def start(c):
        newton = optx.Newton(rtol=1e-10, atol=1e-10)
        return optx.root_find(lambda y, c: decay(y, jnp.array(0.5)) - c, newton, c, c).value

    c = jnp.array([2.0])
    value, slope = jax.jit(lambda c: jax.jvp(start, (c,), (jnp.ones(1),)))(c)
    # The solver's tolerance 1e-8, a step of it per e-fold, is what the exponential is right to.
    np.testing.assert_allclose(value, 2 * np.exp(0.5), rtol=1e-7)
    np.testing.assert_allclose(slope, np.exp(0.5), rtol=1e-7)


@pytest.mark.slow
def test_least_squares_through_a_solve():
    # The rate that takes 1 to c is -log c, its derivative -1/c.
    def rate(c):
        residual = lambda a, c: decay(jnp.ones(1), a) - c  # noqa: E731
        solver = optx.LevenbergMarquardt(rtol=1e-9, atol=1e-9)
        return optx.least_squares(residual, solver, jnp.array(0.3), c).value

    value, slope = jax.jit(jax.value_and_grad(rate))(jnp.array(0.5))
    np.testing.assert_allclose(value, np.log(2), rtol=1e-7)
    np.testing.assert_allclose(slope, -2, rtol=1e-7)

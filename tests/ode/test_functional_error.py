"""The estimated error of functionals against the error, with a solution of more digits for the truth."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mcjax.ode._functional_error import functional_error

from . import problems

EXPLICIT = diffrax.Tsit5()


def solve(problem, rtol, max_steps=512, solver=EXPLICIT):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(problem.field),
        solver,
        problem.t0,
        problem.t1,
        None,
        problem.y0,
        problem.args,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol),
        saveat=diffrax.SaveAt(dense=True),
        max_steps=max_steps,
        adjoint=diffrax.ForwardMode(),
    )


def squares(ys):
    return (ys**2).sum()


def true_squares(problem, ts):
    """At rtol 1e-13 by a solver of order 8, in steps that end at save times."""
    exact = diffrax.diffeqsolve(
        diffrax.ODETerm(problem.field),
        diffrax.Dopri8(),
        problem.t0,
        problem.t1,
        None,
        problem.y0,
        problem.args,
        stepsize_controller=diffrax.ClipStepSizeController(
            diffrax.PIDController(rtol=1e-13, atol=1e-13), step_ts=ts
        ),
        saveat=diffrax.SaveAt(ts=ts),
        adjoint=diffrax.ForwardMode(),
    )
    return squares(exact.ys)


@pytest.mark.parametrize(
    "name", ["lotka_volterra", pytest.param("pendulum", marks=pytest.mark.slow)]
)
def test_effectivity(name):
    """At rtol <= 1e-5 the estimate is right to a tenth, and the correction gains two digits."""
    problem = getattr(problems, name)()
    ts = jnp.linspace(1.0, problem.t1, 5)

    @jax.jit
    def run(rtol):
        return functional_error(problem.field, solve(problem, rtol), squares, ts, problem.args)

    truth = jax.jit(lambda: true_squares(problem, ts))()
    for rtol in (1e-5, 1e-6, 1e-7):
        found = run(rtol)
        error = truth - found.value
        assert found.successful
        assert 0.9 < found.estimate / error < 1.1
        assert np.abs(truth - found.corrected) < np.abs(error) / 100
        np.testing.assert_allclose(found.contributions.sum(), found.estimate, rtol=1e-12)


@pytest.mark.slow
def test_stiff():
    """Robertson's kinetics: right to a tenth beside Kvaerno5 at rtol 1e-10. Kvaerno5's last stages are
    before t0 by rounding, where the interpolation of the solution is of nothing."""
    problem, stiff, ts = problems.robertson(), diffrax.Kvaerno5(), jnp.array([1.0, 100.0])

    def late(ys):
        return ys[1, 2] + ys[0, 1]

    truth = late(jax.vmap(solve(problem, 1e-10, 4096, stiff).interpolation.evaluate)(ts))
    found = jax.jit(
        lambda s: functional_error(problem.field, s, late, ts, problem.args, solver=stiff)
    )(solve(problem, 1e-5, 512, stiff))
    assert found.successful
    assert 0.9 <= found.estimate / (truth - found.value) <= 1.1


def test_integral():
    """∫ y dt of y' = -y, which is y(0) - y(end), and 2 y(end) from the loss."""
    problem = problems.Problem(lambda t, y, args: -y, jnp.ones(1), None, 0.0, 2.0)

    @jax.jit
    def run():
        return functional_error(
            problem.field,
            solve(problem, 1e-5, 64),
            lambda ys: 2 * ys.sum(),
            jnp.array([2.0]),
            cost=lambda t, y, args: y[0],
        )

    found = run()
    error = 1 + np.exp(-2.0) - found.value
    assert np.abs(error) > 1e-8
    # All is linear: an estimate of first order has no error but that of the adjoint, of rtol 1e-7.
    np.testing.assert_allclose(found.estimate, error, rtol=2e-6)


@pytest.mark.filterwarnings("ignore:Complex dtype support")
def test_a_complex_state_and_a_time_outside():
    """Re y of y' = i y, y(0) = 1, whose numerical solution misses cos 1; there is none at t = 3."""
    rotate = lambda t, y, args: lax.complex(0.0, 1.0) * y  # noqa: E731
    problem = problems.Problem(rotate, jnp.ones(1, complex), None, 0.0, 2.0)

    @jax.jit
    def run(t):
        solution = solve(problem, 1e-5, 64)
        return functional_error(rotate, solution, lambda ys: ys[-1, 0].real, t[None])

    found, outside = run(1.0), run(3.0)
    error = np.cos(1.0) - found.value
    assert found.successful and np.abs(error) > 1e-8
    # All is linear: an estimate of first order has no error but that of the adjoint, of rtol 1e-7.
    np.testing.assert_allclose(found.estimate, error, rtol=2e-6)
    assert found.corrected.dtype == jnp.float64
    assert not outside.successful and np.isnan(outside.estimate)


def test_bad_input():
    problem = problems.pendulum()
    sparse = diffrax.diffeqsolve(
        diffrax.ODETerm(problem.field), diffrax.Euler(), 0.0, 1.0, 0.5, problem.y0, problem.args
    )
    with pytest.raises(ValueError, match="dense=True"):
        functional_error(problem.field, sparse, squares, jnp.ones(1), problem.args)

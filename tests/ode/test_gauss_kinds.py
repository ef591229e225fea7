"""GaussAdjoint of complex states, long steps, solves without a step and failed ones; what it refuses."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mcjax.ode import ForwardSensitivity, GaussAdjoint
from mcjax.verify import differences

from .problems import assert_relative, pid


@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
def test_there_is_no_second_order(outer):
    def end(a):
        term = diffrax.ODETerm(lambda t, y, a: a * y)
        return diffrax.diffeqsolve(
            term, diffrax.Tsit5(), 0.0, 1.0, None, 1.0, a,
            stepsize_controller=pid(1e-6), adjoint=GaussAdjoint(),
        ).ys[0]  # fmt: skip

    with pytest.raises(RuntimeError, match="ReplayAdjoint"):
        jax.eval_shape(outer(jax.grad(end)), 0.7)


@pytest.mark.filterwarnings("ignore:Complex dtype support")
def test_complex_states():
    """Against differences of the solution.

    The field is not holomorphic, and the parameter c is complex.
    """

    def field(t, z, args):
        a, c = args
        return lax.complex(-0.3 * t * jnp.ones(2), a * jnp.abs(z) ** 2) * z + c * jnp.conj(z)

    def loss(x, adjoint=None, rtol=1e-9):
        z0, c = lax.complex(x[:2], x[2:4]), lax.complex(x[4], x[5])
        t0, t1, ts = x[7], x[8], jnp.stack([x[9], x[8]])
        adjoint = adjoint or diffrax.ForwardMode()
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Tsit5(), t0, t1, None, z0, (x[6], c),
            saveat=diffrax.SaveAt(ts=ts), stepsize_controller=pid(rtol), adjoint=adjoint,
        )  # fmt: skip
        z = solution.ys
        return jnp.sum(z.real**2 * jnp.array([[1.0, 2.0]]) + z.imag * z.real - 2 * z.imag)

    x = jnp.array([1.0, 0.5, -0.3, 0.8, 0.3, 0.2, 0.9, 0.1, 1.2, 0.6])
    got = jax.jit(jax.grad(lambda x: loss(x, GaussAdjoint())))(x)
    want = differences.jacobian(jax.jit(lambda x: loss(x, None, 1e-12)), x)
    assert np.all(np.abs(got - want.value) < 1e-7 + want.error)


@pytest.mark.filterwarnings("ignore:Complex dtype support")
def test_the_cost_of_a_complex_state():
    """z' = i w z has J = ∫ (Im z)² dt in closed form; the error number is real."""

    def cost(t, z, args):
        return z.imag**2

    def loss(z0, w, error):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, w: lax.complex(0.0, w) * z), diffrax.Tsit5(), 0.0, 1.3, None, z0, w,
            stepsize_controller=pid(1e-9), adjoint=GaussAdjoint(cost=cost, error=error),
        ).stats["cost"]  # fmt: skip

    def truth(z0, w, error):
        p = jnp.angle(z0)
        return jnp.abs(z0) ** 2 * (0.65 - (jnp.sin(2 * (w * 1.3 + p)) - jnp.sin(2 * p)) / (4 * w))

    got = jax.jit(jax.grad(loss, (0, 1, 2)))(0.8 + 0.3j, 2.0, 0.0)
    want = jax.grad(truth, (0, 1))(0.8 + 0.3j, 2.0, 0.0)
    assert_relative(got[:2], want, 1e-7)
    assert got[2].dtype == jnp.float64 and 0 < got[2] < 1e-7


@pytest.mark.parametrize(("t0", "which"), [(-1.0, "t0"), (1.0, "t1")])
def test_nothing_to_solve(t0, which):
    """What is saved is y0, where the only time is t0. diffrax reverses the sign of such times."""

    def loss(y0):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: 0.7 * y), diffrax.Tsit5(), t0, 1.0, None, y0,
            saveat=diffrax.SaveAt(**{which: True}), stepsize_controller=pid(1e-6),
            adjoint=GaussAdjoint(),
        )  # fmt: skip
        return 3 * solution.ys[0]

    assert jax.jit(jax.grad(loss))(1.2) == 3


def test_a_failed_solve_is_nan_in_the_times_too():
    def loss(t0, t1, ts):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: jnp.cos(t) * y), diffrax.Tsit5(), t0, t1, None, 1.2,
            saveat=diffrax.SaveAt(ts=ts, t1=True), stepsize_controller=pid(1e-8),
            adjoint=GaussAdjoint(cost=lambda t, y, args: y**2), max_steps=3, throw=False,
        )  # fmt: skip
        saved = jnp.where(jnp.isfinite(solution.ys), solution.ys, 0)
        return jnp.sum(saved) + solution.stats["cost"]

    got = jax.jit(jax.grad(loss, (0, 1, 2)))(0.1, 3.0, jnp.array([0.1001, 2.0]))
    assert all(np.all(np.isnan(x)) for x in got)


def test_the_long_steps_of_order_eight():
    """Logistic growth beside an oscillation of frequency a: 11 steps, dL/da to ten tolerances."""

    def field(t, y, a):
        return jnp.stack([a * y[0] * (1 - y[0]), y[2], -(a**2) * y[1]])

    def loss(y0, a):
        y = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri8(), 0.0, 4.0, None, jnp.stack([y0, y0, 0.0]), a,
            stepsize_controller=pid(1e-9), adjoint=GaussAdjoint(),
        ).ys[0]  # fmt: skip
        return y[0] + y[1]

    def truth(y0, a):
        growth = jnp.exp(4 * a)
        return y0 * growth / (1 + y0 * (growth - 1)) + y0 * jnp.cos(4 * a)

    got = jax.jit(jax.grad(loss, (0, 1)))(0.1, 1.3)
    assert_relative(got, jax.grad(truth, (0, 1))(0.1, 1.3), 1e-8)


def test_constant_steps_of_the_adjoint_do_not_step_to_its_jumps():
    def loss(a, ts):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: a * y), diffrax.Tsit5(), 0.0, 1.0, None, 1.0, a,
            saveat=diffrax.SaveAt(ts=ts), stepsize_controller=pid(1e-8),
            adjoint=GaussAdjoint(stepsize_controller=diffrax.ConstantStepSize()),
        ).ys.sum()  # fmt: skip

    with pytest.raises(ValueError, match=r"PIDController\(rtol=..., atol=...\)"):
        jax.eval_shape(jax.grad(loss), 0.7, jnp.array([0.5, 1.0]))
    assert_relative(jax.jit(jax.grad(loss))(0.7, jnp.array([1.0])), np.exp(0.7), 1e-4)


def test_jumps_where_the_state_of_the_solver_has_a_copy_of_it():
    """ReversibleHeun: y = exp(-a s(t)), s = t + (1 - cos 3t)/6. It was NaN, after 512 steps."""

    def loss(a, ts):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: -a * y * (1 + 0.5 * jnp.sin(3 * t))),
            diffrax.ReversibleHeun(), 0.0, 1.0, None, 1.0, a, saveat=diffrax.SaveAt(ts=ts),
            stepsize_controller=pid(1e-4), adjoint=GaussAdjoint(max_steps=512), max_steps=512,
        ).ys.sum()  # fmt: skip

    def truth(a, ts):
        return jnp.exp(-a * (ts + (1 - jnp.cos(3 * ts)) / 6)).sum()

    ts = jnp.array([0.3, 0.5, 0.8, 1.0])
    got = jax.jit(jax.grad(loss, (0, 1)))(0.7, ts)
    # Ten times the tolerance of the solver.
    assert_relative(got, jax.grad(truth, (0, 1))(0.7, ts), 10 * 1e-4)


# numpy says of diffrax's own filling of unused slots that infinity is no integer.
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("adjoint", [GaussAdjoint(), ForwardSensitivity()])
def test_saved_integers_and_booleans(adjoint):
    """2⁶⁰ + 1 is no float."""

    def saved(t, y, args):
        return y > 0.5, jnp.full((), 2**60 + 1), y

    def solve(y0):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: -y), diffrax.Tsit5(), 0.0, 1.0, None, y0,
            saveat=diffrax.SaveAt(ts=jnp.array([0.2, 1.0]), fn=saved),
            stepsize_controller=pid(1e-6), adjoint=adjoint,
        ).ys  # fmt: skip

    def loss(y0):
        *others, y = solve(y0)
        return y.sum(), others

    (above, large), slope = jax.jit(jax.grad(loss, has_aux=True))(1.0)[::-1]
    assert above.dtype == jnp.bool and above.tolist() == [True, False]
    assert large.dtype == jnp.int64 and large.tolist() == [2**60 + 1] * 2
    assert_relative(slope, np.exp(-0.2) + np.exp(-1.0), 10 * 1e-6)  # ten tolerances


def test_jumps_that_an_inner_controller_knows():
    """y' = 50 p [t > 3/8] - p y: λ stops at 3/8, too, where another controller is around that one.

    y(1) = y0 e^{-p} + 50 (1 - e^{-5p/8}).
    """
    inner = diffrax.ClipStepSizeController(pid(1e-9), jump_ts=jnp.array([0.375]))
    controller = diffrax.ClipStepSizeController(inner, step_ts=jnp.array([0.5]))

    def end(p):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, p: p * (jnp.where(t > 0.375, 50.0, 0.0) - y)), diffrax.Tsit5(),
            0.0, 1.0, None, 1.0, p, stepsize_controller=controller, adjoint=GaussAdjoint(),
        ).ys[0]  # fmt: skip

    got = jax.jit(jax.grad(end))(0.7)
    want = -np.exp(-0.7) + 50 * 0.625 * np.exp(-0.625 * 0.7)
    np.testing.assert_allclose(got, want, rtol=1e-8)

"""The error-controlled adjoint against closed forms, equilibria, and differences with an error bar."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._gauss import GaussAdjoint
from mcjax.verify import differences

from .problems import EQUILIBRIUM_TRUTH, assert_relative, brusselator_1d, equilibrium, pid


def test_equilibrium():
    problem = equilibrium()

    def loss(a, rtol):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(problem.field), diffrax.Tsit5(), 0.0, 10.0, None, problem.y0, a,
            saveat=diffrax.SaveAt(ts=problem.times(101)),
            stepsize_controller=pid(rtol), adjoint=GaussAdjoint(),
        )  # fmt: skip
        return solution.ys.sum()

    gradient = jax.jit(jax.value_and_grad(loss))
    for rtol in (1e-3, 1e-6, 1e-9):
        value, got = gradient(problem.args, rtol)
        assert abs(value - 202) < 1e-10
        assert abs(got / EQUILIBRIUM_TRUTH - 1) <= rtol


# y' = a y + sin(ω t) has a closed form in everything that can be differentiated.


def forced(t, t0, y0, a, w):
    def particular(t):
        return -(a * jnp.sin(w * t) + w * jnp.cos(w * t)) / (a**2 + w**2)

    return particular(t) + jnp.exp(a * (t - t0)) * (y0 - particular(t0))


def saved(t, y, args):
    return t * y**2 * args


def loss_of_solve(y0, a, w, t0, t1, ts, rtol, solver):
    parts = [
        diffrax.SubSaveAt(ts=ts, fn=saved),
        diffrax.SubSaveAt(t0=True, t1=True),
    ]
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: args * y + jnp.sin(w * t)),  # w is closed over
        solver, t0, t1, None, y0, a,
        saveat=diffrax.SaveAt(subs=parts), stepsize_controller=pid(rtol),
        adjoint=GaussAdjoint(),
    )  # fmt: skip
    inner, ends = solution.ys
    # sol.ts carries derivatives as well.
    return jnp.sum(inner) + jnp.sum(ends**3) + jnp.sum(jnp.sin(solution.ts[0]))


def loss_of_truth(y0, a, w, t0, t1, ts):
    inner = jax.vmap(lambda t: saved(t, forced(t, t0, y0, a, w), a))(ts)
    end = forced(t1, t0, y0, a, w)
    return jnp.sum(inner) + jnp.sum(y0**3) + jnp.sum(end**3) + jnp.sum(jnp.sin(ts))


FORCED = np.array([0.4, -0.3]), 0.3, 2.0, 0.5, 3.0, np.array([0.5, 0.5, 1.0, 1.001, 2.9])


def reversed_time(y0, a, w, t0, t1, ts):
    return y0, a, w, t1, t0, ts[::-1]


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        (diffrax.Tsit5(), 1e-7),
        pytest.param(diffrax.Kvaerno5(), 5e-6, marks=pytest.mark.slow),  # cubic between steps
    ],
    ids=["Tsit5", "Kvaerno5"],
)
def test_everything_is_differentiable_in_both_directions_of_time(solver, tolerance):
    which = tuple(range(6))
    gradient = jax.jit(jax.value_and_grad(lambda *x: loss_of_solve(*x, solver), which))
    truth = jax.jit(jax.value_and_grad(loss_of_truth, which))
    for inputs in (FORCED, reversed_time(*FORCED)):
        assert_relative(gradient(*inputs, 1e-9), truth(*inputs), tolerance)


class Layer(eqx.Module):
    weight: jax.Array

    def __call__(self, t, y, args):
        return {"x": jnp.tanh(self.weight @ y["x"]) - args[0] * y["x"], "z": jnp.sum(y["x"])[None]}


def layer_loss(layer, y0, args, adjoint, rtol):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(layer), diffrax.Tsit5(), 0.0, 2.0, None, y0, args,
        stepsize_controller=pid(rtol), adjoint=adjoint,
    )  # fmt: skip
    return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(solution.ys))


def layer_inputs(key):
    weight, x = jax.random.normal(key, (3, 3)), jnp.array([0.1, 0.5, -0.2])
    return Layer(weight), {"x": x, "z": jnp.ones(1)}, (jnp.array(0.3), "not an array", 7)


def test_weights_pytrees_and_vmap(key):
    layer, y0, args = layer_inputs(key)

    def loss(p, y0, adjoint, rtol):
        return layer_loss(p[0], y0, (p[1], *args[1:]), adjoint, rtol)

    p = layer, args[0]
    batch = jax.tree.map(lambda y: jnp.stack([y, -2 * y]), y0)
    gradient = jax.vmap(jax.grad(loss, (0, 1)), (None, 0, None, None))
    got = jax.jit(lambda p, batch: gradient(p, batch, GaussAdjoint(), 1e-9))(p, batch)
    value = jax.jit(lambda p, y0: loss(p, y0, diffrax.ForwardMode(), 1e-12))
    for i in range(2):
        x = p, jax.tree.map(lambda y, i=i: y[i], batch)
        v = jax.tree.map(
            lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype) + 1).reshape(x.shape), x
        )
        want = differences.jvp(lambda x: value(*x), x, v)
        products = jax.tree.map(lambda g, v, i=i: jnp.sum(g[i] * v), got, v)
        assert abs(jax.tree.reduce(jnp.add, products) - want.value) < 1e-8 + want.error


def test_quadrature_error_number():
    """y' = 1 + a cos ω t: λ = 1 takes long steps, and dL/da = sin(2 ω)/ω needs short ones."""

    def loss(a, error, w):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: 1 + a * jnp.cos(w * t)), diffrax.Tsit5(), 0.0, 2.0,
            None, jnp.ones(()), a, stepsize_controller=pid(1e-6), adjoint=GaussAdjoint(error=error),
        )  # fmt: skip
        return solution.ys.sum()

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    for w, fits in [(0.3, True), (20.0, False)]:
        got, error = gradient(0.0, 0.0, w)
        assert (abs(got - np.sin(2 * w) / w) < error + 1e-12) and (error < 1e-3) == fits


@pytest.mark.slow
def test_float32(key):
    layer, y0, args = jax.tree.map(
        lambda x: x.astype(jnp.float32) if eqx.is_array(x) else x, layer_inputs(key)
    )

    def loss(layer):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(layer), diffrax.Tsit5(), jnp.float32(0), jnp.float32(2),
            None, y0, args, stepsize_controller=pid(1e-4), adjoint=GaussAdjoint(),
        )  # fmt: skip
        return jnp.sum(solution.ys["x"])

    got = jax.jit(jax.grad(loss))(layer).weight
    assert got.dtype == jnp.float32 and np.all(np.isfinite(got))


def test_fields_that_jump():
    """y' = -y before t = 1, -a y after: y(2) = exp(-1 - a) y0, and y(1.5) = exp(-1 - a/2) y0."""

    def loss(a):
        controller = diffrax.ClipStepSizeController(pid(1e-9), jump_ts=jnp.array([1.0]))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: -jnp.where(t < 1, 1, a) * y), diffrax.Tsit5(),
            0.0, 2.0, None, jnp.ones(()), a, saveat=diffrax.SaveAt(ts=jnp.array([1.5, 2.0])),
            stepsize_controller=controller, adjoint=GaussAdjoint(),
        )  # fmt: skip
        return solution.ys.sum(), solution.stats["num_steps"]

    (_, steps), got = jax.jit(jax.value_and_grad(loss, has_aux=True))(3.0)
    want = -0.5 * np.exp(-2.5) - np.exp(-4)
    assert abs(got / want - 1) < 1e-8
    assert steps < 200


def test_a_failed_backward_solve_is_nan():
    """Along y = 0, λ = exp(1000 t) is infinite, and λ = exp(-10⁴ t) needs more steps than allowed."""

    def loss(y0, rate):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, rate: rate * y), diffrax.Tsit5(), 0.0, 1.0, None, y0, rate,
            stepsize_controller=pid(1e-6), adjoint=GaussAdjoint(), max_steps=16,
        )  # fmt: skip
        return solution.ys.sum()

    gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
    for rate in (1000.0, -1e4):
        value, got = gradient(jnp.zeros(1), rate)
        assert value == 0
        assert np.all(np.isnan(got[0])) and np.isnan(got[1])


def solve(adjoint, *, terms=None, solver=None, controller=None, **kwargs):
    terms = terms or diffrax.ODETerm(lambda t, y, args: -y)
    return diffrax.diffeqsolve(
        terms, solver or diffrax.Tsit5(), 0.0, 1.0, 0.1, jnp.ones(2),
        stepsize_controller=controller or pid(1e-6), adjoint=adjoint, **kwargs,
    )  # fmt: skip


def brownian(key):
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 1e-2, (2,), key)
    noise = diffrax.ControlTerm(lambda t, y, args: jnp.eye(2), path)
    return diffrax.MultiTerm(diffrax.ODETerm(lambda t, y, args: -y), noise)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(saveat=diffrax.SaveAt(steps=True)), "Save at ts"),
        (dict(saveat=diffrax.SaveAt(t1=True, dense=True)), "Save at ts"),
        (dict(saveat=diffrax.SaveAt(t1=True, solver_state=True)), "solver_state"),
        (dict(max_steps=None), "max_steps="),
        (dict(event=diffrax.Event(lambda t, y, args, **kw: y[0] - 0.5)), "hybrid_solve"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_bad_input(kwargs, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        jax.eval_shape(lambda: solve(GaussAdjoint(), **kwargs))


def test_a_cost_that_is_a_constant():
    """∫ 1 dt: a number of Python, too, is a number."""
    solution = jax.eval_shape(lambda: solve(GaussAdjoint(cost=lambda t, y, args: 1.0)))
    assert solution.stats["cost"].dtype == jnp.float64


def test_bad_input_of_other_kinds(key):
    with pytest.raises(ValueError, match="ReplayAdjoint"):
        noisy = dict(terms=brownian(key), solver=diffrax.Heun())
        jax.eval_shape(
            lambda: solve(GaussAdjoint(), controller=diffrax.ConstantStepSize(), **noisy)
        )
    with pytest.raises(ValueError, match="hermite"):
        jax.eval_shape(lambda: solve(GaussAdjoint(interpolation="linear")))
    with pytest.raises(ValueError, match="PIDController"):
        constant = dict(controller=diffrax.ConstantStepSize())
        terms = diffrax.ODETerm(lambda t, y, a: -a * y)
        jax.eval_shape(
            jax.grad(lambda a: solve(GaussAdjoint(), terms=terms, args=a, **constant).ys.sum()),
            1.0,
        )
    with pytest.raises(ValueError, match=r"GaussAdjoint\(solver=diffrax.Tsit5\(\)"):
        constant |= dict(solver=diffrax.Euler(), terms=terms)
        adjoint = GaussAdjoint(stepsize_controller=pid(1e-6))
        jax.eval_shape(jax.grad(lambda a: solve(adjoint, args=a, **constant).ys.sum()), 1.0)


# The double pendulum of equal masses and rods: angles, then angular velocities.


def double_pendulum(t, y, p):
    g, length = p
    a, b, va, vb = y
    d = a - b
    s, c = jnp.sin(d), jnp.cos(d)
    fa = -s * vb**2 - 2 * g / length * jnp.sin(a)
    fb = s * va**2 - g / length * jnp.sin(b)
    det = 2 - c**2
    return jnp.stack([va, vb, (fa - c * fb) / det, (2 * fb - c * fa) / det])


@pytest.mark.slow
def test_double_pendulum_to_eight_digits():
    def angle(p, rtol, adjoint):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(double_pendulum), diffrax.Tsit5(), 0.0, 5.0, None,
            jnp.array([1.2, -0.4, 0.0, 0.3]), p, stepsize_controller=pid(rtol),
            adjoint=adjoint, max_steps=8192,
        )  # fmt: skip
        return solution.ys[-1, 1]

    p = jnp.array([9.81, 1.0])
    got = jax.jit(jax.grad(lambda p: angle(p, 1e-10, GaussAdjoint())))(p)
    # Tolerances at rounding make the differences those of the flow.
    f = jax.jit(lambda p: angle(p, 1e-13, diffrax.ForwardMode()))
    want = differences.jacobian(f, p)
    assert np.all(want.error < 1e-8 * np.abs(want.value))
    assert np.all(np.abs(got - want.value) < 1e-8 * np.abs(want.value) + want.error)


@pytest.mark.slow
def test_brusselator():
    problem = brusselator_1d()
    weights = np.cos(np.arange(128.0)).reshape(2, 64)

    def loss(y0, rtol, solver):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(problem.field), solver, 0.0, 10.0, None, y0, problem.args,
            stepsize_controller=pid(rtol), adjoint=GaussAdjoint(), max_steps=8192,
        )  # fmt: skip
        return jnp.sum(weights * solution.ys[-1])

    def along(y0, v):
        """The derivative along v, from the flow of the variational equation."""

        def field(t, pair, args):
            return jax.jvp(lambda y: problem.field(t, y, args), (pair[0],), (pair[1],))

        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri8(), 0.0, 10.0, None, (y0, v), problem.args,
            stepsize_controller=pid(1e-12), adjoint=diffrax.ForwardMode(), max_steps=8192,
        )  # fmt: skip
        return jnp.sum(weights * solution.ys[1][-1])

    gradient = jax.jit(jax.grad(loss), static_argnums=2)
    truth = gradient(problem.y0, 1e-12, diffrax.Dopri8())
    v = np.sin(np.arange(128.0)).reshape(2, 64)
    assert abs(along(problem.y0, v) / np.sum(truth * v) - 1) < 1e-9
    for rtol, tolerance in [(1e-3, 5e-2), (1e-6, 1e-5), (1e-9, 1e-8)]:
        assert_relative(gradient(problem.y0, rtol, diffrax.Tsit5()), truth, tolerance)

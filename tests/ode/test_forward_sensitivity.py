"""States and sensitivities solved together, against closed forms, in every mode and order."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
from jax import lax

from mcjax.ode._forward_sensitivity import ForwardSensitivity
from mcjax.ode._jacobian import jacobian

from .problems import EQUILIBRIUM_TRUTH, equilibrium, pid


def test_equilibrium():
    problem = equilibrium()

    def loss(a, rtol):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(problem.field), diffrax.Tsit5(), 0.0, 10.0, None, problem.y0, a,
            saveat=diffrax.SaveAt(ts=problem.times(101)),
            stepsize_controller=pid(rtol), adjoint=ForwardSensitivity(),
        )  # fmt: skip
        return solution.ys.sum()

    def derivatives(a, rtol):
        forward = jax.jvp(lambda a: loss(a, rtol), (a,), (jnp.ones_like(a),))[1]
        return forward, jax.grad(loss)(a, rtol)

    derivatives = jax.jit(derivatives)
    for rtol in (1e-6, 1e-9):
        forward, reverse = derivatives(problem.args, rtol)
        assert abs(forward / EQUILIBRIUM_TRUTH - 1) <= rtol
        assert abs(reverse / EQUILIBRIUM_TRUTH - 1) <= rtol


# y' = a y² from y(t0) = c: y = c / (1 - a c (t - t0)).


def solution(c, a, t0, t1, ts, rtol=1e-10, adjoint=None):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: a * y**2), diffrax.Tsit5(), t0, t1, None, c,
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=ts), diffrax.SubSaveAt(t0=True, t1=True)]),
        stepsize_controller=pid(rtol), adjoint=adjoint or ForwardSensitivity(),
    ).ys  # fmt: skip


def truth(c, a, t0, t1, ts):
    at = lambda t: c / (1 - a * c * (t - t0))  # noqa: E731
    return [at(ts), jnp.stack([c, at(t1)])]


INPUTS = 0.7, -0.8, 0.2, 1.5, np.array([0.2, 0.9, 1.4])


def stacked(f):
    return lambda *x: jnp.concatenate(f(*x))


def test_everything_is_differentiable_forwards_and_backwards():
    which = tuple(range(5))
    got = jax.jit(jax.jacfwd(stacked(solution), which))(*INPUTS)
    want = jax.jacfwd(stacked(truth), which)(*INPUTS)
    transposed = jax.jit(jax.grad(lambda *x: jnp.sum(stacked(solution)(*x) ** 2), which))(*INPUTS)
    squares = jax.grad(lambda *x: jnp.sum(stacked(truth)(*x) ** 2), which)(*INPUTS)
    for g, w in [*zip(got, want, strict=True), *zip(transposed, squares, strict=True)]:
        assert np.linalg.norm(g - w) < 1e-8 * np.linalg.norm(w)


@pytest.mark.slow
@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
@pytest.mark.parametrize("inner", [jax.jacfwd, jax.jacrev])
def test_second_order(outer, inner):
    def second(f):
        return outer(inner(lambda p: jnp.sum(stacked(f)(p[0], p[1], *INPUTS[2:]) ** 2)))

    p = jnp.array(INPUTS[:2])
    got, want = jax.jit(second(solution))(p), second(truth)(p)
    assert np.linalg.norm(got - want) < 1e-7 * np.linalg.norm(want)


def test_a_failed_solve_for_sensitivities_is_nan():
    """Along y = 0 one parameter has S = exp(1000 t)."""

    def value(c):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: 1000 * y), diffrax.Tsit5(), 0.0, 1.0, None, c,
            stepsize_controller=pid(1e-6), adjoint=ForwardSensitivity(),
        ).ys.sum()  # fmt: skip

    y, dy = jax.jit(lambda c: jax.jvp(value, (c,), (jnp.ones_like(c),)))(0.0)
    assert y == 0 and np.isnan(dy)


@pytest.mark.parametrize(
    "state", [jnp.zeros((0, 2)), (jnp.zeros(0), jnp.ones(1))], ids=["all", "a part"]
)
def test_a_state_without_numbers(state):
    """y = exp(-a) where there is one."""

    def total(a):
        ys = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: jax.tree.map(lambda y: -a * y, y)), diffrax.Tsit5(),
            0.0, 1.0, None, state, a, stepsize_controller=pid(1e-6), adjoint=ForwardSensitivity(),
        ).ys  # fmt: skip
        return sum((jnp.sum(y) for y in jax.tree.leaves(ys)), a)

    numbers = sum(y.size for y in jax.tree.leaves(state))
    slope = jax.jit(jax.grad(total))(0.7)
    np.testing.assert_allclose(slope, 1 - numbers * np.exp(-0.7), rtol=10 * 1e-6)  # ten tolerances


@pytest.mark.parametrize("solver", [diffrax.Tsit5(), diffrax.Kvaerno5()], ids=["Tsit5", "Kvaerno5"])
def test_relative_tolerances_and_components_apart(solver):
    """S of y' = -p y is diagonal, and S_θ starts at zero: its zeros are right to no relative tolerance."""

    def end(y0, p):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, p: -p * y), solver, 1.0, 2.0, None, y0, p,
            stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=0.0), adjoint=ForwardSensitivity(),
        ).ys[0]  # fmt: skip

    y0, p = jnp.array([1.0, 3.0]), jnp.array([1.0, 2.0])
    got = jax.jit(jax.jacfwd(end, (0, 1)))(y0, p)
    want = jax.jacfwd(lambda y0, p: y0 * jnp.exp(-p), (0, 1))(y0, p)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_jacobian_in_what_is_no_array():
    with pytest.raises(TypeError, match=r"eqx\.partition"):
        jacobian(lambda p, adjoint: p[0])((jnp.ones(2), jnp.tanh))
    with pytest.raises(TypeError, match="split them into real and imaginary parts"):
        jacobian(lambda p, adjoint: p)(jnp.ones(2, complex))


def test_jacobian_of_what_continuous_adjoints_refuse():
    """More parameters than outputs with constant steps, and steps that are saved: as diffrax's adjoint."""

    def constant(p, adjoint):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, p: -p * y), diffrax.Euler(), 0.0, 1.0, 0.25, jnp.ones(50), p,
            adjoint=adjoint, max_steps=8,
        ).ys[0, :3]  # fmt: skip

    def steps(p, adjoint):
        ys = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, p: -p[0] * y), diffrax.Tsit5(), 0.0, 1.0, None, p[1], p,
            saveat=diffrax.SaveAt(steps=True), stepsize_controller=pid(1e-6), adjoint=adjoint,
            max_steps=32,
        ).ys  # fmt: skip
        return jnp.where(jnp.isfinite(ys), ys, 0)

    direct = diffrax.DirectAdjoint()
    for solve, p in [(constant, jnp.linspace(0.5, 1.5, 50)), (steps, jnp.array([1.3, 0.8]))]:
        want = jax.jit(jax.jacfwd(lambda p, solve=solve: solve(p, direct)))(p)
        np.testing.assert_allclose(jax.jit(jacobian(solve))(p), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["control", "event", "solver_state"])
def test_jacobian_of_a_small_solve_that_sensitivities_refuse(kind):
    """Euler's steps of y' = -(a + b) y multiply by 1 - (a + b)/4, four times, or two to below 0.3."""

    def solve(p, adjoint):
        terms, keywords = diffrax.ODETerm(lambda t, y, p: -p[0] * y - p[1] * y), {}
        if kind == "control":  # Of noise there is no closed form.
            one, other = (lambda t, y, p, i=i: -p[i] * y for i in (0, 1))
            other = diffrax.ControlTerm(other, lambda t0, t1: t1 - t0)
            terms = diffrax.MultiTerm(diffrax.ODETerm(one), other)
        elif kind == "event":
            keywords["event"] = diffrax.Event(lambda t, y, p, **_: y < 0.3)
        else:
            keywords["saveat"] = diffrax.SaveAt(t1=True, solver_state=True)
        return diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, 1.0, 0.25, 1.0, p, adjoint=adjoint, max_steps=8, **keywords
        ).ys  # fmt: skip

    p, steps = jnp.array([1.3, 0.8]), 2 if kind == "event" else 4
    want = jax.jacfwd(lambda p: (1 - p.sum() / 4) ** jnp.array([float(steps)]))(p)
    np.testing.assert_allclose(jax.jit(jacobian(solve))(p), want, rtol=1e-12)


def test_jacobian_and_a_fit():
    """Exponential decay: both parameters of c exp(-a t) are found, and J is its closed form."""
    ts = np.linspace(0.0, 2.0, 7)

    def solve(p, adjoint):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: -a * y), diffrax.Tsit5(), 0.0, 2.0, None, p[0], p[1],
            saveat=diffrax.SaveAt(ts=jnp.asarray(ts)), stepsize_controller=pid(1e-9),
            adjoint=adjoint,
        ).ys  # fmt: skip

    p = jnp.array([1.3, 0.8])
    decay = np.exp(-0.8 * ts)
    want = np.stack([decay, -1.3 * ts * decay], 1)
    assert np.linalg.norm(jax.jit(jacobian(solve))(p) - want) < 1e-7 * np.linalg.norm(want)

    def residual(p, _):
        return solve(p, ForwardSensitivity()) - 1.3 * decay

    method = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)
    fit = jax.jit(lambda p: optimistix.least_squares(residual, method, p).value)
    assert np.linalg.norm(fit(jnp.array([1.0, 0.5])) - p) < 1e-6


def test_bad_input():
    def solve(**kwargs):
        diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: -y), diffrax.Tsit5(), 0.0, 1.0, 0.1, jnp.ones(2),
            adjoint=ForwardSensitivity(), **kwargs,
        )  # fmt: skip

    with pytest.raises(NotImplementedError, match="Save at ts"):
        jax.eval_shape(lambda: solve(saveat=diffrax.SaveAt(steps=True)))
    with pytest.raises(NotImplementedError, match="hybrid_solve"):
        jax.eval_shape(lambda: solve(event=diffrax.Event(lambda t, y, args, **kw: y[0] - 0.5)))


@pytest.mark.filterwarnings("ignore:Complex dtype support")
@pytest.mark.parametrize(
    "derivative",
    [
        jax.jacfwd,
        pytest.param(jax.jacrev, marks=pytest.mark.slow),
        pytest.param(lambda f: jax.jacfwd(jax.jacrev(f)), marks=pytest.mark.slow),
    ],
    ids=["jacfwd", "jacrev", "second order"],
)
def test_complex_states_of_a_field_that_is_not_holomorphic(derivative):
    """z' = (c + i |z|²) z: |z| = |z0| exp(t Re c), and the phase is an integral of its square."""

    def solve(x):
        t0, t1 = x[4], x[5]
        z = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, c: (c + lax.complex(0.0, jnp.abs(z) ** 2)) * z),
            diffrax.Tsit5(), t0, t1, None, lax.complex(x[0], x[1]), lax.complex(x[2], x[3]),
            stepsize_controller=pid(1e-9), adjoint=ForwardSensitivity(),
        ).ys[0]  # fmt: skip
        return jnp.stack([z.real, z.imag])

    def truth(x):
        t, square = x[5] - x[4], x[0] ** 2 + x[1] ** 2
        phase = jnp.arctan2(x[1], x[0]) + x[3] * t + square * jnp.expm1(2 * x[2] * t) / (2 * x[2])
        return jnp.sqrt(square) * jnp.exp(x[2] * t) * jnp.stack([jnp.cos(phase), jnp.sin(phase)])

    x = jnp.array([0.8, 0.3, 0.4, -0.7, 0.1, 1.2])
    got, want = jax.jit(derivative(solve))(x), derivative(truth)(x)
    assert np.linalg.norm(got - want) < 1e-7 * np.linalg.norm(want)

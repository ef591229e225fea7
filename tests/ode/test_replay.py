"""ReplayAdjoint: equal to diffrax's adjoints where those work, and to plain JAX on the same steps."""

from itertools import pairwise
from types import SimpleNamespace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from scipy.integrate import solve_ivp

from mcjax.ode import ReplayAdjoint

from . import problems


def solve(p, solver, adjoint, y0, args, rtol=1e-6, atol=1e-8, max_steps=512, **keywords):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(p.field),
        solver,
        p.t0,
        p.t1,
        p.dt0,
        y0,
        args,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=adjoint,
        max_steps=max_steps,
        **keywords,
    )


def relative(x, y):
    return float(jnp.abs(x - y).max() / jnp.abs(y).max())


# -- truth: an explicit Runge-Kutta method in plain JAX, without a loop to differentiate


def unrolled(tableau, field, y, args, times):
    """The states at all times, one step between any two."""
    ys = [y]
    weights = np.asarray(tableau.b_sol)
    for t, after in pairwise(times):
        h = after - t
        ks = [field(t, y, args)]
        for c, row in zip(tableau.c, tableau.a_lower, strict=True):
            ks.append(
                field(t + c * h, y + h * sum(a * k for a, k in zip(row, ks, strict=True)), args)
            )
        y = y + h * sum(b * k for b, k in zip(weights, ks, strict=True))
        ys.append(y)
    return jnp.stack(ys)


EULER = SimpleNamespace(b_sol=(1.0,), c=(), a_lower=())
MODES = ("value", "jvp", "vjp", "jvp of grad", "grad of jvp", "grad of grad")


def modes(f, x, v, u):
    """Derivatives of f along v and of u·sin f, in all modes."""
    g = lambda x: u @ jnp.sin(f(x))  # noqa: E731
    along = lambda x: jax.jvp(g, (x,), (v,))[1]  # noqa: E731
    all_of_them = {
        "value": lambda: f(x),
        "jvp": lambda: jax.jvp(f, (x,), (v,))[1],
        "vjp": lambda: jax.grad(g)(x),
        "jvp of grad": lambda: jax.jvp(jax.grad(g), (x,), (v,))[1],
        "grad of jvp": lambda: jax.grad(along)(x),
        "grad of grad": lambda: jax.grad(lambda x: jax.grad(g)(x) @ v)(x),
    }
    return {name: all_of_them[name]() for name in MODES}


@pytest.mark.parametrize(
    "solver",
    [
        pytest.param(diffrax.Euler(), id="Euler"),
        pytest.param(diffrax.Heun(), id="Heun", marks=pytest.mark.slow),
        pytest.param(diffrax.Tsit5(), id="Tsit5", marks=pytest.mark.slow),
    ],
)
def test_modes_are_those_of_the_steps(solver):
    # A field that depends on time, with constant steps: t0, dt0 and t1 move every boundary.
    field = lambda t, y, a: jnp.stack([a[0] * y[1] * jnp.cos(t), -a[1] * y[0] * y[1]])  # noqa: E731
    x, unravel = ravel_pytree((jnp.array([1.0, 0.5]), jnp.array([1.5, 0.7]), jnp.array([0.1, 1.3])))
    v, u = (jnp.cos(1.3 * jnp.arange(1.0, n + 1)) for n in (6, 4))

    tableau = getattr(solver, "tableau", EULER)

    def ours(x):
        y0, args, (t0, t1) = unravel(x)
        steps = diffrax.SubSaveAt(steps=2)
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            solver,
            t0,
            t1,
            (t1 - t0) / 4,
            y0,
            args,
            saveat=diffrax.SaveAt(subs=steps),
            adjoint=ReplayAdjoint(),
            max_steps=4,
        )
        return sol.ys.ravel()

    def truth(x):
        y0, args, (t0, t1) = unravel(x)
        times = [t0 + (t1 - t0) * k / 4 for k in range(5)]
        return unrolled(tableau, field, y0, args, times)[2::2].ravel()

    got, want = (jax.jit(lambda x, f=f: modes(f, x, v, u))(x) for f in (ours, truth))
    # A few thousand roundings of quantities of order one.
    for name in MODES:
        assert relative(got[name], want[name]) < 1e-12, name


# -- the same as diffrax


def everything_saved(ts):
    """Every way to save but dense, in a tree, through functions."""
    return diffrax.SaveAt(
        subs={
            "ts": diffrax.SubSaveAt(ts=ts, t0=True, fn=lambda t, y, args: jnp.sin(t * y) * args[0]),
            "ends": diffrax.SubSaveAt(t0=True, t1=True),
            "steps": diffrax.SubSaveAt(steps=1, fn=lambda t, y, args: y[0] ** 2),
        }
    )


def loss_of(p, solver, adjoint, **keywords):
    def loss(x):
        y0, args, ts = x
        sol = solve(p, solver, adjoint, y0, args, saveat=everything_saved(ts), **keywords)
        return sum(
            jnp.where(jnp.isfinite(y), y, 0).sum() for y in jax.tree.leaves((sol.ys, sol.ts))
        )

    return loss


def test_equals_recursive_checkpoints():
    p = problems.lotka_volterra()._replace(t1=3.0)
    x = p.y0, p.args, jnp.array([0.3, 0.31, 1.7, 2.9])
    ours, theirs = (
        jax.jit(jax.value_and_grad(loss_of(p, diffrax.Tsit5(), adjoint, max_steps=64)))(x)
        for adjoint in (ReplayAdjoint(), diffrax.RecursiveCheckpointAdjoint())
    )
    assert relative(ours[0], theirs[0]) < 1e-14
    for a, b in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(theirs[1]), strict=True):
        assert relative(a, b) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("solver", [diffrax.Tsit5(), diffrax.Kvaerno3()], ids=["Tsit5", "Kvaerno3"])
def test_all_modes_agree_with_direct_adjoint(solver):
    p = problems.lotka_volterra()._replace(t1=1.0)
    x, unravel = ravel_pytree((p.y0, p.args, jnp.array([0.3, 0.31, 0.7])))
    v = jnp.cos(1.3 * jnp.arange(1.0, len(x) + 1))

    def f(adjoint, x):
        y0, args, ts = unravel(x)
        saveat = diffrax.SaveAt(ts=ts, t1=True)
        return solve(p, solver, adjoint, y0, args, 1e-3, 1e-5, 32, saveat=saveat).ys.ravel()

    u = jnp.sin(jnp.arange(1.0, 9))
    got, want = (
        jax.jit(lambda x, adjoint=adjoint: modes(lambda x: f(adjoint, x), x, v, u))(x)
        for adjoint in (ReplayAdjoint(), diffrax.DirectAdjoint())
    )
    for name in MODES:
        assert relative(got[name], want[name]) < 1e-10, name


def rejecting():
    """A solve from initial values that lead to steps of different number, some of them rejected."""
    p = problems.van_der_pol(3.0)._replace(t1=2.0)

    def loss(y0):
        saveat = diffrax.SaveAt(ts=jnp.array([0.5, 2.0]))
        sol = solve(p, diffrax.Tsit5(), ReplayAdjoint(), y0, p.args, 1e-4, 1e-6, 64, saveat=saveat)
        return jnp.sin(sol.ys).sum(), sol.stats["num_steps"]

    return loss, jnp.array([[2.0, 0.0], [0.3, 3.0]])


def test_vmap_and_shard_map():
    loss, y0 = rejecting()
    gradient = jax.grad(loss, has_aux=True)
    one = jax.jit(gradient)
    each, steps = zip(*map(one, y0), strict=True)
    assert len({*map(int, steps)}) == 2
    np.testing.assert_allclose(jax.jit(jax.vmap(gradient))(y0)[0], jnp.stack(each), rtol=1e-12)
    mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,))
    mapped = jax.shard_map(
        lambda y: gradient(y[0])[0][None],
        mesh=mesh,
        in_specs=P("d"),
        out_specs=P("d"),
        check_vma=False,
    )
    np.testing.assert_allclose(jax.jit(mapped)(y0), jnp.stack(each), rtol=1e-12)


@pytest.mark.slow
def test_hessians_of_a_batch():
    # Rows of a batch that are at different steps must not disturb each other.
    loss, y0 = rejecting()
    hessian = jax.jit(jax.hessian(lambda y: loss(y)[0]))
    batch = jax.jit(jax.vmap(jax.hessian(lambda y: loss(y)[0])))(y0)
    np.testing.assert_allclose(batch, jnp.stack([hessian(y) for y in y0]), rtol=1e-10)


def test_a_hessian_vector_product_takes_three_loops():
    """The solve, the tangents of its steps, and one backwards that carries λ and its tangent.

    In a step of the first two is one loop over stages, in one backwards are two.
    """
    p = problems.lotka_volterra()

    def loss(y0):
        return (solve(p, diffrax.Tsit5(), ReplayAdjoint(), y0, p.args).ys ** 2).sum()

    product = jax.jit(lambda y0, v: jax.jvp(jax.grad(loss), (y0,), (v,))[1])
    text = product.lower(p.y0, p.y0).compile().as_text()
    assert text.count(" while(") == 3 + 4


def test_float32_and_closures():
    # θ is closed over, y is a tree, and everything is float32.
    def loss(theta):
        term = diffrax.ODETerm(lambda t, y, args: {"u": -theta * y["u"]})
        sol = diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            np.float32(0),
            np.float32(1),
            None,
            {"u": jnp.ones(1, jnp.float32)},
            stepsize_controller=problems.pid(1e-6),
            adjoint=ReplayAdjoint(),
            max_steps=32,
        )
        return sol.ys["u"][0, 0]

    gradient = jax.jit(jax.grad(loss))(jnp.float32(0.7))
    assert gradient.dtype == jnp.float32
    assert abs(float(gradient) + np.exp(-0.7)) < 1e-5  # ten times the tolerance


# -- accuracy against an independent solver


def test_robertson_parameters():
    """F4: within 1e-6 at rtol 1e-6, where diffrax.BacksolveAdjoint is infinite."""
    p = problems.robertson()

    def loss(log_k):
        sol = solve(p, diffrax.Kvaerno5(), ReplayAdjoint(), p.y0, log_k, 1e-6, 1e-10, 1024)
        return sol.ys[0, 2]

    # SciPy solves the equations and their sensitivities together.
    field = jax.jit(lambda y: p.field(0.0, y, p.args))
    slopes = jax.jit(jax.jacfwd(lambda y, k: p.field(0.0, y, k), (0, 1)))

    def together(t, z):
        y, S = z[:3], z[3:].reshape(3, 3)
        fy, fk = slopes(y, p.args)
        return np.concatenate([field(y), (fy @ S + fk).ravel()])

    z0 = np.concatenate([p.y0, np.zeros(9)])
    end = solve_ivp(together, (0, p.t1), z0, method="Radau", rtol=1e-10, atol=1e-13).y[:, -1]
    assert relative(jax.jit(jax.grad(loss))(p.args), end[3:].reshape(3, 3)[2]) < 1e-6


@pytest.mark.slow
def test_rejected_newton_iterations_are_not_differentiated():
    """F3: where the backward pass of diffrax's default raises."""
    p = problems.brusselator_1d()

    def loss(y0):
        return solve(p, diffrax.Kvaerno5(), ReplayAdjoint(), y0, p.args, 1e-3, 1e-3, 1024).ys.sum()

    # λ' = -f_yᵀ λ backwards, by SciPy. (A discrete adjoint of an explicit method would not do: where
    # stability limits its steps, its components oscillate.)
    shape = p.y0.shape
    field = jax.jit(lambda t, y: p.field(t, y.reshape(shape), p.args).ravel())
    pull = jax.jit(lambda t, y, v: -jax.vjp(lambda y: field(t, y), y)[1](v)[0])
    tight = dict(method="DOP853", rtol=1e-8, atol=1e-8)
    there = solve_ivp(field, (0, p.t1), np.ravel(p.y0), dense_output=True, **tight).sol
    back = solve_ivp(lambda t, v: pull(t, there(t), v), (p.t1, 0), np.ones(p.y0.size), **tight)
    assert relative(jax.jit(jax.grad(loss))(p.y0).ravel(), back.y[:, -1]) < 1e-3


# -- failure is visible


def test_too_few_rows_is_a_failed_solve():
    p = problems.lotka_volterra()
    sol = solve(p, diffrax.Tsit5(), ReplayAdjoint(max_accepted=5), p.y0, p.args, throw=False)
    assert sol.result == diffrax.RESULTS.max_steps_reached
    assert sol.stats["num_accepted_steps"] == 5


def test_bad_input():
    p = problems.lotka_volterra()

    def attempt(message, p=p, max_steps=8, **keywords):
        with pytest.raises(ValueError, match=message):
            solve(
                p, diffrax.Tsit5(), ReplayAdjoint(), p.y0, p.args, max_steps=max_steps, **keywords
            )

    attempt(r"SaveAt\(ts=...\)", saveat=diffrax.SaveAt(dense=True))
    attempt("in two", saveat=diffrax.SaveAt(ts=jnp.ones(1), steps=True))
    attempt("max_accepted", max_steps=None)
    attempt(
        "hybrid_solve", event=diffrax.Event(lambda t, y, args, **_: y[0], optx.Newton(1e-5, 1e-5))
    )

    noise = diffrax.UnsafeBrownianPath((), jax.random.key(0), diffrax.BrownianIncrement)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, args: -y), diffrax.ControlTerm(lambda t, y, args: y, noise)
    )
    with pytest.raises(ValueError, match="VirtualBrownianTree"):
        diffrax.diffeqsolve(
            terms, diffrax.EulerHeun(), 0.0, 1.0, 0.1, jnp.ones(()), adjoint=ReplayAdjoint()
        )


def test_a_linear_loss_twice_in_reverse():
    """Its cotangents are constants, of which JAX knows that their derivatives are zero."""

    def end(a):
        term = diffrax.ODETerm(lambda t, y, a: -a * y)
        return diffrax.diffeqsolve(
            term, diffrax.Heun(), 0.0, 1.0, 0.5, jnp.ones(()), a, adjoint=ReplayAdjoint(), max_steps=2
        ).ys[0]  # fmt: skip

    factor = lambda a: 1 - a / 2 + a**2 / 8  # noqa: E731
    exact = jax.grad(jax.grad(lambda a: factor(a) ** 2))(0.7)
    np.testing.assert_allclose(jax.jit(jax.grad(jax.grad(end)))(0.7), exact, rtol=1e-13)

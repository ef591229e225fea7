"""Right rules of differential equations and integrals, right to `approx` only."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.ode import odeint

from ._points import normal, positive
from ._rule import Rule


def pendulum(t, y, rate):
    return jnp.stack([y[1], -rate * jnp.sin(y[0])])


def by_odeint(y, rate):
    times = jnp.asarray([0.0, 1.0], y.dtype)
    return odeint(lambda y, t, rate: pendulum(t, y, rate), y, times, rate, rtol=1e-5, atol=1e-5)[1]


def runge_kutta(field, y, h, steps):
    def step(_, y):
        k1 = field(y)
        k2 = field(y + h / 2 * k1)
        k3 = field(y + h / 2 * k2)
        k4 = field(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return lax.fori_loop(0, steps, step, y)


@jax.custom_vjp
def continuous_adjoint(y):
    """A pendulum with 20 Runge-Kutta steps; its adjoint equation takes 20 of its own."""
    return runge_kutta(lambda y: pendulum(0, y, 1.0), y, 0.05, 20)


def _adjoint(end, w):
    def field(state):
        y, a = state[0], state[1]
        derivative, pullback = jax.vjp(lambda y: pendulum(0, y, 1.0), y)
        return jnp.stack([-derivative, pullback(a)[0]])

    return (runge_kutta(field, jnp.stack([end, w]), 0.05, 20)[1],)


continuous_adjoint.defvjp(lambda y: (continuous_adjoint(y),) * 2, _adjoint)


def implicit_euler(y):
    """y' = -y³ in steps of 0.1, each by custom_root."""

    def step(y, _):
        return lax.custom_root(
            lambda z: z + 0.1 * z**3 - y,
            y,
            lambda g, z: lax.fori_loop(0, 6, lambda _, z: z - g(z) / (1 + 0.3 * z**2), z),
            lambda g, w: w / g(jnp.ones_like(w)),
        ), None

    return lax.scan(step, y, length=5)[0]


def by_diffrax(adjoint):
    def solve(y, rate):
        start, end, step = jnp.asarray([0.0, 1.0, 0.1], y.dtype)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(pendulum),
            diffrax.Tsit5(),
            t0=start,
            t1=end,
            dt0=step,
            y0=y,
            args=rate,
            stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-5),
            adjoint=adjoint,
            max_steps=64,
            throw=False,
        ).ys[0]

    return solve


@jax.custom_jvp
def integral(a):
    """∫₀¹ sin(a t) dt by 400 trapezoids."""
    t = jnp.linspace(0.0, 1.0, 401, dtype=a.dtype)
    return jnp.trapezoid(jnp.sin(a[:, None] * t[None, :]), dx=1 / 400)


integral.defjvps(lambda t, y, a: t * (jnp.sin(a) - (1 - jnp.cos(a)) / a) / a)

# The solvers' errors are relative to a solution that does not vanish.
ODE = {"approx": 1e-3, "domain": lambda y, rate: jnp.linalg.norm(y) > 0.1}
START = (np.array([1.0, 0.3]), np.array(1.5))

RULES = (
    Rule("odeint, reverse only", by_odeint, START, ODE),
    Rule("Runge-Kutta with a continuous adjoint", continuous_adjoint, START[:1], {"approx": 1e-4}),
    Rule("implicit Euler by custom_root", implicit_euler, (normal(2),), {"approx": 1e-5}),
    Rule(
        "diffrax, checkpointed adjoint",
        by_diffrax(diffrax.RecursiveCheckpointAdjoint()),
        START,
        ODE,
    ),
    Rule(
        "diffrax, backsolve adjoint",
        by_diffrax(diffrax.BacksolveAdjoint()),
        START,
        ODE,
    ),
    Rule("diffrax, forward mode", by_diffrax(diffrax.ForwardMode()), START, ODE),
    Rule(
        "integral by trapezoids with the exact derivative",
        integral,
        (positive(2),),
        {"approx": 1e-4, "domain": (0.1, None)},
    ),
)

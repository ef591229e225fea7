"""The initial value problems that the tests and the benchmark of `mcjax.ode` share.

Each is a function without arguments, so that importing this file makes no arrays. `args` is what a
gradient is taken in, beside y0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np


class Problem(NamedTuple):
    """y' = field(t, y, args) from y0 on [t0, t1], with a step to start from."""

    field: Callable
    y0: Any
    args: Any
    t0: float
    t1: float
    dt0: float | None = None

    def times(self, count):
        """`count` equally spaced save times, the ends included."""
        return jnp.linspace(self.t0, self.t1, count)


def equilibrium():
    """F1: Lotka-Volterra at its equilibrium (1, 1), which every step size solves exactly.

    The loss is the sum of both components over 101 equal save times. With t = 0.1 k the linearised
    flow gives dloss/da; TRUTH below is for a = 1.
    """

    def field(t, u, a):
        return jnp.stack([a * u[0] - u[0] * u[1], -a * u[1] + u[0] * u[1]])

    return Problem(field, jnp.ones(2), jnp.array(1.0), 0.0, 10.0)


EQUILIBRIUM_TRUTH = 212.71042521682


def lotka_volterra():
    """Lotka-Volterra on its cycle, four parameters."""

    def field(t, u, p):
        return jnp.stack([p[0] * u[0] - p[1] * u[0] * u[1], -p[2] * u[1] + p[3] * u[0] * u[1]])

    return Problem(field, jnp.array([1.0, 1.0]), jnp.array([1.5, 1.0, 3.0, 1.0]), 0.0, 10.0)


def pendulum():
    """A damped pendulum: gravity over length, damping."""

    def field(t, u, p):
        return jnp.stack([u[1], -p[0] * jnp.sin(u[0]) - p[1] * u[1]])

    return Problem(field, jnp.array([1.0, 0.0]), jnp.array([9.81, 0.1]), 0.0, 10.0)


def van_der_pol(mu=1.0):
    """x'' = μ (1 - x²) x' - x."""

    def field(t, u, mu):
        return jnp.stack([u[1], mu * (1 - u[0] ** 2) * u[1] - u[0]])

    return Problem(field, jnp.array([2.0, 0.0]), jnp.array(mu), 0.0, 10.0)


def robertson(t1=100.0):
    """Robertson's kinetics (1966), stiff; parameters are the logarithms of the three rates."""

    def field(t, u, log_k):
        k = jnp.exp(log_k)
        a, b, c = k[0] * u[0], k[1] * u[1] ** 2, k[2] * u[1] * u[2]
        return jnp.stack([c - a, a - b - c, b])

    rates = jnp.log(jnp.array([0.04, 3e7, 1e4]))
    return Problem(field, jnp.array([1.0, 0.0, 0.0]), rates, 0.0, t1, 1e-5)


def brusselator_1d(n=64, alpha=0.02, t1=10.0):
    """F2: the periodic Brusselator on [0, 1], y = (2, n), args = (A, B, alpha)."""
    x = jnp.arange(n) / n

    def field(t, y, p):
        u, v = y
        reaction = u**2 * v
        du = p[0] + reaction - (p[1] + 1) * u + p[2] * n**2 * _laplacian(u, 0)
        dv = p[1] * u - reaction + p[2] * n**2 * _laplacian(v, 0)
        return jnp.stack([du, dv])

    y0 = jnp.stack([1 + jnp.sin(2 * jnp.pi * x), jnp.full(n, 3.0)])
    return Problem(field, y0, jnp.array([1.0, 3.0, alpha]), 0.0, t1)


def brusselator_2d(n=12, t1=11.5):
    """The periodic Brusselator of Hairer and Wanner, y = (2, n, n), forced after t = 1.1."""
    x = jnp.arange(n) / n
    x, z = jnp.meshgrid(x, x, indexing="ij")
    disc = jnp.where((x - 0.3) ** 2 + (z - 0.6) ** 2 <= 0.01, 5.0, 0.0)

    def field(t, y, p):
        u, v = y
        reaction = u**2 * v
        force = jnp.where(t >= 1.1, disc, 0)
        diffusion = p[2] * n**2
        du = p[1] + reaction - (p[0] + 1) * u + diffusion * _laplacian2(u) + force
        dv = p[0] * u - reaction + diffusion * _laplacian2(v)
        return jnp.stack([du, dv])

    y0 = jnp.stack([22 * z * (1 - z) ** 1.5, 27 * x * (1 - x) ** 1.5])
    return Problem(field, y0, jnp.array([3.4, 1.0, 0.1]), 0.0, t1)


def _laplacian(u, axis):
    return jnp.roll(u, 1, axis) - 2 * u + jnp.roll(u, -1, axis)


def _laplacian2(u):
    return _laplacian(u, 0) + _laplacian(u, 1)


def neural_ode(width=64, size=8, t1=10.0):
    """A perceptron size-width-width-size as vector field, its weights in args."""
    sizes = [size, width, width, size]
    keys = jax.random.split(jax.random.key(0), 4)
    weights = [
        (jax.random.normal(key, (n, m)) / m**0.5, jnp.zeros(n))
        for key, m, n in zip(keys[:3], sizes[:-1], sizes[1:], strict=True)
    ]

    def field(t, y, weights):
        for W, b in weights[:-1]:
            y = jnp.tanh(W @ y + b)
        W, b = weights[-1]
        return W @ y + b

    return Problem(field, jax.random.normal(keys[3], (size,)), weights, 0.0, t1)


def pid(rtol, atol=None):
    """diffrax's controller of step sizes, atol = rtol by default."""
    return diffrax.PIDController(rtol=rtol, atol=rtol if atol is None else atol)


def assert_relative(got, want, tolerance):
    """That every array of a tree is within tolerance, in the 2-norm."""
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert np.linalg.norm(g - w) <= tolerance * np.linalg.norm(w), (g, w)

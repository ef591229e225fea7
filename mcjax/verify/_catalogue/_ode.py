"""The catalogue of flows: what of them is exact, since verify asks for all digits that there are.

Adjoints whose error is that of a tolerance are tested against closed forms in tests/ode.
"""

from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np

from ... import ode
from ._entry import Entry

STEPS = 4


def _field(t, y, a):
    """A pendulum with damping, driven."""
    return jnp.stack([y[1], -a * jnp.sin(y[0]) - y[1] * t])


def _heun(y0, a):
    """Four steps of Heun's method by diffrax, and the exact derivatives of them."""
    solution: Any = diffrax.diffeqsolve(
        diffrax.ODETerm(_field),
        diffrax.Heun(),
        jnp.zeros((), a.dtype),
        jnp.ones((), a.dtype),
        jnp.asarray(1 / STEPS, a.dtype),
        y0,
        a,
        adjoint=ode.ReplayAdjoint(),
        max_steps=STEPS,
    )
    return solution.ys[0]


def _unrolled(y0, a):
    """The same steps in plain JAX."""
    h, y = 1 / STEPS, y0
    for i in range(STEPS):
        first = _field(i * h, y, a)
        second = _field((i + 1) * h, y + h * first, a)
        y = y + h / 2 * (first + second)
    return y


def _brusselator(p):
    """The equilibrium (p₀, p₁/p₀), and the sum and product of the eigenvalues there."""

    def field(t, y, p):
        rate = y[0] ** 2 * y[1]
        return jnp.stack([p[0] - (p[1] + 1) * y[0] + rate, p[1] * y[0] - rate])

    found = ode.steady_state(field, jnp.asarray([1.2, 2.0], p.dtype), p)
    w = found.eigenvalues
    return found.y, w.sum().real, w.prod().real


def _equilibrium(p):
    return jnp.stack([p[0], p[1] / p[0]]), p[1] - 1 - p[0] ** 2, p[0] ** 2


ENTRIES = (
    Entry(
        "ReplayAdjoint",
        _heun,
        lambda: {"generic": (np.array([0.3, 1.1]), np.array(2.0))},
        reference=_unrolled,
    ),
    Entry(
        "steady_state",
        _brusselator,
        lambda: {"generic": np.array([1.1, 3.0])},
        reference=_equilibrium,
    ),
)

"""Ten problems of Hock and Schittkowski, Test Examples for Nonlinear Programming Codes (1981).

One number of each is a parameter p, and the solution is given in p.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from .problems import stacked


class Constrained(NamedTuple):
    """min fn(x, p) subject to the constraints, with x(p) and p where it is known in closed form."""

    name: str
    fn: object
    x0: list
    p: float
    solution: object
    constraints: dict


def _qp(H, a, x):
    """x(p) near p0 of a quadratic minimum with one active row a·x = p: dx = H⁻¹a / aᵀH⁻¹a dp."""
    v = np.linalg.solve(np.asarray(H, float), np.asarray(a, float))
    return lambda p, p0: jnp.asarray(x) + jnp.asarray(v / (np.asarray(a) @ v)) * (p - p0)


def _hs35(x, p):
    return (
        9 - 8 * x[0] - 6 * x[1] - 4 * x[2] + 2 * x[0] ** 2 + 2 * x[1] ** 2 + x[2] ** 2
        + 2 * x[0] * x[1] + 2 * x[0] * x[2]
    )  # fmt: skip


def _hs48(p):
    """Slopes 2(x1 - 1) = λ = 2(x2 - x3), -λ = λ + κ, λ = 2κ leave λ = κ = 0: x1 = 1, x2 = x3, x4 = x5."""
    v = (p + 5) / 10
    return stacked(1.0 + 0 * p, 4 * v - 3, 4 * v - 3, v, v)


_HS35 = _qp([[4, 2, 2], [2, 4, 0], [2, 0, 2]], [1, 1, 2], [4 / 3, 7 / 9, 4 / 9])

HOCK_SCHITTKOWSKI = [
    Constrained("6", lambda x, p: (p - x[0]) ** 2, [-1.2, 1], 1.0, lambda p: stacked(p, p**2),
        dict(equality=lambda x, p: 10 * (x[1] - x[0] ** 2))),
    Constrained("7", lambda x, p: jnp.log(1 + x[0] ** 2) - x[1], [2, 2], 4.0,
        lambda p: stacked(0 * p, jnp.sqrt(p - 1)),
        dict(equality=lambda x, p: (1 + x[0] ** 2) ** 2 + x[1] ** 2 - p)),
    Constrained("14", lambda x, p: (x[0] - 2) ** 2 + (x[1] - 1) ** 2, [2, 2], 1.0,
        lambda p: stacked((jnp.sqrt(8 * p - 1) - 1) / 2, (jnp.sqrt(8 * p - 1) + 1) / 4),
        dict(equality=lambda x, p: x[0] - 2 * x[1] + 1,
            inequality=lambda x, p: p - x[0] ** 2 / 4 - x[1] ** 2)),
    Constrained("21", lambda x, p: 0.01 * (p * x[0]) ** 2 + x[1] ** 2 - 100, [-1, -1], 1.0,
        lambda p: stacked(2.0 + 0 * p, 0 * p),
        dict(inequality=lambda x, p: 10 * x[0] - x[1] - 10,
            lower=np.array([2.0, -50.0]), upper=np.array([50.0, 50.0]))),
    Constrained("22", lambda x, p: (x[0] - 2) ** 2 + (x[1] - 1) ** 2, [2, 2], 2.0,
        lambda p: stacked((jnp.sqrt(1 + 4 * p) - 1) / 2, p - (jnp.sqrt(1 + 4 * p) - 1) / 2),
        dict(inequality=lambda x, p: stacked(p - x[0] - x[1], x[1] - x[0] ** 2))),
    Constrained("28", lambda x, p: (x[0] + x[1]) ** 2 + (x[1] + x[2]) ** 2, [-4, 1, 1], 1.0,
        lambda p: p * stacked(0.5, -0.5, 0.5),
        dict(equality=lambda x, p: x[0] + 2 * x[1] + 3 * x[2] - p)),
    Constrained("29", lambda x, p: -x[0] * x[1] * x[2], [1, 1, 1], 48.0,
        lambda p: stacked(jnp.sqrt(p / 3), jnp.sqrt(p / 6), jnp.sqrt(p / 12)),
        dict(inequality=lambda x, p: p - x[0] ** 2 - 2 * x[1] ** 2 - 4 * x[2] ** 2)),
    Constrained("35", _hs35, [0.5, 0.5, 0.5], 3.0, lambda p: _HS35(p, 3.0),
        dict(inequality=lambda x, p: p - x[0] - x[1] - 2 * x[2], lower=0.0)),
    Constrained("42", lambda x, p: ((x - jnp.arange(1.0, 5)) ** 2).sum(), [1, 1, 1, 1], 2.0,
        lambda p: stacked(2.0 + 0 * p, 2.0 + 0 * p, 0.6 * jnp.sqrt(p), 0.8 * jnp.sqrt(p)),
        dict(equality=lambda x, p: stacked(x[0] - 2, x[2] ** 2 + x[3] ** 2 - p))),
    Constrained("48", lambda x, p: (x[0] - 1) ** 2 + (x[1] - x[2]) ** 2 + (x[3] - x[4]) ** 2,
        [3, 5, -3, 2, -2], 5.0, _hs48,
        dict(equality=lambda x, p: stacked(x.sum() - p, x[2] - 2 * (x[3] + x[4]) + 3))),
]  # fmt: skip

"""Test problems from their published formulas.

More, Garbow and Hillstrom, Testing unconstrained optimization software, ACM TOMS 7 (1981) 17: the numbers
below are the paper's.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Problem(NamedTuple):
    name: str
    residuals: object  # x ↦ vector
    x0: np.ndarray
    minimum: float | None = None  # of Σ r², where the paper has one


def stacked(*x):
    return jnp.stack([jnp.asarray(v, float) for v in x])


def rosenbrock(x):
    return stacked(10 * (x[1] - x[0] ** 2), 1 - x[0])


def freudenstein_roth(x):
    a = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]
    return stacked(a, -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1])


def powell_badly_scaled(x):
    return stacked(1e4 * x[0] * x[1] - 1, jnp.exp(-x[0]) + jnp.exp(-x[1]) - 1.0001)


def brown_badly_scaled(x):
    return stacked(x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2)


def beale(x):
    return stacked(*(y - x[0] * (1 - x[1] ** (i + 1)) for i, y in enumerate((1.5, 2.25, 2.625))))


def jennrich_sampson(x):
    i = jnp.arange(1.0, 11)
    return 2 + 2 * i - (jnp.exp(i * x[0]) + jnp.exp(i * x[1]))


def helical_valley(x):
    theta = jnp.arctan2(x[1], x[0]) / (2 * jnp.pi)
    theta = jnp.where((x[0] < 0) & (x[1] < 0), theta + 1, theta)  # the paper's branch
    return stacked(10 * (x[2] - 10 * theta), 10 * (jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2])


def bard(x):
    y = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
    y, u = jnp.asarray(y), jnp.arange(1.0, 16)
    v = 16 - u
    return y - (x[0] + u / (v * x[1] + jnp.minimum(u, v) * x[2]))


def gaussian(x):
    y = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989]
    y, t = jnp.asarray(y + y[-2::-1]), (8 - jnp.arange(1.0, 16)) / 2
    return x[0] * jnp.exp(-x[1] * (t - x[2]) ** 2 / 2) - y


def meyer(x):
    y = [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427]
    y, t = jnp.asarray([*y, 3820, 3307, 2872], float), 45 + 5 * jnp.arange(1.0, 17)
    return x[0] * jnp.exp(x[1] / (t + x[2])) - y


def gulf(x, m=99):
    t = jnp.arange(1.0, m + 1) / 100
    y = 25 + (-50 * jnp.log(t)) ** (2 / 3)
    return jnp.exp(-(jnp.abs(y - x[1]) ** x[2]) / x[0]) - t


def box_3d(x, m=10):
    t = 0.1 * jnp.arange(1.0, m + 1)
    return jnp.exp(-t * x[0]) - jnp.exp(-t * x[1]) - x[2] * (jnp.exp(-t) - jnp.exp(-10 * t))


def powell_singular(x):
    return stacked(
        x[0] + 10 * x[1],
        5**0.5 * (x[2] - x[3]),
        (x[1] - 2 * x[2]) ** 2,
        10**0.5 * (x[0] - x[3]) ** 2,
    )


def wood(x):
    return stacked(
        10 * (x[1] - x[0] ** 2),
        1 - x[0],
        90**0.5 * (x[3] - x[2] ** 2),
        1 - x[2],
        10**0.5 * (x[1] + x[3] - 2),
        10**-0.5 * (x[1] - x[3]),
    )


def kowalik_osborne(x):
    y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
    u = [4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]
    y, u = jnp.asarray(y), jnp.asarray(u)
    return y - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x):
    t = jnp.arange(1.0, 21) / 5
    return (x[0] + t * x[1] - jnp.exp(t)) ** 2 + (x[2] + x[3] * jnp.sin(t) - jnp.cos(t)) ** 2


def osborne_1(x):
    y = """0.844 0.908 0.932 0.936 0.925 0.908 0.881 0.850 0.818 0.784 0.751 0.718 0.685 0.658 0.628
    0.603 0.580 0.558 0.538 0.522 0.506 0.490 0.478 0.467 0.457 0.448 0.438 0.431 0.424 0.420 0.414
    0.411 0.406"""
    y, t = jnp.asarray([float(v) for v in y.split()]), 10 * jnp.arange(33.0)
    return y - (x[0] + x[1] * jnp.exp(-t * x[3]) + x[2] * jnp.exp(-t * x[4]))


def biggs_exp6(x, m=13):
    t = 0.1 * jnp.arange(1.0, m + 1)
    y = jnp.exp(-t) - 5 * jnp.exp(-10 * t) + 3 * jnp.exp(-4 * t)
    e = [jnp.exp(-t * x[i]) for i in (0, 1, 4)]
    return x[2] * e[0] - x[3] * e[1] + x[5] * e[2] - y


def osborne_2(x):
    y = """1.366 1.191 1.112 1.013 0.991 0.885 0.831 0.847 0.786 0.725 0.746 0.679 0.608 0.655 0.616
    0.606 0.602 0.626 0.651 0.724 0.649 0.649 0.694 0.644 0.624 0.661 0.612 0.558 0.533 0.495 0.500
    0.423 0.395 0.375 0.372 0.391 0.396 0.405 0.428 0.429 0.523 0.562 0.607 0.653 0.672 0.708 0.633
    0.668 0.645 0.632 0.591 0.559 0.597 0.625 0.739 0.710 0.729 0.720 0.636 0.581 0.428 0.292 0.162
    0.098 0.054"""
    y, t = jnp.asarray([float(v) for v in y.split()]), jnp.arange(65.0) / 10
    peaks = sum(x[i] * jnp.exp(-((t - x[i + 7]) ** 2) * x[i + 4]) for i in (1, 2, 3))
    return y - (x[0] * jnp.exp(-t * x[4]) + peaks)


def watson(x):
    n, t = len(x), jnp.arange(1.0, 30) / 29
    j = jnp.arange(float(n))
    powers = t[:, None] ** j[None, :]
    slope = (j[1:] * x[1:])[None, :] * powers[:, :-1]
    rows = slope.sum(1) - (x[None, :] * powers).sum(1) ** 2 - 1
    return jnp.concatenate([rows, stacked(x[0], x[1] - x[0] ** 2 - 1)])


def extended_rosenbrock(x):
    odd, even = x[::2], x[1::2]
    return jnp.stack([10 * (even - odd**2), 1 - odd], 1).reshape(-1)


def extended_powell(x):
    return jnp.concatenate([powell_singular(x[i : i + 4]) for i in range(0, len(x), 4)])


def penalty_1(x):
    return jnp.append(1e-5**0.5 * (x - 1), (x**2).sum() - 0.25)


def penalty_2(x):
    n = len(x)
    i = jnp.arange(2.0, n + 1)
    y = jnp.exp(i / 10) + jnp.exp((i - 1) / 10)
    a = 1e-5**0.5
    rises = a * (jnp.exp(x[1:] / 10) + jnp.exp(x[:-1] / 10) - y)
    return jnp.concatenate(
        [
            (x[0] - 0.2)[None],
            rises,
            a * (jnp.exp(x[1:] / 10) - jnp.exp(-0.1)),
            (((n - jnp.arange(float(n))) * x**2).sum() - 1)[None],
        ]
    )


def variably_dimensioned(x):
    s = (jnp.arange(1.0, len(x) + 1) * (x - 1)).sum()
    return jnp.concatenate([x - 1, stacked(s, s**2)])


def trigonometric(x):
    n = len(x)
    i = jnp.arange(1.0, n + 1)
    return n - jnp.cos(x).sum() + i * (1 - jnp.cos(x)) - jnp.sin(x)


def brown_almost_linear(x):
    return jnp.append(x[:-1] + x.sum() - (len(x) + 1), jnp.prod(x) - 1)


def _padded(x):
    return jnp.concatenate([jnp.zeros(1), x, jnp.zeros(1)])


def discrete_boundary_value(x):
    n, y = len(x), _padded(x)
    h, t = 1 / (n + 1), jnp.arange(1.0, n + 1) / (n + 1)
    return 2 * x - y[:-2] - y[2:] + h**2 * (x + t + 1) ** 3 / 2


def discrete_integral(x):
    n = len(x)
    h, t = 1 / (n + 1), jnp.arange(1.0, n + 1) / (n + 1)
    cube = (x + t + 1) ** 3
    first = (1 - t) * jnp.cumsum(t * cube)
    rest = (1 - t) * cube
    return x + h * (first + t * (rest.sum() - jnp.cumsum(rest))) / 2


def broyden_tridiagonal(x):
    y = _padded(x)
    return (3 - 2 * x) * x - y[:-2] - 2 * y[2:] + 1


def broyden_banded(x):
    n = len(x)
    i, j = np.indices((n, n))
    near = jnp.asarray((j != i) & (j >= i - 5) & (j <= i + 1), float)
    return x * (2 + 5 * x**2) + 1 - (near * (x * (1 + x))[None, :]).sum(1)


def linear_full(x, m=20):
    full = jnp.concatenate([x, jnp.zeros(m - len(x))])
    return full - 2 / m * x.sum() - 1


def linear_rank_1(x, m=20):
    return jnp.arange(1.0, m + 1) * (jnp.arange(1.0, len(x) + 1) * x).sum() - 1


def linear_rank_1_zeros(x, m=20):
    n = len(x)
    inner = (jnp.arange(2.0, n) * x[1:-1]).sum()
    return jnp.concatenate([stacked(-1.0), jnp.arange(1.0, m - 1) * inner - 1, stacked(-1.0)])


def chebyquad(x):
    n, z = len(x), 2 * x - 1
    rows, before, now = [], jnp.ones_like(z), z
    for k in range(1, n + 1):
        rows.append(now.sum() / n + (1 / (k**2 - 1) if k % 2 == 0 else 0))
        before, now = now, 2 * z * now - before
    return jnp.stack(rows)


def watson_gradient(x):
    return jax.grad(lambda x: 0.5 * (watson(x) ** 2).sum())(x)


def wood_gradient(x):
    return jax.grad(lambda x: 0.5 * (wood(x) ** 2).sum())(x)


def variable_gradient(x):
    """MINPACK's form: x - 1 + j s (1 + 2 s²)."""
    j = jnp.arange(1.0, len(x) + 1)
    s = (j * (x - 1)).sum()
    return x - 1 + j * s * (1 + 2 * s**2)


def _grid(n):
    t = np.arange(1, n + 1) / (n + 1)
    return t * (t - 1)


def _p(fn, x0, minimum=None, name=None):
    return Problem(name or fn.__name__, fn, np.asarray(x0, float), minimum)


# The 14 systems of MINPACK's test driver, Chebyquad at two sizes; starts x0, 10 x0, 100 x0.
ROOTS = [
    _p(rosenbrock, [-1.2, 1]),
    _p(powell_singular, [3, -1, 0, 1]),
    _p(powell_badly_scaled, [0, 1]),
    _p(wood_gradient, [-3, -1, -3, -1]),
    _p(helical_valley, [-1, 0, 0]),
    _p(watson_gradient, np.zeros(6)),
    _p(chebyquad, np.arange(1, 6) / 6, name="chebyquad 5"),
    _p(chebyquad, np.arange(1, 8) / 8, name="chebyquad 7"),
    _p(brown_almost_linear, 0.5 * np.ones(10)),
    _p(discrete_boundary_value, _grid(10)),
    _p(discrete_integral, _grid(10)),
    _p(trigonometric, np.ones(10) / 10),
    _p(variable_gradient, 1 - np.arange(1, 11) / 10),
    _p(broyden_tridiagonal, -np.ones(10)),
    _p(broyden_banded, -np.ones(10)),
]


# 40 problems, each from x0, 10 x0 and 100 x0; `minimum` is the least Σ r² of the paper, or None.
SUMS = [
    _p(rosenbrock, [-1.2, 1], 0),
    _p(freudenstein_roth, [0.5, -2], 0),
    _p(powell_badly_scaled, [0, 1], 0),
    _p(brown_badly_scaled, [1, 1], 0),
    _p(beale, [1, 1], 0),
    _p(jennrich_sampson, [0.3, 0.4], 124.362),
    _p(helical_valley, [-1, 0, 0], 0),
    _p(bard, [1, 1, 1], 8.21487e-3),
    _p(gaussian, [0.4, 1, 0], 1.12793e-8),
    _p(meyer, [0.02, 4000, 250], 87.9458),
    _p(gulf, [5, 2.5, 0.15], 0),
    _p(box_3d, [0, 10, 20], 0),
    _p(powell_singular, [3, -1, 0, 1], 0),
    _p(wood, [-3, -1, -3, -1], 0),
    _p(kowalik_osborne, [0.25, 0.39, 0.415, 0.39], 3.07505e-4),
    _p(brown_dennis, [25, 5, -5, -1], 85822.2),
    _p(osborne_1, [0.5, 1.5, -1, 0.01, 0.02], 5.46489e-5),
    _p(biggs_exp6, [1, 2, 1, 1, 1, 1], 0),
    _p(osborne_2, [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], 4.01377e-2),
    _p(watson, np.zeros(6), 2.28767e-3, "watson 6"),
    _p(watson, np.zeros(9), 1.39976e-6, "watson 9"),
    _p(extended_rosenbrock, np.tile([-1.2, 1], 5), 0),
    _p(extended_powell, np.tile([3, -1, 0, 1], 3), 0),
    _p(penalty_1, np.arange(1.0, 5), 2.24997e-5, "penalty_1 4"),
    _p(penalty_1, np.arange(1.0, 11), 7.08765e-5, "penalty_1 10"),
    _p(penalty_2, 0.5 * np.ones(4), 9.37629e-6, "penalty_2 4"),
    _p(penalty_2, 0.5 * np.ones(10), 2.93660e-4, "penalty_2 10"),
    _p(variably_dimensioned, 1 - np.arange(1, 11) / 10, 0),
    _p(trigonometric, np.ones(10) / 10, 0),
    _p(brown_almost_linear, 0.5 * np.ones(10), 0),
    _p(discrete_boundary_value, _grid(10), 0),
    _p(discrete_integral, _grid(10), 0),
    _p(broyden_tridiagonal, -np.ones(10), 0),
    _p(broyden_banded, -np.ones(10), 0),
    _p(linear_full, np.ones(10), 10),
    _p(linear_rank_1, np.ones(10), 20 * 19 / (2 * 41)),
    _p(linear_rank_1_zeros, np.ones(10), (400 + 60 - 6) / (2 * 37)),
    _p(chebyquad, np.arange(1, 8) / 8, 0, "chebyquad 7"),
    _p(chebyquad, np.arange(1, 9) / 9, 3.51687e-3, "chebyquad 8"),
    _p(chebyquad, np.arange(1, 11) / 11, 6.50395e-3, "chebyquad 10"),
]

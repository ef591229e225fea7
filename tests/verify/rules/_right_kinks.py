"""Right rules beside what is not smooth: kinks, poles, branch cuts, fast oscillation."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._points import normal
from ._rule import Rule


def huber(x):
    return jnp.where(jnp.abs(x) < 1, 0.5 * x * x, jnp.abs(x) - 0.5)


def hinge(w, x):
    return jnp.sum(jnp.maximum(0.0, 1 - x @ w))


def safe_sqrt(x):
    good = x > 0
    return jnp.where(good, jnp.sqrt(jnp.where(good, x, 1.0)), 0.0)


def interpolate(x):
    nodes, values = (jnp.asarray(a, x.dtype) for a in ([0.0, 1.0, 3.0], [1.0, -2.0, 0.5]))
    return jnp.interp(x, nodes, values)


KINKS = (
    Rule("abs at ±1e-6", jnp.abs, (np.array([1e-6, -1e-6, 0.5]),)),
    Rule("relu at ±1e-7", jax.nn.relu, (np.array([1e-7, -1e-7, 1.0]),)),
    Rule("relu cubed at ±1e-4", lambda x: jax.nn.relu(x) ** 3, (np.array([1e-4, -1e-4, 1.0]),)),
    Rule(
        "maximum of two that differ by 1e-6",
        jnp.maximum,
        (np.array([1.0, -2.0]), np.array([1.0 + 1e-6, -2.0 - 1e-6])),
    ),
    Rule("max with a near tie", jnp.max, (np.array([1.0, 1.0 + 1e-6, 0.3]),)),
    Rule("sort with a near tie", jnp.sort, (np.array([1.0 + 1e-6, 1.0, -3.0, 0.3]),)),
    Rule(
        "top 2 with a near tie", lambda x: lax.top_k(x, 2)[0], (np.array([0.3, 1.0, 1.0 - 1e-6]),)
    ),
    Rule(
        "hinge at margin 1 ± 1e-6",
        hinge,
        (np.array([1.0, 0.5]), np.array([[1.0, 1e-6], [0.5, 1.0 + 1e-5]])),
    ),
    Rule(
        "clip just inside its bounds",
        lambda x: jnp.clip(x, -1.0, 1.0),
        (np.array([1 - 1e-6, -1 + 1e-6, 3.0]),),
    ),
    Rule("Huber beside its joints", huber, (np.array([1 - 1e-6, 1 + 1e-6, -1 - 1e-6]),)),
    Rule(
        "abs rounded off at 1e-5",
        lambda x: jnp.sqrt(x * x + 1e-10),
        (np.array([1e-6, -1e-5, 1.0]),),
    ),
    Rule(
        "softplus of sharpness 1e4",
        lambda x: jax.nn.softplus(1e4 * x) / 1e4,
        (np.array([1e-5, -1e-4, 0.5]),),
    ),
    Rule("square root made safe by two wheres", safe_sqrt, (np.array([1e-6, -1.0, 2.0]),)),
    Rule(
        "fractional part just above an integer",
        lambda x: x - jnp.floor(x),
        (np.array([2 + 1e-6, -0.4]),),
    ),
    Rule("round, flat up to its jump", jnp.round, (np.array([0.4999, 1.6]),)),
    Rule("interpolation beside a node", interpolate, (np.array([1 + 1e-6, 0.4, 2.9]),)),
    Rule("norm of a tiny vector", jnp.linalg.norm, (1e-8 * normal(3),)),
    Rule(
        "standard deviation of nearly equal entries",
        jnp.std,
        (1 + 1e-4 * normal(4),),
        {"domain": lambda x: jnp.var(x) > 0},
    ),
    Rule(
        "step times a sine",
        lambda x: jnp.where(x > 0, jnp.sin(x), 2 + x),
        (np.array([1e-6, -1e-6]),),
    ),
    Rule("sign times a square", lambda x: jnp.sign(x) * x**2, (np.array([1e-4, -2.0]),)),
)


def flat_at_zero(x):
    y = jnp.where(x == 0, 1.0, x)
    return jnp.where(x == 0, 0.0, jnp.exp(-1 / y**2))


def coulomb(x):
    i, j = np.triu_indices(x.size, 1)
    return jnp.sum(1 / jnp.abs(x[i] - x[j]))


POLES = (
    Rule("reciprocal at 1e-6", lambda x: 1 / x, (np.array([1e-6, -1e-4]),)),
    Rule("tan beside its pole", jnp.tan, (np.array([np.pi / 2 - 1e-3, 0.2]),)),
    Rule("cube root at 1e-6", jnp.cbrt, (np.array([1e-6, -1.0]),)),
    Rule("x^1.5 at 1e-6", lambda x: x**1.5, (np.array([1e-6, 1.0]),)),
    Rule("arcsin beside 1", jnp.arcsin, (np.array([1 - 1e-5, -0.3]),)),
    Rule("arctanh beside -1", jnp.arctanh, (np.array([-1 + 1e-5, 0.3]),)),
    Rule("arccosh with its domain", jnp.arccosh, (np.array([1.01, 3.0]),), {"domain": (1, None)}),
    Rule("logit beside 0 and 1", jax.scipy.special.logit, (np.array([1e-5, 1 - 1e-5]),)),
    Rule(
        "x log x at 1e-8", lambda x: x * jnp.log(x), (np.array([1e-8, 1.5]),), {"domain": (0, None)}
    ),
    Rule(
        "1 / (x - y) for close x and y", lambda x, y: 1 / (x - y), (np.array(1.001), np.array(1.0))
    ),
    Rule("Coulomb energy of close charges", coulomb, (np.array([0.0, 1e-3, 1.0, -2.0]),)),
    Rule(
        "Lennard-Jones at short range",
        lambda r: r**-12 - r**-6,
        (np.array([0.2, 1.1]),),
        {"domain": (0.1, None)},
    ),
    Rule("exp(-1/x²), flat at 0", flat_at_zero, (np.array([0.2, -1.0, 3.0]),)),
    Rule("complex log beside its cut", jnp.log, (np.array([-1 + 1e-6j, -2 - 1e-5j]),)),
    Rule("complex sqrt beside its cut", jnp.sqrt, (np.array([-1 - 1e-6j, -2 + 1e-5j]),)),
    Rule("complex power beside its cut", lambda z: z**0.3, (np.array([-1 + 1e-5j, 2.0j]),)),
    Rule("arctan2 beside its cut", jnp.arctan2, (np.array([1e-6, -1e-6]), np.array([-1.0, -2.0]))),
    Rule("angle beside its cut", jnp.angle, (np.array([-1 + 1e-6j, 1 - 2j]),)),
)


def chebyshev(x):
    def step(pair, _):
        return (pair[1], 2 * x * pair[1] - pair[0]), None

    return lax.scan(step, (jnp.ones_like(x), x), length=50)[0][0]


def weierstrass(x):
    k = jnp.arange(6, dtype=x.dtype)
    return jnp.sum(0.5**k * jnp.cos(7.0**k * x))


OSCILLATION = (
    Rule("sin(1000 x)", lambda x: jnp.sin(1000 * x), (normal(3),)),
    Rule(
        "sin(1e7 x)",
        lambda x: jnp.sin(1e7 * x),
        (normal(3),),
        double_only=True,  # float32 keeps nothing of the phase
    ),
    Rule("sin(1/x) at 0.02", lambda x: jnp.sin(1 / x), (np.array([0.02, -0.5]),)),
    Rule("Chebyshev polynomial of degree 50", chebyshev, (np.array([0.3, -0.97]),)),
    Rule("Weierstrass' function, six terms", weierstrass, (np.array(0.3),)),
    Rule(
        "small ripple of frequency 1e4",
        lambda x: x**2 + 1e-4 * jnp.sin(1e4 * x),
        (np.array([0.3, -1.0]),),
    ),
    Rule(
        "Gaussian of width 1e-4",
        lambda x: jnp.exp(-(((x - 0.5) / 1e-4) ** 2)),
        (np.array([0.50005, 0.4999]),),
    ),
    Rule(
        "tanh of steepness 1e5",
        lambda x: jnp.tanh(1e5 * (x - 0.25)),
        (np.array([0.25 + 3e-6, 0.3]),),
    ),
)

RULES = KINKS + POLES + OSCILLATION

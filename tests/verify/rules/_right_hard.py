"""Right rules that are hard by their numbers: conditioning, scales, cancellation."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._points import hilbert, normal
from ._rule import Rule


def near_singular(gap):
    return np.array([[1.0, 1.0], [1.0, 1.0 + gap]])


def logistic_map(steps):
    return lambda x: lax.fori_loop(0, steps, lambda _, y: 4 * y * (1 - y), x)


def vandermonde(x, y):
    return jnp.linalg.solve(x[:, None] ** jnp.arange(x.size, dtype=x.dtype)[None, :], y)


def nearly_singular_covariance(x):
    K = jnp.exp(-((x[:, None] - x[None, :]) ** 2)) + 1e-3 * jnp.eye(x.size, dtype=x.dtype)
    return 2 * jnp.sum(jnp.log(jnp.diag(jnp.linalg.cholesky(K))))


def long_product(A):
    return lax.scan(lambda P, _: (A @ P, None), jnp.eye(len(A), dtype=A.dtype), length=40)[0]


def wilkinson(x):
    return jnp.polyval(jnp.asarray(np.poly(np.arange(1, 11)), x.dtype), x)


def normal_equations(A, b):
    return jnp.linalg.solve(A.T @ A, A.T @ b)


CONDITIONING = (
    Rule("solve with a Hilbert matrix", jnp.linalg.solve, (hilbert(4), normal(4))),
    Rule(
        "solve with a Hilbert matrix of condition 1e10",
        jnp.linalg.solve,
        (hilbert(8), normal(8)),
        double_only=True,  # singular to float32
    ),
    Rule("inverse of a nearly singular matrix", jnp.linalg.inv, (near_singular(1e-3),)),
    Rule(
        "inverse at 1e-9 from a singular matrix",
        jnp.linalg.inv,
        (near_singular(1e-9),),
        double_only=True,  # float32 rounds it to a singular matrix
    ),
    Rule(
        "inverse of Hilbert matrices, to the last digit and past it",
        lambda A, B: (jnp.linalg.inv(A), jnp.linalg.inv(B)),
        (hilbert(10), hilbert(12)),
        double_only=True,  # singular to float32
    ),
    Rule("logdet of a Hilbert matrix", lambda A: jnp.linalg.slogdet(A)[1], (hilbert(4),)),
    Rule(
        "Vandermonde solve",  # JAX's power has no gradient at 0
        vandermonde,
        (np.linspace(0.1, 1.0, 5), normal(5)),
        {"domain": lambda x, y: jnp.all(x != 0)},
    ),
    Rule("logdet of a smooth kernel", nearly_singular_covariance, (np.linspace(0.0, 2.0, 6),)),
    Rule("normal equations square the condition", normal_equations, (hilbert(3), normal(3))),
    Rule("matrix to the 30th power", lambda A: jnp.linalg.matrix_power(A, 30), (normal(3, 3),)),
    Rule("product of 40 matrices", long_product, (normal(3, 3, seed=1),)),
    Rule("chaotic map, 10 steps", logistic_map(10), (np.array([0.3, 0.71]),), {"domain": (0, 1)}),
    Rule(
        "chaotic map, 25 steps",
        logistic_map(25),
        (np.array([0.3, 0.71]),),
        {"domain": (0, 1)},
        double_only=True,  # 4^25 times float32's rounding is of size 1
    ),
    Rule(
        "Wilkinson's polynomial beside a root",
        wilkinson,
        (np.array([9.9, 3.01]),),
        double_only=True,  # its terms are 1e7 times its value
    ),
    Rule(
        "quadratic form of condition 1e10",
        lambda x: x @ (jnp.asarray([1e-5, 1.0, 1e5], x.dtype) * x),
        (normal(3),),
    ),
)

SCALES = (
    Rule("squares of 1e-12 beside 1e12", lambda x: x**2, (np.array([1e-12, 1.0, 1e12]),)),
    Rule("product of 1e-12 and 1e12", lambda x, y: x * y, (np.array(1e-12), np.array(1e12))),
    Rule(
        "pytree of tiny and huge leaves",
        lambda p: p["tiny"] * jnp.sin(p["huge"] * 1e-8),
        ({"tiny": np.array([1e-10, 2e-10]), "huge": np.array([1e8, -3e8])},),
    ),
    Rule(
        "tiny and huge outputs side by side",
        lambda x: (1e-15 * jnp.sin(x), 1e15 * jnp.cos(x)),
        (normal(3),),
    ),
    Rule("values of size 1e-30", lambda x: 1e-30 * jnp.sin(x), (normal(3),)),
    Rule("values of size 1e30", lambda x: 1e30 * jnp.exp(x), (normal(3),)),
    Rule(
        "values of size 1e200",
        lambda x: 1e200 * jnp.sin(x),
        (normal(3),),
        double_only=True,  # overflow in float32
    ),
    Rule(
        "values of size 1e-200",
        lambda x: 1e-200 * jnp.sin(x),
        (normal(3),),
        double_only=True,  # underflow in float32
    ),
    Rule("sine on an offset of 1e8", lambda x: 1e8 + jnp.sin(x), (normal(3),)),
    Rule("Gaussian tail, 1e-28", lambda x: jnp.exp(-(x**2)), (np.array([8.0, -7.5]),)),
    Rule("saturated tanh", jnp.tanh, (np.array([9.0, -12.0, 40.0]),)),
    Rule("saturated sigmoid", jax.nn.sigmoid, (np.array([30.0, -30.0, 80.0]),)),
    Rule(
        "sum of squares with weights 10^k",
        lambda x: jnp.dot(x**2, 10.0 ** np.arange(-6, 6).astype(x.dtype)),
        (normal(12),),
    ),
    Rule(
        "Rosenbrock with 1e6",
        lambda x: jnp.sum(1e6 * (x[1:] - x[:-1] ** 2) ** 2) + jnp.sum((1 - x[:-1]) ** 2),
        (normal(5),),
    ),
    Rule("x^0.1 at 1e-8 and 1e8", lambda x: x**0.1, (np.array([1e-8, 1e8]),)),
    Rule("logsumexp of entries around 1e4", jax.nn.logsumexp, (1e4 + normal(5),)),
    Rule("exp of exp", lambda x: jnp.exp(jnp.exp(x)), (np.array([1.0, 3.0]),)),
    Rule(
        "geometric mean of mixed scales",
        lambda x: jnp.exp(jnp.mean(jnp.log(x))),
        (10.0 ** np.arange(-8, 9, 4),),
    ),
    Rule(
        "Planck's law in SI units",
        lambda T: 1 / jnp.expm1(4799.24 / T),
        (np.array([300.0, 6000.0]),),
        {"domain": (50, None)},
    ),
)


def softmax_by_segment(x):
    segments = jnp.asarray([0, 0, 1, 1, 1, 2])
    top = lax.stop_gradient(jax.ops.segment_max(x, segments, num_segments=3))
    e = jnp.exp(x - top[segments])
    return e / jax.ops.segment_sum(e, segments, num_segments=3)[segments]


def heron(a, b, c):
    s = (a + b + c) / 2
    return jnp.sqrt(s * (s - a) * (s - b) * (s - c))


def quadratic_root(b, c):
    return (-b + jnp.sqrt(b * b - 4 * c)) / 2


def sinc_with_series(x):
    small = jnp.abs(x) < 0.5
    y = jnp.where(small, 1.0, x)
    t = x * x
    series = 1 - t / 6 * (1 - t / 20 * (1 - t / 42 * (1 - t / 72 * (1 - t / 110))))
    return jnp.where(small, series, jnp.sin(y) / y)


def log_of_probability_ratio(x):
    return jax.nn.logsumexp(x + jnp.asarray([0.0, 1e-3, 0.0], x.dtype)) - jax.nn.logsumexp(x)


def sum_of_alternating_1e6(x):
    return (1e6 + jnp.sin(x)) - 1e6


CANCELLATION = (
    Rule("softmax of one winner", jax.nn.softmax, (np.array([0.0, 80.0, -50.0]),)),
    Rule("softmax of spread segments", softmax_by_segment, (20 * normal(6, seed=10),)),
    Rule(
        "expm1 and log1p at 1e-10",
        lambda x: (jnp.expm1(x), jnp.log1p(x)),
        (np.array([1e-10, -1e-5, 1.0]),),
    ),
    Rule("1 - cos at 1e-4, written naively", lambda x: 1 - jnp.cos(x), (np.array([1e-4, 0.1]),)),
    Rule(
        "(exp(x) - 1) / x, written naively",
        lambda x: (jnp.exp(x) - 1) / x,
        (np.array([0.1, -2.0]),),
    ),
    Rule("difference of two logsumexp", log_of_probability_ratio, (normal(3),)),
    Rule("sinc with a series around 0", sinc_with_series, (np.array([1e-4, 0.499, -0.501, 3.0]),)),
    Rule("jnp.sinc at 1e-5", jnp.sinc, (np.array([1e-5, -0.3, 2.5]),)),
    Rule("area of a needle by Heron", heron, (np.array(1.0), np.array(1.0), np.array(0.01))),
    Rule("smaller root of a quadratic", quadratic_root, (np.array(100.0), np.array(1.0))),
    Rule(
        "variance as E x² - (E x)², mean 1e3",
        lambda x: jnp.mean(x**2) - jnp.mean(x) ** 2,
        (1e3 + normal(6),),
    ),
    Rule("sum and difference with 1e6", sum_of_alternating_1e6, (normal(3),)),
    Rule("x - sin x at 1e-2", lambda x: x - jnp.sin(x), (np.array([1e-2, 2.0]),)),
    Rule(
        "alternating sum of 20 cosines",
        lambda x: jnp.sum(
            jnp.cos(x * jnp.arange(1, 21, dtype=x.dtype)) * jnp.asarray([1.0, -1.0] * 10, x.dtype)
        ),
        (np.array(0.3),),
    ),
    Rule(
        "1 - tanh² at 8",
        lambda x: 1 - jnp.tanh(x) ** 2,
        (np.array([8.0, 0.5]),),
        double_only=True,  # tanh(8) is 1 to float32
    ),
    Rule(
        "log det of I + 1e-6 A",
        lambda A: jnp.linalg.slogdet(jnp.eye(len(A), dtype=A.dtype) + 1e-6 * A)[1],
        (normal(3, 3),),
    ),
)

RULES = CONDITIONING + SCALES + CANCELLATION

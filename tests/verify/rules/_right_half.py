"""Right rules on float16 and bfloat16, whose rounding is 1e-3 and 8e-3."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._points import normal
from ._rule import Rule


def half(x):
    return np.asarray(x).astype(jnp.float16)


def brain(x):
    return np.asarray(x).astype(jnp.bfloat16)


def normalise(x):
    y = x.astype(jnp.float32)
    y = (y - jnp.mean(y)) * lax.rsqrt(jnp.var(y) + 1e-2)
    return y.astype(x.dtype)


def mixed(weights, x):
    """Half weights beside single data."""
    return jnp.tanh(x @ weights.astype(jnp.float32))


def accumulate(x, y):
    return jnp.dot(x, y, preferred_element_type=jnp.float32)


@jax.custom_jvp
def softplus(x):
    return jnp.logaddexp(x, jnp.zeros_like(x))


softplus.defjvps(lambda t, y, x: t * jax.nn.sigmoid(x))


def cross_entropy(x):
    return -jax.nn.log_softmax(x.astype(jnp.float32))[1]


def sigmoid_by_scan(x):
    return lax.scan(lambda y, _: (jnp.tanh(y + x), y), x, length=4)[0]


RULES = (
    Rule("float16 sine", jnp.sin, (half(normal(4)),)),
    Rule("float16 exp", jnp.exp, (half([5.0, -3.0]),)),
    Rule("bfloat16 exp at 60", jnp.exp, (brain([60.0, -3.0]),)),
    Rule("bfloat16 log", jnp.log, (brain([0.01, 1.0, 30.0]),)),
    Rule("float16 sqrt at 1e-3", jnp.sqrt, (half([1e-3, 2.0]),)),
    Rule("float16 subnormal numbers", lambda x: 3 * x, (half([1e-6, 1.0]),)),
    Rule("bfloat16 beside 256, where 1 is lost", lambda x: 256 + jnp.sin(x), (brain(normal(3)),)),
    Rule("float16 sum of 200 entries", jnp.sum, (half(normal(200)),)),
    Rule("bfloat16 softmax", jax.nn.softmax, (brain(normal(5)),)),
    Rule("bfloat16 matrix product", jnp.matmul, (brain(normal(3, 8)), brain(normal(8, 2, seed=1)))),
    Rule(
        "bfloat16 dot product summed in float32",
        accumulate,
        (brain(normal(8)), brain(normal(8, seed=1))),
    ),
    Rule("bfloat16 normalised in float32", normalise, (brain(normal(6)),)),
    Rule(
        "float16 weights, float32 data",
        mixed,
        (half(normal(3, 2)), normal(4, 3).astype(np.float32)),
    ),
    Rule("float16 cross entropy in float32", cross_entropy, (half(normal(4)),)),
    Rule("float16 relu beside its kink", jax.nn.relu, (half([1e-3, -1e-3, 1.0]),)),
    Rule("bfloat16 with a rule of its own", softplus, (brain(normal(4)),)),
    Rule("float16 by scan", sigmoid_by_scan, (half(normal(3)),)),
    Rule("bfloat16 cumulative sum", jnp.cumsum, (brain(normal(16)),)),
    Rule("float16 in, float32 out", lambda x: jnp.sin(x.astype(jnp.float32)), (half(normal(4)),)),
)

"""Right rules of plain jnp and lax with structure: control flow, indexing, pytrees, ints, keys."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from ._points import normal, positive
from ._rule import Rule


def recurrent(W, h, xs):
    def step(h, x):
        h = jnp.tanh(W @ h + x)
        return h, jnp.sum(h)

    return lax.scan(step, h, xs)


def newton_roots(x):
    return lax.fori_loop(0, 6, lambda _, y: (y + x / y) / 2, 0.5 * (1 + x))


def while_loop_power(x):
    return lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, jnp.sin(x) * c[1]), (0, x))[1]


def halve_until_small(x):
    def large(y):
        return (jnp.sum(y**2) > 1) & jnp.all(jnp.isfinite(y))

    return lax.while_loop(large, lambda y: y / 2, x)


def dynamic_steps(n, x):
    return lax.fori_loop(0, n, lambda _, y: jnp.cos(y), x)


def branch(x):
    return lax.cond(jnp.sum(x) > 0, jnp.sin, lambda x: x**2, x)


def switch(i, x):
    return lax.switch(i, (jnp.sin, jnp.cos, lambda x: x**3), x)


def linear_recurrence(a, b):
    def combine(left, right):
        return left[0] * right[0], left[1] * right[0] + right[1]

    return lax.associative_scan(combine, (a, b))[1]


CONTROL = (
    Rule(
        "recurrent network by scan",
        recurrent,
        (normal(3, 3), normal(3, seed=1), normal(4, 3, seed=2)),
    ),
    Rule("Heron's iteration unrolled by fori", newton_roots, (positive(3),), {"domain": (0.1, 4)}),
    Rule("while loop, forward mode only", while_loop_power, (normal(3),)),
    Rule("while loop whose trip count depends on the data", halve_until_small, (3 * normal(3),)),
    Rule("fori loop with a traced bound", dynamic_steps, (np.array(3), normal(2))),
    Rule("cond", branch, (positive(3),)),
    Rule("switch on an integer argument", switch, (np.array(1), normal(3))),
    Rule("associative scan", linear_recurrence, (normal(5), normal(5, seed=1))),
    Rule("checkpoint", jax.checkpoint(lambda x: jnp.sin(jnp.sin(jnp.exp(x)))), (normal(3),)),
    Rule(
        "jvp inside",
        lambda x, v: jax.jvp(lambda x: x**3, (x,), (v,))[1],
        (normal(3), normal(3, seed=1)),
    ),
)


def scatter_add(x):
    return jnp.zeros(3, x.dtype).at[np.array([0, 2, 2, 0, 1])].add(x**2)


def segments(x):
    return jax.ops.segment_sum(jnp.sin(x), np.array([0, 0, 1, 2, 2]), num_segments=4)


def convolution(image, kernel):
    return lax.conv_general_dilated(image, kernel, (1, 1), "SAME")


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "VALID")


INDEXING = (
    Rule("argsort: integers out", jnp.argsort, (normal(5),)),
    Rule("sort by keys", lambda k, x: lax.sort_key_val(k, x)[1], (normal(5), normal(5, seed=1))),
    Rule("cumulative maximum", lax.cummax, (normal(5),)),
    Rule("cumulative logsumexp", lax.cumlogsumexp, (normal(5),)),
    Rule("segment sum with an empty segment", segments, (normal(5),)),
    Rule(
        "gather with repeated indices",
        lambda i, x: jnp.take(x, i, mode="fill", fill_value=0.0) ** 2,
        (np.array([0, 2, 2]), normal(4)),
    ),
    Rule(
        "gather out of bounds",
        lambda x: jnp.take(x, np.array([1, 9]), mode="fill", fill_value=0.0),
        (normal(3),),
    ),
    Rule("scatter with repeated indices", scatter_add, (normal(5),)),
    Rule("overwritten entries", lambda x: jnp.asarray(x).at[1].set(2 * x[0]), (normal(3),)),
    Rule(
        "dynamic slice at an integer argument",
        lambda i, x: lax.dynamic_slice(x, (i,), (2,)) ** 3,
        (np.array(1), normal(4)),
    ),
    Rule(
        "two-dimensional convolution", convolution, (normal(1, 1, 4, 4), normal(2, 1, 3, 3, seed=1))
    ),
    Rule("max pooling", pool, (normal(5),)),
    Rule(
        "roll, pad, concatenate",
        lambda x: jnp.concatenate([jnp.roll(x, 1), jnp.pad(x, 1)]) ** 2,
        (normal(3),),
    ),
    Rule(
        "count and sum: an integer beside a float",
        lambda x: (jnp.sum(x > 0), jnp.sum(x**2)),
        (normal(5),),
    ),
)


class State(NamedTuple):
    position: object
    charge: object


def energy(state):
    return {"kinetic": jnp.sum(state.position**2), "count": state.charge, "pair": (state.position,)}


KEY = random.key(0)
BIAS = np.array([0.5, -1.0, 2.0])


def network(parameters, x):
    for W, b in parameters[:-1]:
        x = jnp.tanh(W @ x + b)
    W, b = parameters[-1]
    return W @ x + b


def gumbel_softmax(key, logits):
    return jax.nn.softmax(logits + random.gumbel(key, logits.shape, logits.dtype))


ARGUMENTS = (
    Rule("Python floats", lambda x, y: jnp.sin(x) * y, (0.7, 2.0)),
    Rule("Python float beside an array", lambda a, x: a * x**2, (0.5, normal(3))),
    Rule("Python int exponent", lambda n, x: x**n, (3, normal(3))),
    Rule(
        "integer array",
        lambda n, x: n.astype(x.dtype) * jnp.sin(x),
        (np.array([1, 2, -3]), normal(3)),
    ),
    Rule(
        "Boolean array",
        lambda b, x: jnp.where(b, jnp.sin(x), x**2),
        (np.array([True, False, True]), normal(3)),
    ),
    Rule(
        "dict with nested lists",
        lambda p: {"out": p["a"] * p["b"][0], "rest": p["b"][1]},
        ({"a": normal(2), "b": [normal(2, seed=1), normal(3)]},),
    ),
    Rule("named tuple with an integer inside", energy, (State(normal(3), np.array([1, -1, 2])),)),
    Rule("None among the arguments", lambda p, x: x**2 if p is None else p, (None, normal(3))),
    Rule(
        "network with layers in a list",
        network,
        ([(normal(4, 2), normal(4)), (normal(1, 4, seed=1), normal(1))], normal(2, seed=2)),
    ),
    Rule("empty array", lambda x: jnp.sum(x**2), (np.zeros(0),)),
    Rule(
        "empty array beside a full one",
        lambda x, y: (jnp.concatenate([x, y]) ** 2, x),
        (np.zeros(0), normal(3)),
    ),
    Rule("matrix with no columns", lambda X, Y: X @ Y, (np.zeros((2, 0)), np.zeros((0, 3)))),
    Rule("closure over an array", lambda x: jnp.sin(x) * jnp.asarray(BIAS, x.dtype), (normal(3),)),
    Rule(
        "key: Gaussian sample in mean and width",
        lambda key, m, s: m + s * random.normal(key, m.shape, m.dtype),
        (KEY, normal(3), positive(3)),
    ),
    Rule("key: Gumbel softmax", gumbel_softmax, (KEY, normal(4))),
    Rule(
        "key: dropout",
        lambda key, x: jnp.where(random.bernoulli(key, 0.5, x.shape), 2 * x, 0.0),
        (KEY, normal(6)),
    ),
    Rule(
        "key: Monte Carlo mean",
        lambda key, a: jnp.mean(jnp.sin(a * random.uniform(key, (32,), a.dtype))),
        (KEY, np.array(1.3)),
    ),
    Rule("key in, key out", lambda key, x: (random.split(key), x**2), (KEY, normal(2))),
    Rule(
        "raw key",
        lambda key, x: x * random.normal(random.wrap_key_data(key), x.shape, x.dtype),
        (np.array([1, 2], np.uint32), normal(3)),
    ),
)

LARGE = (
    Rule("1e5 entries, elementwise", lambda x: jnp.sin(x) * x, (normal(100_000),)),
    Rule("1e5 entries, logsumexp", jax.nn.logsumexp, (normal(100_000),)),
    Rule("1e5 entries, cumulative sum", jnp.cumsum, (normal(100_000),)),
)

RULES = CONTROL + INDEXING + ARGUMENTS + LARGE

"""Right rules written by hand for reverse mode: custom_vjp and custom_gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ._points import normal, positive
from ._rule import Rule


def custom_vjp(backward, **options):
    """The decorator of a function f(*args) with f̄ ↦ backward(args, f̄)."""

    def decorate(f):
        g = jax.custom_vjp(f, **options)
        g.defvjp(lambda *args: (f(*args), args), backward)
        return g

    return decorate


@custom_vjp(lambda args, w: (w * jnp.cos(args[0]) * args[1], w * jnp.sin(args[0])))
def sine_times(x, y):
    return jnp.sin(x) * y


@custom_vjp(lambda args, w: (w @ args[1].T, args[0].T @ w))
def matrix_product(A, B):
    return A @ B


@custom_vjp(lambda args, w: (None, jnp.zeros_like(args[1]).at[args[0]].add(w)))
def take(i, x):
    return jnp.take(x, i, mode="fill", fill_value=0.0)


@custom_vjp(
    lambda args, w: (
        {"a": w["sum"] + w["product"] * args[0]["b"], "b": w["sum"] + w["product"] * args[0]["a"]},
    )
)
def combine(p):
    return {"sum": p["a"] + p["b"], "product": p["a"] * p["b"]}


@custom_vjp(lambda args, w: (w[0] * jnp.cos(args[0]),))
def sine_and_count(x):
    return jnp.sin(x), jnp.sum(x > 0)


@custom_vjp(lambda args, w: (2 * args[0].conj() * w.astype(args[0].dtype),))
def modulus_squared(z):
    return (z * z.conj()).real


@custom_vjp(lambda args, w: (w * jax.nn.softmax(args[0]),))
def logsumexp(x):
    return jax.nn.logsumexp(x)


@custom_vjp(lambda args, w: (args[0] * w,))
def half_square(x):
    return x * x / 2


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def with_scale(scale, x):
    return scale * jnp.tanh(x)


with_scale.defvjp(
    lambda scale, x: (with_scale(scale, x), x),
    lambda scale, x, w: (scale * w * (1 - jnp.tanh(x) ** 2),),
)


@jax.custom_vjp
def scaled_sine(x, y):
    return jnp.sin(x) * y


def _forward(x, y):
    return jnp.sin(x.value) * y.value, (x.value, y.value, x.perturbed, y.perturbed)


def _backward(saved, w):
    x, y, x_perturbed, y_perturbed = saved
    if isinstance(w, SymbolicZero):
        return None, None
    return w * jnp.cos(x) * y if x_perturbed else None, w * jnp.sin(x) if y_perturbed else None


scaled_sine.defvjp(_forward, _backward, symbolic_zeros=True)


@jax.custom_vjp
def integer_power(n, x):
    """x^n by a loop with a traced number of steps, which JAX cannot reverse."""
    return lax.fori_loop(0, n, lambda _, y: x * y, jnp.ones_like(x))


integer_power.defvjp(
    lambda n, x: (integer_power(n, x), (n, x)),
    lambda saved, w: (None, w * saved[0].astype(w.dtype) * integer_power(saved[0] - 1, saved[1])),
)


@jax.custom_gradient
def cube(x):
    return x**3, lambda w: 3 * x**2 * w


@jax.custom_vjp
def with_residuals(x):
    return jnp.exp(x) / (1 + jnp.exp(x))


with_residuals.defvjp(
    lambda x: (with_residuals(x),) * 2,
    lambda y, w: (w * y * (1 - y),),
)


def leapfrog(q, p):
    """Steps that run backwards exactly, so that nothing is saved."""

    def kick(q, p, h):
        p = p - h / 2 * jnp.sin(q)
        q = q + h * p
        return q, p - h / 2 * jnp.sin(q)

    @jax.custom_vjp
    def solve(q, p):
        return lax.fori_loop(0, 10, lambda _, s: kick(*s, 0.1), (q, p))

    def backward(end, w):
        def step(_, carry):
            state, w = carry
            state = kick(*state, -0.1)
            return state, jax.vjp(lambda *s: kick(*s, 0.1), *state)[1](w)

        return lax.fori_loop(0, 10, step, (end, w))[1]

    solve.defvjp(lambda q, p: (solve(q, p),) * 2, backward)
    return solve(q, p)


@custom_vjp(
    lambda args, g: (jnp.zeros_like(args[0]).at[args[1]].add(2 * g * args[0][args[1]]), None)
)
def squares_of_chosen(x, i):
    return x[i] ** 2


def squares_of_three(x):
    return squares_of_chosen(x, jnp.asarray([1, 1, 4]))


RULES = (
    Rule(
        "custom_vjp with integers among its arguments",
        squares_of_chosen,
        (normal(5), np.array([1, 1, 4])),
    ),
    Rule("custom_vjp with indices that no shorter vector has", squares_of_three, (normal(5),)),
    Rule("custom_vjp of two arguments", sine_times, (normal(3), normal(3, seed=1))),
    Rule("custom_vjp of a matrix product", matrix_product, (normal(2, 3), normal(3, 2, seed=1))),
    Rule("custom_vjp with an integer argument", take, (np.array([0, 2, 2]), normal(3))),
    Rule("custom_vjp on dicts", combine, ({"a": normal(2), "b": normal(2, seed=1)},)),
    Rule("custom_vjp with an integer output", sine_and_count, (normal(3),)),
    Rule(
        "custom_vjp, complex and not holomorphic",
        modulus_squared,
        (normal(2) + 1j * normal(2, seed=1),),
    ),
    Rule("custom_vjp with a reference", logsumexp, (normal(4),), {"reference": jax.nn.logsumexp}),
    Rule("custom_vjp at 1e-8", half_square, (np.array([1e-8, 1.0, -1e4]),)),
    Rule("custom_vjp with a fixed argument", partial(with_scale, 2.0), (normal(3),)),
    Rule("custom_vjp with symbolic zeros", scaled_sine, (normal(3), normal(3, seed=1))),
    Rule(
        "custom_vjp with symbolic zeros, one argument fixed",
        lambda x: scaled_sine(x, jnp.full_like(x, 2.0)),
        (normal(3),),
    ),
    Rule("custom_vjp of a loop of traced length", integer_power, (np.array(4), normal(3))),
    Rule(
        "custom_vjp that saves its output",
        with_residuals,
        (normal(3),),
        {"reference": jax.nn.sigmoid},
    ),
    Rule(
        "custom_vjp under scan",
        lambda x: lax.scan(lambda c, _: (half_square(c), c), x, length=3),
        (normal(2),),
    ),
    Rule(
        "custom_vjp under cond",
        lambda x: lax.cond(jnp.sum(x) > 0, half_square, jnp.sin, x),
        (positive(3),),
    ),
    Rule("custom_gradient", cube, (normal(3),)),
    Rule("reversible leapfrog", leapfrog, (normal(2), normal(2, seed=1))),
)

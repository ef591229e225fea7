"""Equations solved by a loop that JAX cannot transpose: xᵢ₊₁ = (aᵢ² + aᵢ) xᵢ + bᵢ₊₁."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mcjax._core._linear import solve

from ..helpers import assert_promise, assert_relative

A, B = np.array([0.5, -1.5, 0.25, 1.0]), np.array([1.0, -2.0, 0.5, 3.0])
COUNT = jnp.array(4)
ROUNDING = 50 * np.finfo(float).eps


def factor(a):
    return a * a + a


def equations(_, a, x):
    (a,), (x,) = a, x
    return [x - jnp.concatenate([0 * x[:1], factor(a[:-1]) * x[:-1]])]


def forwards(fixed, a, b):
    (count,), (a,), (b,) = fixed, a, b

    def step(state):
        i, x = state
        return i + 1, x.at[i].add(factor(a[i - 1]) * x[i - 1])

    return [lax.while_loop(lambda s: s[0] < count, step, (1, b))[1]]


def backwards(fixed, a, w):
    (count,), (a,), (w,) = fixed, a, w

    def step(state):
        i, x = state
        return i - 1, x.at[i - 1].add(factor(a[i - 1]) * x[i])

    return [lax.while_loop(lambda s: s[0] > 0, step, (count - 1, w))[1]]


def solution(a, b):
    return solve(equations, (forwards, backwards), [COUNT], [a], [b])[0]


def truth(a, b=B, stack=np.array):
    x = [b[0]]
    for i in range(1, len(b)):
        x.append(factor(a[i - 1]) * x[-1] + b[i])
    return stack(x)


def loss(a, b=B):
    return (solution(a, b) ** 2).sum()


def test_promise():
    """In both modes, to second order."""
    assert_promise(solution, A, B, truth=truth)


def of_truth(a):
    return (truth(a, stack=jnp.stack) ** 2).sum()


def test_third_order():
    for wrap in (jax.jacfwd, jax.jacrev):
        third = jax.jit(wrap(jax.hessian(loss)))(A)
        assert_relative(third, jax.jacfwd(jax.hessian(of_truth))(A), 4 * ROUNDING)


def test_any_argument_is_mapped():
    stack = np.stack([A, A / 2, -A])
    for f in (loss, jax.grad(loss), jax.hessian(loss)):
        assert_relative(jax.jit(jax.vmap(f))(stack), np.stack([f(a) for a in stack]), ROUNDING)
    for f in (solution, jax.jacfwd(solution, 1), jax.jacrev(solution, 0), jax.hessian(solution, 0)):
        apart = np.stack([f(A, b) for b in stack])
        assert_relative(jax.vmap(f, (None, 0))(A, stack), apart, ROUNDING)


def test_a_named_axis_is_known_within():
    """As in a field that averages over the axis that its solves are mapped over."""

    def mean(f):
        return lambda fixed, a, b: f(fixed, [lax.pmean(a[0], "i")], b)

    def loss(a):
        algorithms = mean(forwards), mean(backwards)
        return (solve(mean(equations), algorithms, [COUNT], [a], [jnp.asarray(B)])[0] ** 2).sum()

    stack = np.stack([A, A / 2])
    for wrap in (lambda f: f, jax.grad, jax.hessian, lambda f: jax.jacrev(jax.grad(f))):
        got, want = (
            jax.jit(jax.vmap(wrap(f), axis_name="i"))(stack)
            for f in (loss, lambda a: of_truth(lax.pmean(a, "i")))
        )
        assert_relative(got, want, ROUNDING)

"""A sealed solve: derivatives of x(A, b) with A x = b, whatever solved it; and `evaluate`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from mcjax._core._evaluate import evaluate
from mcjax._core._solve import sealed_solve

from ..helpers import assert_promise, assert_relative, true_solve

A = np.array([[4.0, 1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 2.0, 5.0]])
B = np.array([[1.0, -2.0], [0.5, 1.0], [3.0, 0.0]])


def _apply(parameters, x):
    return jnp.matmul(parameters[0], x)


def _factor(A):
    return (jnp.linalg.inv(A),)


def _solve(inverse, b):
    return (jnp.matmul(inverse, b),)


def _solve_transposed(inverse, b):
    return (jnp.matmul(inverse.mT, b),)


def solve(A, b):
    return sealed_solve(_apply, _factor, (_solve, _solve_transposed), (A,), b)


def _rough(inverse, b):
    return (_solve(inverse, b)[0] * 1.0001,)


def _rough_transposed(inverse, b):
    return (_solve_transposed(inverse, b)[0] * 0.9999,)


def solve_roughly(A, b):
    return sealed_solve(_apply, _factor, (_rough, _rough_transposed), (A,), b)


@pytest.mark.parametrize("kind", [float, complex])
def test_promise(kind):
    a = A + (0.3j * A.T if kind is complex else 0)
    assert_promise(solve, a.astype(kind), B.astype(kind), truth=true_solve)


def test_four_digits_are_refined():
    """A solver that is right to 1e-4 leaves 1e-12 after two steps, in derivatives as well."""

    def gradient(f):
        return jax.grad(lambda A, b: (f(A, b) ** 2).sum(), (0, 1))(A, B)

    assert_relative(solve_roughly(A, B), np.linalg.solve(A, B), 1e-11)
    for got, truth in zip(gradient(solve_roughly), gradient(jnp.linalg.solve), strict=True):
        assert_relative(got, truth, 1e-11)


def test_nothing_of_the_solver_is_differentiated():
    """Neither factors nor solves have a derivative at all; the equation has."""

    def opaque(A):
        return (jax.pure_callback(np.linalg.inv, jax.ShapeDtypeStruct(A.shape, A.dtype), A),)

    def solve(A, b):
        return sealed_solve(_apply, opaque, (_solve, _solve_transposed), (A,), b)

    got = jax.grad(lambda A: (solve(A, B) ** 2).sum())(A)
    truth = jax.grad(lambda A: (jnp.linalg.solve(A, B) ** 2).sum())(A)
    assert_relative(got, truth, 1e-13)


def _sort_pair(x, y):
    return jnp.sort(x), x[:, None] * y[None, :]


def test_evaluate_is_the_function():
    x, y = np.array([3.0, 1.0, 2.0]), np.array([1.0, -1.0])
    for f in (evaluate, jax.jit(evaluate, static_argnums=0)):
        for got, truth in zip(f(_sort_pair, x, y), _sort_pair(x, y), strict=True):
            np.testing.assert_array_equal(got, truth)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, 0)])
def test_evaluate_maps(axes):
    x, y = np.arange(9.0).reshape(3, 3)[::-1], np.arange(6.0).reshape(3, 2)
    args = [a if axis is not None else a[0] for a, axis in zip((x, y), axes, strict=True)]
    got = jax.vmap(lambda *args: evaluate(_sort_pair, *args), axes)(*args)
    for a, b in zip(got, jax.vmap(_sort_pair, axes)(*args), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluate_maps_twice():
    """The outer map on one argument, the inner on the other: n + m evaluations' worth of input."""
    x, y = np.arange(9.0).reshape(3, 3)[::-1], np.arange(6.0).reshape(3, 2)

    def grid(f):
        return jax.vmap(jax.vmap(f, (None, 0)), (0, None))(x, y)

    for a, b in zip(grid(lambda *args: evaluate(_sort_pair, *args)), grid(_sort_pair), strict=True):
        np.testing.assert_array_equal(a, b)


def test_in_shard_map():
    mesh = jax.make_mesh((8,), ("b",))
    stack = np.stack([A + i * np.eye(3) for i in range(8)])

    def local(A, b):
        return jax.vmap(solve, (0, None))(A, b)

    mapped = jax.shard_map(local, mesh=mesh, in_specs=(P("b"), P()), out_specs=P("b"))
    stack = jax.device_put(stack, NamedSharding(mesh, P("b")))
    assert_relative(jax.jit(mapped)(stack, B), np.linalg.solve(np.asarray(stack), B), 1e-13)

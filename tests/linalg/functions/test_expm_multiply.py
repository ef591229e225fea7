"""exp(A) b: of arrays and of functions, against SciPy and 60 digits, and how many products it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental import sparse
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mcjax.linalg import expm, expm_multiply

from ...helpers import (
    GENERAL,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    judge,
    random_like,
    reflect,
    true_expm,
)

compiled = jax.jit(expm_multiply)


def truth(A, b):
    return true_expm(A) @ b


def of_function(A, b):
    return expm_multiply(lambda x: A @ x, b)


def case(name, columns=()):
    A = GENERAL[name]
    return A, random_like(np.random.default_rng(1), np.zeros((len(A), *columns), A.dtype))


def laplacian(n):
    return scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))


@pytest.mark.parametrize("name", ["defective", "nearly repeated"])
def test_promise(name):
    assert_promise(expm_multiply, *case(name), truth=truth)


def test_promise_of_a_function():
    assert_promise(of_function, *case("defective"), truth=truth)


@pytest.mark.slow
@pytest.mark.parametrize("f", [expm_multiply, of_function])
@pytest.mark.parametrize("name", ["complex", "float32", "n=1"])
def test_promise_of_other_types(f, name):
    assert_promise(f, *case(name), truth=truth)


@pytest.mark.parametrize("f", [expm_multiply, of_function])
def test_complex(f):
    A, b = case("complex")
    E, e = case("hermitian")
    for got, directions in zip(jax.jvp(f, (A, b), (E, e)), ((), ((E, e),)), strict=True):
        value, tolerance = judge(truth, (A, b), *directions)
        assert_close(got, value, tolerance)


@pytest.mark.parametrize("size", [1.0, 30.0, 1000.0])
def test_against_scipy(size):
    A = size * laplacian(30) / 4
    B = np.random.default_rng(0).normal(size=(30, 2))
    reference = scipy.sparse.linalg.expm_multiply(A.tocsc(), B)
    assert_relative(compiled(A.toarray(), B), reference, 1e-14 * max(size, 10.0))
    if size < 700:
        assert_relative(compiled(-A.toarray(), B), expm(-A.toarray()) @ B, 1e-14 * max(size, 10.0))


def test_a_sparse_operator_and_its_parameters():
    """The gradient in the entries of a sparse matrix, and in a scalar that A multiplies."""
    A = laplacian(8).tocoo()
    indices, b = np.stack(A.coords, -1), np.random.default_rng(0).normal(size=(8, 2))

    def loss(data, scale, route):
        M = sparse.BCOO((data, indices), shape=(8, 8))
        if route == "dense":
            return jnp.sin(expm(scale * M.todense()) @ b).sum()
        return jnp.sin(expm_multiply(lambda x: scale * (M @ x), b)).sum()

    got, reference = (
        jax.jit(jax.grad(loss, (0, 1)), static_argnums=2)(A.data, 1.5, route)
        for route in ("action", "dense")
    )
    assert_relative(got[0], reference[0], 1e-13)
    assert_relative(got[1], reference[1], 1e-13)


def test_any_array_that_a_function_maps_to_its_shape():
    """The heat equation on a grid, without a matrix: its exact solution for a wave."""
    x = 2 * np.pi * np.arange(16) / 16
    u = np.cos(2 * x)[:, None] * np.cos(x)[None, :]

    def laplace(u):
        return sum(jnp.roll(u, k, axis) for k in (1, -1) for axis in (0, 1)) - 4 * u

    rate = 2 * np.cos(2 * x[1]) + 2 * np.cos(x[1]) - 4
    assert_relative(jax.jit(lambda u: expm_multiply(laplace, u))(u), np.exp(rate) * u, 1e-14)


@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
def test_ten_products_a_unit_of_norm(size):
    """And 16 for the norm's estimate: counted by a callback."""
    calls = []
    A = reflect(size, -size, size / 2, 0.0)

    def multiply(x):
        jax.debug.callback(lambda: calls.append(1))
        return A @ x

    expm_multiply(multiply, np.ones(4)).block_until_ready()
    jax.effects_barrier()
    assert len(calls) <= 8 + 10 + 20 * size


def test_many_steps_are_made_again_on_the_way_back():
    """More steps than are kept."""
    A, b, w = reflect(-600.0, -1.0, -2.0, -0.5), np.ones(4), np.array([1.0, 2.0, 3.0, 4.0])
    got = jax.jit(jax.grad(lambda A: w @ expm_multiply(A, b)))(A)
    assert_relative(got, jax.grad(lambda A: w @ (expm(A) @ b))(A), 1e-12)


def test_batches():
    A = np.stack([GENERAL["defective"], 0.1 * GENERAL["non-normal"]])
    B = random_like(np.random.default_rng(0), np.zeros((2, 4, 2)))
    together = compiled(A, B)
    for i in range(2):
        assert_relative(together[i], expm(A[i]) @ B[i], 1e-13)
    assert_relative(jax.vmap(expm_multiply, (None, 0))(A[0], B)[1], expm(A[0]) @ B[1], 1e-13)
    assert compiled(np.zeros((0, 0)), np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_not_finite_or_endless(bad):
    A = np.eye(4)
    A[0, 2] = bad
    assert_nan(compiled(A, np.ones(4)))
    assert_nan(jax.jit(of_function)(A, np.ones(4)))
    assert_nan(jax.grad(lambda A: expm_multiply(A, np.ones(4)).sum())(A))


def test_integers_are_promoted():
    A, b = np.array([[2, 1], [1, 3]]), np.array([1, 2])
    np.testing.assert_array_equal(expm_multiply(A, b), expm_multiply(A * 1.0, b * 1.0))


@pytest.mark.parametrize(
    "A, B, said",
    [
        (np.eye(3), np.ones(2), r"got \(2,\)"),
        (np.eye(3), np.ones((2, 3)), r"got \(2, 3\)"),
        (np.ones((2, 3)), np.ones(3), "square"),
        (None, np.ones(3), "expected an array"),
        (lambda x: x[:1], np.ones(3), "B's shape"),
        (lambda x: (x, x), np.ones(3), "B's shape"),
    ],
)
def test_rejected(A, B, said):
    with pytest.raises((TypeError, ValueError), match=f"expm_multiply.*{said}"):
        expm_multiply(A, B)


@pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")
def test_over_devices():
    """A batch of right-hand sides, cut: values and the gradient of the matrix that they share."""
    mesh = Mesh(np.array(jax.devices()[:8]), ("b",))
    A, B = GENERAL["non-normal"], random_like(np.random.default_rng(0), np.zeros((8, 4)))

    def total(A, B):
        return (jax.vmap(expm_multiply, (None, 0))(A, B) ** 2).sum()

    def on_each(A, B):
        return jax.lax.psum(total(A, B), "b")

    spread = jax.shard_map(on_each, mesh=mesh, in_specs=(P(), P("b")), out_specs=P())
    cut = jax.device_put(B, NamedSharding(mesh, P("b")))
    truth = jax.grad(total, (0, 1))(A, B)
    for f in (spread, total):
        for got, true in zip(jax.jit(jax.grad(f, (0, 1)))(A, cut), truth, strict=True):
            assert_relative(np.asarray(got), np.asarray(true), 1e-13)

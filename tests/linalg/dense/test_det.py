"""det A as a polynomial: exact derivatives at every corank, against expansion by minors."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import det

from ...helpers import (
    GENERAL,
    SINGULAR,
    assert_nan,
    assert_promise,
    derivative,
    random_like,
    true_det,
)
from ...helpers._heavy import heavy_but

ORDERS = {
    "gradient": jax.jit(jax.grad(det)),
    "forward over reverse": jax.jit(jax.hessian(det)),
    "reverse over reverse": jax.jit(jax.jacrev(jax.grad(det))),
}


@pytest.mark.parametrize("name", heavy_but(GENERAL, ["complex", "repeated"]))
def test_promise(name):
    assert_promise(det, GENERAL[name], truth=true_det, reference=np.linalg.det)


@pytest.mark.parametrize("A", [SINGULAR, np.zeros((4, 4))], ids=["corank 2", "zero"])
def test_promise_where_singular(A):
    assert_promise(det, A, truth=true_det)


def integers(rank, n=4):
    rng = np.random.default_rng(rank)
    return rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, n))


def minors(A, order):
    """All derivatives of det by its entries, in fractions: ± det without those rows and columns."""
    n, F = len(A), np.vectorize(Fraction, otypes=[object])(A)
    result = np.zeros((n, n) * order)
    for index in np.ndindex(result.shape):
        rows, columns = index[::2], index[1::2]
        if len({*rows}) == len({*columns}) == order:
            sign = np.linalg.det(_placed(n, rows, columns))
            rest = np.delete(np.delete(F, rows, 0), columns, 1)
            result[index] = round(sign) * float(true_det(rest))
    return result


def _placed(n, rows, columns):
    """The permutation that takes rows to columns and keeps the order of the others."""
    P = np.zeros((n, n))
    P[rows, columns] = 1
    others = ([i for i in range(n) if i not in taken] for taken in (rows, columns))
    P[tuple(others)] = 1
    return P


@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("order", ORDERS)
def test_every_corank(rank, order):
    """Integers: the truth is exact. The error is rounding at the size of products of entries."""
    A = integers(rank)
    truth = minors(A, 1 if order == "gradient" else 2)
    size = max(1.0, np.linalg.norm(A, 2)) ** (3 if order == "gradient" else 2)
    error = np.abs(ORDERS[order](A.astype(float)) - truth).max()
    assert error <= 100 * np.finfo(float).eps * size


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-9, 1e-12, 1e-300])
def test_gradient_however_small_one_singular_value_is(small):
    """det(A) A⁻ᵀ of one factorisation, or an SVD: conditioned by σ₁/σ_{n-1} alone, here 1."""
    rng = np.random.default_rng(1)
    U, V = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    A = U * [1, 1, 1, small] @ V
    truth = minors(A, 1)
    tolerance = 50 * np.finfo(float).eps * np.linalg.norm(truth)
    assert np.linalg.norm(jax.grad(det)(A) - truth) <= tolerance
    batch = np.stack([np.eye(4), A, np.zeros((4, 4)), 2 * A])
    for a, G in zip(batch, jax.jit(jax.vmap(jax.grad(det)))(batch), strict=True):
        np.testing.assert_allclose(G, jax.grad(det)(a), rtol=0, atol=8 * tolerance)


def test_hessian_of_five_by_five_of_rank_four():
    """JAX: NaN (its issue 2821)."""
    A = integers(4, 5)
    truth = minors(A, 2)
    error = np.abs(ORDERS["forward over reverse"](A.astype(float)) - truth).max()
    assert error <= 100 * np.finfo(float).eps * np.linalg.norm(A, 2) ** 3


@pytest.mark.parametrize("A", [[[0, 0], [0, 0]], [[1, 2], [2, 4]], [[0, 1], [0, 2]]], ids=str)
def test_singular_two_by_two(A):
    """Of ad - bc, at zero, at rank one, and where the first column is zero; JAX has 0 or NaN."""
    A = np.array(A, float)
    (a, b), (c, d) = A
    np.testing.assert_allclose(ORDERS["gradient"](A), [[d, -c], [-b, a]], atol=1e-15)
    for order in ("forward over reverse", "reverse over reverse"):
        hessian = ORDERS[order](A).reshape(4, 4)
        np.testing.assert_allclose(hessian, np.diag([1.0, -1, -1, 1])[::-1], atol=1e-15)


@pytest.mark.parametrize("rank", range(4))
def test_third_order(rank):
    A, rng = integers(rank).astype(float), np.random.default_rng(7)
    E, F, G = (random_like(rng, A) for _ in range(3))

    def along(f, d):
        return lambda A: jax.jvp(f, (A,), (d,))[1]

    third = along(along(along(det, E), F), G)(A)
    truth = derivative(true_det, (A,), (E,), (F,), (G,))
    scale = np.prod([np.linalg.norm(X) for X in (E, F, G)]) * max(1.0, np.linalg.norm(A))
    assert abs(third - truth) <= 100 * np.finfo(float).eps * scale


@pytest.mark.parametrize("scale", [1e-100, 1e3, 1e12, 1e100])
def test_second_order_at_any_scale(scale):
    """det(cA) = c⁴ det(A): the Hessian at cA is c² times that at A, to rounding at that size."""
    A = integers(4)
    forward = jax.jit(jax.jacfwd(jax.jacfwd(det)))
    for hessian in (*(ORDERS[order] for order in ORDERS if order != "gradient"), forward):
        error = np.abs(hessian(scale * A) / scale**2 - minors(A, 2)).max()
        assert error <= 100 * np.finfo(float).eps * np.linalg.norm(A, 2) ** 2


def test_second_order_in_single_precision():
    A = np.array([[2, 1, 0], [1, 3, 1], [0, 1, 4]])
    hessian = ORDERS["forward over reverse"]((1e3 * A).astype(np.float32))
    assert np.abs(hessian / np.float32(1e3) - minors(A, 2).astype(np.float32)).max() <= 1e-5


@pytest.mark.parametrize("scale", [1e-100, 1e8, 1e100])
def test_third_order_at_any_scale(scale):
    A, rng = integers(4).astype(float), np.random.default_rng(7)
    E, F, G = (random_like(rng, A) for _ in range(3))

    def third(A):
        second = lambda A: jax.jvp(jax.grad(det), (A,), (E,))[1]  # noqa: E731
        return (jax.jvp(second, (A,), (F,))[1] * G).sum()

    truth = derivative(true_det, (A,), (E,), (F,), (G,))
    size = np.prod([np.linalg.norm(X) for X in (E, F, G, A)])
    assert abs(jax.jit(third)(scale * A) / scale - truth) <= 100 * np.finfo(float).eps * size


def test_small_determinants_are_exact():
    """The gradient of a matrix of rank n - 1 is of rank one, at any scale of A."""
    for scale in (2.0**-200, 2.0**200):
        A = scale * integers(3).astype(float)
        expected = minors(integers(3), 1) * scale**3
        np.testing.assert_allclose(
            ORDERS["gradient"](A), expected, rtol=1e-12, atol=1e-11 * scale**3
        )


def test_empty_and_one():
    assert det(jnp.zeros((0, 0))) == 1.0
    assert det(jnp.zeros((3, 0, 0))).shape == (3,)
    np.testing.assert_array_equal(jax.grad(det)(jnp.array([[0.0]])), [[1.0]])
    np.testing.assert_array_equal(jax.hessian(det)(jnp.array([[2.0]])), np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    batch = np.stack([GENERAL["spd"], SINGULAR])
    batch[0, 1, 2] = bad
    values, gradients = det(batch), jax.grad(lambda A: det(A).sum())(batch)
    assert not np.isfinite(values[0])
    assert_nan(gradients[0])
    assert np.isfinite(values[1]) and np.isfinite(gradients[1]).all()

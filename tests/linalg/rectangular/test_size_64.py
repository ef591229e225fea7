"""Rectangular matrices of 128 x 64 and their norms, in all orders, against 120 digits: `helpers/_blocks`."""

import jax.numpy as jnp
import pytest

import mcjax.linalg as la

from ...helpers._blocks import CLOSE, DOUBLE, N, assert_right_when_large, of_gram, thin
from ...helpers._large import Jets, chain, eye, mp, primary, times

pytestmark = pytest.mark.slow


RECTANGULAR = {
    "polar U": (lambda A: la.polar(A)[0], lambda A, g: A @ g(lambda x: x**-0.5)),
    "polar P": (lambda A: la.polar(A)[1], lambda A, g: g(mp.sqrt)),
    "polar of wide": (lambda A: la.polar(A.mT)[0].mT, lambda A, g: A @ g(lambda x: x**-0.5)),
    "svd_function": (
        lambda A: la.svd_function(A, jnp.arctan),
        lambda A, g: A @ g(lambda x: mp.atan(mp.sqrt(x)) / mp.sqrt(x)),
    ),
    "orth_projector": (la.orth_projector, lambda A, g: A @ g(lambda x: 1 / x) @ A.T),
    "null_projector": (
        lambda A: la.null_projector(A.mT),
        lambda A, g: Jets({0: eye(2 * N)}) - A @ g(lambda x: 1 / x) @ A.T,
    ),
    "pinv": (
        lambda A: la.lstsq(A, jnp.eye(2 * N, dtype=A.dtype))[0],
        lambda A, g: g(lambda x: 1 / x) @ A.T,
    ),
    "nuclear_norm": (la.nuclear_norm, lambda A, g: g(mp.sqrt).trace),
    "schatten_norm": (
        lambda A: la.schatten_norm(A, 3),
        lambda A, g: chain(mp.cbrt, g(lambda x: mp.sqrt(x) ** 3).trace),
    ),
    "ky_fan_norm": (  # of the two largest, which agree
        lambda A: la.ky_fan_norm(A, 2),
        lambda A, g: g(lambda x: mp.sqrt(x) * (x > 2.42**2)).trace,
    ),
}


@pytest.mark.parametrize("name", RECTANGULAR)
def test_rectangular(name):
    f, formula = RECTANGULAR[name]
    assert_right_when_large(f, of_gram(formula))


def test_lstsq():
    def problem(blocks):
        A, gram = blocks.rectangular(2 * N, CLOSE)
        b = thin(blocks, 2 * N, 2)
        return (A, b), lambda A, b: primary(lambda x: 1 / x, gram, A.T @ A) @ A.T @ b

    assert_right_when_large(lambda A, b: la.lstsq(A, b)[0], problem)


def test_procrustes():
    def problem(blocks):
        A, (M, gram) = blocks.orthogonal(N, seed=3), blocks.rectangular(N, DOUBLE)

        def truth(A, B):
            M = A.T @ B
            return M @ primary(lambda x: x**-0.5, gram, M.T @ M)

        return (A, times(A, M)), truth

    assert_right_when_large(lambda A, B: la.orthogonal_procrustes(A, B)[0], problem)

"""Determinants, norms and factorisations at n = 64, in all orders, against 120 digits (`helpers/_blocks`)."""

import jax.numpy as jnp
import numpy as np
import pytest

import mcjax.linalg as la

from ...helpers._blocks import CLOSE, DOUBLE, SIGNS, SINGLE, N, assert_right_when_large, of_gram
from ...helpers._large import (
    ONE,
    Jets,
    chain,
    elimination,
    eye,
    inverse,
    joined,
    mp,
    primary,
    stack,
    symmetric,
    triangular,
)

pytestmark = pytest.mark.slow


def test_spectral_norm():
    top = lambda A, g: g(lambda x: mp.sqrt(x) * (x > 2.46**2)).trace  # noqa: E731
    assert_right_when_large(la.spectral_norm, of_gram(top, SINGLE))


def test_numerical_radius():
    """Of a symmetric matrix whose largest eigenvalue is positive: there no phase is better."""

    def problem(blocks):
        eigen = blocks.symmetric(SINGLE)
        largest = lambda x: x * (x > 2.46)  # noqa: E731
        return (eigen.matrix,), lambda A: primary(largest, eigen, symmetric(A)).trace

    assert_right_when_large(la.numerical_radius, problem)


def test_determinants():
    def problem(formula):
        def of(blocks):
            eigen = blocks.general(CLOSE * SIGNS)
            return (eigen.matrix,), lambda A: formula(lambda f: primary(f, eigen, A))

        return of

    sign = int(np.prod(SIGNS))
    log = lambda g: g(lambda x: mp.log(abs(x))).trace  # noqa: E731
    det = lambda g: chain(lambda x: sign * mp.exp(x), log(g))  # noqa: E731
    assert_right_when_large(la.logdet, problem(log))
    assert_right_when_large(la.det, problem(det))
    assert_right_when_large(la.adjugate, problem(lambda g: g(lambda x: 1 / x) * det(g)))


def test_logdet_of_positive():
    def problem(blocks):
        eigen = blocks.symmetric(CLOSE)
        return (eigen.matrix,), lambda A: primary(mp.log, eigen, symmetric(A)).trace

    assert_right_when_large(lambda A: la.logdet(A, assume_a="pos"), problem)


def test_charpoly():
    """Faddeev and LeVerrier."""

    def truth(A):
        c, AM, one = [Jets({0: ONE})], Jets({0: eye(N) * 0}), Jets({0: eye(N)})
        for k in range(1, N + 1):
            AM = A @ (AM + one * c[-1])
            c.append(AM.trace.map(lambda x, k=k: -x // k))
        return stack(c)

    assert_right_when_large(la.charpoly, lambda blocks: ((blocks.general(DOUBLE).matrix,), truth))


def signs(R):
    return jnp.sign(jnp.diagonal(R))


def qr(A):
    """R above Q, with a positive diagonal."""
    Q, R = la.qr(A)
    return jnp.concatenate([signs(R)[:, None] * R, Q * signs(R)[None, :]])


def true_qr(A):
    """A R⁻¹, R from Aᵀ A."""
    R = triangular(A.T @ A).T
    return joined(R, A @ inverse(R))


def true_ldl(A):
    L, U = elimination(symmetric(A))
    return joined(L, U[np.arange(N), np.arange(N)][None])


FACTORISATIONS = {
    "cholesky": (la.cholesky, lambda A: triangular(symmetric(A))),
    "ldl": (lambda A: jnp.concatenate([(LD := la.ldl(A))[0], LD[1][None]]), true_ldl),
    "unpivoted_lu": (
        lambda A: jnp.concatenate(la.unpivoted_lu(A)),
        lambda A: joined(*elimination(A)),
    ),
}


@pytest.mark.parametrize("name", FACTORISATIONS)
def test_factorisations(name):
    f, truth = FACTORISATIONS[name]
    assert_right_when_large(f, lambda blocks: ((blocks.symmetric(CLOSE).matrix,), truth))


def test_qr():
    assert_right_when_large(qr, lambda blocks: (blocks.rectangular(2 * N, CLOSE)[:1], true_qr))

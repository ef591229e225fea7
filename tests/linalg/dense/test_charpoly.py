"""det(z I - A) against Faddeev and LeVerrier in 60 digits: eigenvalues of any kind are alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import charpoly, det

from ...helpers import (
    GENERAL,
    SINGULAR,
    assert_nan,
    assert_promise,
    assert_relative,
    hidden_jordan,
    mp,
)
from ...helpers._heavy import heavy_but
from ...helpers._truth_dense import true_charpoly

CASES = ["repeated", "nearly repeated", "defective", "complex", "batched"]
CASES += ["n=0", "badly scaled"]


@pytest.mark.parametrize("name", heavy_but(CASES, ["complex"]))
def test_promise(name):
    assert_promise(charpoly, GENERAL[name], truth=true_charpoly)


@pytest.mark.parametrize("A", [SINGULAR, np.zeros((4, 4))], ids=["corank 2", "zero"])
def test_promise_where_singular(A):
    assert_promise(charpoly, A, truth=true_charpoly)


def test_numpy():
    A = np.random.default_rng(0).normal(size=(2, 5, 5))
    assert_relative(charpoly(A), np.stack([np.poly(X) for X in A]), 1e-13)


@pytest.mark.parametrize("kind", ["of random phases", "positive"])
@pytest.mark.parametrize("n", [10, 64])
def test_error_bound(n, kind):
    """Every coefficient within Cauchy's bound at its best radius; the truth from eigenvalues, whose
    products are exact enough."""
    A = np.random.default_rng(n).normal(size=(n, n)) / n**0.5
    A = A @ A.T + np.eye(n) / 8 if kind == "positive" else A
    eigenvalues = np.linalg.eigvals(A)
    c = [mp.one]
    for x in eigenvalues:
        c = [a - mp.mpc(x) * b for a, b in zip([*c, 0], [0, *c], strict=True)]
    radii = np.linalg.norm(A) / n**0.5 * 2.0 ** np.linspace(-2 * np.log2(n), np.log2(n), 60)
    circle = radii[:, None] * np.exp(2j * np.pi * np.arange(2 * n) / (2 * n))
    largest = abs(np.prod(circle[..., None] - eigenvalues, -1)).max(1) / radii**n
    bound = (largest[:, None] * radii[:, None] ** np.arange(n + 1)).min(0)
    error = np.abs(charpoly(A) - np.array([float(mp.re(x)) for x in c]))
    assert (error <= 10 * n * np.finfo(float).eps * bound).all()


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**60])
def test_scale(scale):
    """c_j(s A) = s^j c_j(A), to the last bit for powers of two."""
    A = GENERAL["non-normal"]
    expected = charpoly(A) * scale ** np.arange(5)
    np.testing.assert_allclose(charpoly(scale * A), expected, rtol=1e-15)


def test_ends():
    """The first two coefficients and the last: 1, -tr A, det A."""
    A = hidden_jordan()
    gradient = jax.jacobian(charpoly)(A)
    assert charpoly(A)[0] == 1 and not np.asarray(gradient[0]).any()
    assert_relative(gradient[1], -np.eye(4), 1e-13)
    assert_relative(gradient[4], jax.grad(det)(A), 1e-12)


def test_not_finite():
    A = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    values = charpoly(A)
    assert np.isfinite(values[0]).all()
    assert_nan(values[1, 1:])
    assert jnp.issubdtype(charpoly(np.eye(2, dtype=int)).dtype, jnp.floating)

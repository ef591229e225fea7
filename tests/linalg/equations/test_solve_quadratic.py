"""A X² + B X + C = 0 against Newton's iteration in 60 digits."""

import jax
import numpy as np
import pytest

from mcjax.linalg import solve_quadratic

from ...helpers import assert_nan, assert_promise, assert_relative
from ...helpers._heavy import heavy_but
from ...helpers._truth_equations import true_solve_quadratic

compiled = jax.jit(solve_quadratic)
TWO = {
    "generic": (np.array([[1.0, 0.3], [-0.2, 0.5]]), np.array([[5.0, 1], [2, 6]]), np.eye(2)),
    "repeated": (np.eye(2), 4 * np.eye(2), np.eye(2)),
    "defective": (np.eye(2), np.array([[4.0, 1.0], [0.0, 4.0]]), np.eye(2)),
    "A singular": (np.diag([1.0, 0.0]), np.array([[5.0, 1], [2, 6]]), np.ones((2, 2))),
    "A = 0": (np.zeros((2, 2)), np.array([[5.0, 1], [2, 6]]), np.ones((2, 2))),
    "large X": (1e-4 * np.eye(2), np.array([[5.0, 1], [2, 6]]), 1e4 * np.eye(2)),
    "1e-9": (1e-9 * np.eye(2), 4e-9 * np.eye(2), 1e-9 * np.eye(2)),
}


@pytest.mark.parametrize("name", heavy_but(TWO, ["generic", "defective", "1e-9"]))
def test_promise(name):
    assert_promise(solve_quadratic, *TWO[name], truth=true_solve_quadratic)


def gradients(*args):
    return jax.grad(lambda *args: solve_quadratic(*args).sum(), (0, 1, 2))(*args)


def overdamped(n, batch=()):
    rng = np.random.default_rng(n)
    A, C = (x @ x.swapaxes(-1, -2) / n for x in rng.normal(size=(2, *batch, n, n)))
    return A, C + 10 * np.eye(n), C + rng.normal(size=(*batch, n, n)) / n**0.5


@pytest.mark.parametrize("n", [1, 5, 64])
def test_is_the_minimal_solvent(n):
    """The residual is nothing, the spectrum the n smallest of the linearisation."""
    A, B, C = overdamped(n)
    X = np.asarray(compiled(A, B, C))
    norm, Z, one = np.linalg.norm, np.zeros((n, n)), np.eye(n)
    assert norm(A @ X @ X + B @ X + C) <= 1e-13 * (norm(B) * norm(X) + norm(C))
    reverse = -np.linalg.solve(C, np.hstack([B, A]))  # 1/λ: C Y² + B Y + A = 0
    inverses = np.abs(np.linalg.eigvals(np.vstack([reverse, np.hstack([one, Z])])))
    largest = np.sort(1 / inverses)[:n]
    np.testing.assert_allclose(np.sort(np.abs(np.linalg.eigvals(X))), largest, rtol=1e-8)


def test_complex_and_batched():
    A, B, C = overdamped(3, (2, 1))
    A, B, C = A * np.exp(1j), B + 0j, np.stack([C[:, 0], 2j * C[:, 0]], 1)
    X = compiled(A, B, C)
    assert X.shape == (2, 2, 3, 3)
    assert_relative(A @ X @ X + B @ X, -C, 1e-13)


NONE = {
    "a pair of one modulus": (np.eye(2), np.zeros((2, 2)), np.eye(2)),
    "double": (np.eye(2), 2 * np.eye(2), np.eye(2)),
    "double at one": (np.eye(5), np.diag([2.0, 5, 6, 7, 8]), np.eye(5)),
    "conjugate": (np.eye(2), np.eye(2), np.eye(2)),
    "all zero": (np.zeros((2, 2)),) * 3,
    "not finite": (np.eye(2), np.array([[np.nan, 0], [0, 4]]), np.eye(2)),
    "infinite": (np.array([[np.inf, 0], [0, 4]]), 4 * np.eye(2), np.eye(2)),
}


@pytest.mark.parametrize("name", NONE)
def test_none(name):
    """NaN, values and gradients, for that element alone."""
    n = len(NONE[name][0])
    batch = [
        np.stack(pair)
        for pair in zip(NONE[name], (np.eye(n), 5 * np.eye(n), np.eye(n)), strict=True)
    ]
    X, slopes = compiled(*batch), gradients(*batch)
    assert_nan(X[0])
    assert_relative(X[1], -(5 - 21**0.5) / 2 * np.eye(n), 1e-14)
    for g in slopes:
        assert np.isnan(g[0]).any() and not np.isfinite(g[0]).all()
        assert np.isfinite(g[1]).all()


def test_shapes():
    assert solve_quadratic(*[np.zeros((0, 0))] * 3).shape == (0, 0)
    with pytest.raises(ValueError, match=r"solve_quadratic: .*\(3, 2\)"):
        solve_quadratic(np.eye(3), np.ones((3, 2)), np.eye(3))

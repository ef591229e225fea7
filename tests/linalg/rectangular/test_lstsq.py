"""A⁺ b: any shape and rank, equal singular values, batches; against exact normal equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import lstsq

from ...helpers import (
    assert_close,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    derivative,
)
from ...helpers._truth_rectangular import true_lstsq

RNG = np.random.default_rng(0)
ROTATION = (np.eye(4) - 0.5)[:, [1, 2, 0, 3]]


def product(L, R, b):
    """x for A = L R, of the rank that L and R share: all of its directions keep the rank."""
    return lstsq(L @ R, b)[0]


def solution(A, b):
    return lstsq(A, b)[0]


def normal(*shape):
    return RNG.normal(size=shape)


FACTORS = {
    "rank 2, equal": (ROTATION[:, :2], ROTATION[1:3]),
}
MORE_FACTORS = {
    "tall": (normal(4, 2), np.eye(2)),
    "orthonormal columns": (ROTATION[:, :2], np.eye(2)),
    "wide": (np.eye(2), normal(2, 4)),
    "orthonormal rows": (np.eye(2), ROTATION[:2]),
    "rank 1": (normal(4, 1), normal(1, 2)),
}


@pytest.mark.parametrize("name", FACTORS)
def test_promise(name):
    L, R = FACTORS[name]
    assert_promise(product, L, R, normal(len(L), 1), truth=true_lstsq)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_FACTORS)
def test_promise_more(name):
    L, R = MORE_FACTORS[name]
    assert_promise(product, L, R, normal(len(L), 1), truth=true_lstsq)


@pytest.mark.slow
def test_promise_complex():
    L, R, b = (
        X + 1j * RNG.normal(size=X.shape) for X in (normal(3, 1), normal(1, 2), normal(3, 1))
    )
    assert_promise(product, L, R, b, truth=true_lstsq)


def test_orthonormal_columns():
    """jax: NaN for the gradient of Σ x at [I; 0]."""
    gradient = jax.grad(lambda A: lstsq(A, jnp.arange(1.0, 5.0))[0].sum())(np.eye(4, 2))
    assert_close(gradient.ravel(), [-1, -2, -1, -2, 3, 3, 4, 4], 1e-14)


def test_batched():
    """jax: TypeError, a must be two-dimensional."""
    A, b = normal(2, 3, 4, 2), normal(3, 4, 1)
    x, residuals, rank, s = jax.jit(lstsq)(A, b)
    assert (x.shape, residuals.shape, rank.shape, s.shape) == (
        (2, 3, 2, 1),
        (2, 3, 1),
        (2, 3),
        (2, 3, 2),
    )
    gradients = jax.grad(lambda A, b: (lstsq(A, b)[0] ** 3).sum(), (0, 1))(A, b)
    assert [g.shape for g in gradients] == [A.shape, b.shape]
    for i, j in np.ndindex(2, 3):
        truth = np.linalg.lstsq(A[i, j], b[j], rcond=None)
        for got, true in zip((x, residuals, rank, s), truth, strict=True):
            assert_relative(got[i, j], true, 1e-13)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)], ids=str)
def test_numpy(shape):
    A, b = normal(*shape), normal(shape[0])
    got, truth = lstsq(A, b), np.linalg.lstsq(A, b, rcond=None)
    for i in (0, 2, 3):
        assert_relative(got[i], truth[i], 1e-13)
    assert_close(got[1], [((b - A @ truth[0]) ** 2).sum()], 1e-13)


def test_cut_off():
    """Singular values up to rcond of the largest count as zero, also in derivatives."""
    A, b = ROTATION @ np.diag([1.0, 1.0, 1e-3, 1e-12]), normal(4, 1)
    for rcond, rank in ((None, 4), (1e-6, 3), (1e-2, 2), (-1.0, 4), (1.0, 0)):
        got, truth = lstsq(A, b, rcond), np.linalg.lstsq(A, b, rcond=-1 if rank == 4 else rcond)
        assert got[2] == rank
        assert_relative(got[0], truth[0] if rank else 0 * b, 1e-3 if rank == 4 else 1e-11)
    E = normal(4, 4)
    slope = jax.jvp(lambda A: lstsq(A, b, 1e-2)[0], (A,), (E,))[1]
    h = 1e-5
    ends = (np.linalg.lstsq(A + t * h * E, b, rcond=1e-2)[0] for t in (-2, -1, 1, 2))
    a, c, d, e = ends
    assert_relative(slope, (a - 8 * c + 8 * d - e) / (12 * h), 1e-8)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1e150])
def test_scale(scale):
    A, b = normal(4, 2), normal(4, 1)
    assert_relative(solution(scale * A, b) * scale, solution(A, b), 1e-14)
    assert_relative(solution(A, scale * b) / scale, solution(A, b), 1e-14)


@pytest.mark.parametrize("condition", [1e4, 1e8])
def test_ill_conditioned_and_consistent(condition):
    """eps κ, not eps κ²: for b in the range of A the inverse of AᵀA, or A⁺ itself, would lose it all."""
    A = ROTATION[:, :3] @ np.diag([1.0, 0.5, 1 / condition]) @ np.linalg.qr(normal(3, 3))[0]
    x = np.array([[1.0], [2.0], [3.0]])
    truth = derivative(true_lstsq, (A, np.eye(3), A @ x))
    assert_relative(solution(A, A @ x), truth, 2e-15 * condition)


def test_zero():
    x, residuals, rank, _ = lstsq(np.zeros((3, 2)), np.ones(3))
    assert rank == 0 and residuals == 3
    assert_close(x, [0, 0], 0)
    gradient = jax.grad(lambda A: lstsq(A, np.ones(3))[0].sum())(np.zeros((3, 2)))
    assert_close(gradient, np.zeros((3, 2)), 0)


def test_residuals():
    """D Σ|r|² [E, db] = 2 rᵀ (db - E x)."""
    A, b, E, d = ROTATION[:, :2] * 1.0, normal(4), normal(4, 2), normal(4)
    x = solution(A, b[:, None])[:, 0]
    slope = jax.jvp(lambda *args: lstsq(*args)[1], (A, b), (E, d))[1]
    assert_close(slope, [2 * (b - A @ x) @ (d - E @ x)], 1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    A, b = np.stack([normal(3, 2)] * 2), normal(3, 1)
    A[0, 1, 1] = bad
    x, residuals, _, s = lstsq(A, b)
    for result in (x, residuals, s):
        assert_nan(result[0])
        assert np.isfinite(result[1]).all()
    gradient = jax.grad(lambda A: lstsq(A, b)[0].sum())(A)
    assert not np.isfinite(gradient[0]).any()
    assert np.isfinite(gradient[1]).all()


def test_no_collective():
    """On a mesh with automatic axes; with explicit ones jax's SVD has no second derivative."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("b",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("b"))
    A, b = normal(8, 4, 2), normal(8, 4, 1)

    def gradient(A, b):
        return jax.grad(lambda A: (solution(A, b) ** 3).sum())(A)

    placed = [jax.device_put(x, sharding) for x in (A, b)]
    program = jax.jit(gradient).lower(*placed).compile()
    assert "all-" not in program.as_text()
    assert_relative(program(*placed), gradient(A, b), 1e-12)


def test_lowers_for_cuda():
    assert_lowers_for_cuda(solution, normal(4, 2), normal(4, 1))


@pytest.mark.parametrize("shapes", [((0, 2), (0,)), ((2, 0), (2, 1)), ((3, 2), (3, 0))], ids=str)
def test_empty(shapes):
    x, *_, s = lstsq(*map(jnp.ones, shapes))
    assert x.shape == (shapes[0][1], *shapes[1][1:]) and s.shape == (min(shapes[0]),)


def test_bad_input():
    for A, b, said in (
        (np.eye(3), np.ones(2), r"needs b of shape \(3,\)"),
        (np.ones((2, 3, 3)), np.ones((2, 3)), r"b\[..., None\]"),
        (np.eye(3), 2.0, "lstsq"),
        (np.ones(3), np.ones(3), "lstsq"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            lstsq(A, b)
    with pytest.raises(TypeError, match="lstsq: rcond must be a number"):
        lstsq(np.eye(3), np.ones(3), "small")


def test_types_mix():
    x = lstsq(np.array([[2, 0], [0, 4]]), np.array([1j, 2]))[0]
    assert_close(x, [0.5j, 0.5], 1e-15)

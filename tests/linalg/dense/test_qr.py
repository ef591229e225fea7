"""A = Q R: pivots, wide matrices and complete factors, against Gram and Schmidt in 60 digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import qr

from ...helpers import assert_close, assert_promise, derivative
from ...helpers._truth_dense import true_qr

RNG = np.random.default_rng(0)
WIDE = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, -1.0]])


def pivoted_r(A):
    """R with a positive diagonal."""
    _, R, _ = qr(A, pivoting=True)
    signs = jax.lax.stop_gradient(jnp.sign(jnp.diagonal(R, axis1=-2, axis2=-1)))
    return signs[..., :, None] * R


def true_r(A):
    return true_qr(A[:, scipy.linalg.qr(_values(A), pivoting=True)[2]])[1]


def _values(A):
    return np.vectorize(lambda x: complex(x.value), otypes=[complex])(A)


def test_pivoted_promise_wide():
    """jax.scipy.linalg.qr(pivoting=True) has a wrong dR at wide matrices."""
    assert_promise(pivoted_r, WIDE, truth=true_r)


def test_pivoted_batch():
    """jax.scipy.linalg.qr(pivoting=True) has no derivative of a batch: a TypeError."""
    A, E = RNG.normal(size=(2, 2, 3, 3))
    got = jax.jvp(pivoted_r, (A,), (E,))[1]
    assert_close(got, derivative(true_r, (A,), (E,)), 1e-13)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
@pytest.mark.parametrize("kind", [float, complex])
def test_scipy(shape, kind):
    A = RNG.normal(size=shape)
    A = A + 1j * RNG.normal(size=shape) if kind is complex else A
    for ours, theirs in (("reduced", "economic"), ("complete", "full")):
        Q, R, P = (np.asarray(x) for x in qr(A, ours, pivoting=True))
        _, R0, P0 = scipy.linalg.qr(A, mode=theirs, pivoting=True)
        np.testing.assert_array_equal(P, P0)
        assert_close(R, R0, 1e-13)
        assert_close(Q @ R, A[:, P], 1e-13)
        assert_close(Q.conj().T @ Q, np.eye(Q.shape[1]), 1e-13)
    assert_close(qr(A, "r"), np.linalg.qr(A, "r"), 1e-13)


def projector(A):
    """Onto the complement of the range, from the complete Q."""
    Q = qr(A, "complete")[0][..., A.shape[-1] :]
    return Q @ Q.mT.conj()


def plain_projector(A):
    return jnp.eye(len(A), dtype=A.dtype) - A @ jnp.linalg.solve(A.T.conj() @ A, A.T.conj())


@pytest.mark.parametrize("A", [np.eye(3, 2), RNG.normal(size=(4, 2)) + 1j], ids=["eye", "complex"])
def test_complete(A):
    """jax.numpy's is NaN at eye(3, 2). Third derivatives too."""
    E = RNG.normal(size=A.shape).astype(A.dtype)

    def all_orders(f):
        along = lambda f: lambda A: jax.jvp(f, (A,), (E,))[1]  # noqa: E731
        loss = lambda A: (f(A) ** 2).real.sum() + f(A)[0, 1].real  # noqa: E731
        first = along(f)
        return jax.jit(
            lambda A: (f(A), first(A), along(along(first))(A), along(jax.grad(loss))(A))
        )(A)

    for x, y in zip(all_orders(projector), all_orders(plain_projector), strict=True):
        assert_close(x, y, 1e-11 * max(1, np.abs(y).max()))


def test_complete_q_moves_no_more_than_it_must():
    A, E = RNG.normal(size=(2, 4, 2))
    Q, dQ = jax.jvp(lambda A: qr(A, "complete")[0], (A,), (E,))
    assert_close((Q.T @ dQ)[2:, 2:], np.zeros((2, 2)), 1e-14)
    assert_close(Q.T @ dQ + dQ.T @ Q, np.zeros((4, 4)), 1e-14)


def test_modes():
    with pytest.raises(ValueError, match="qr: mode must be one of"):
        qr(WIDE, "raw")


@pytest.mark.parametrize("dtype, small", [("float32", 1e-24), ("float64", 1e-170)])
def test_pivots_whose_squares_are_out_of_range(dtype, small):
    _, R, P = qr(jnp.asarray(np.diag([1, small, 10 * small]), dtype), pivoting=True)
    np.testing.assert_array_equal(P, [0, 2, 1])
    sizes = np.abs(np.diagonal(R))
    assert (sizes[1:] <= sizes[:-1]).all()


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (2, 3, 0)])
def test_pivots_of_nothing(shape):
    Q, R, P = qr(jnp.zeros(shape), pivoting=True)
    assert Q.shape[-2:] == (shape[-2], 0) and R.shape[-2:] == (0, shape[-1])
    np.testing.assert_array_equal(P, np.broadcast_to(np.arange(shape[-1]), P.shape))

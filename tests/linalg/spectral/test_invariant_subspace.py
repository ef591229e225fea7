"""The orthogonal projector onto an invariant subspace, of matrices that are not normal, on any device."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg.spectral._invariant_subspace import invariant_subspace

from ...helpers import assert_close, assert_nan, assert_promise, identity, mp
from ...helpers._truth import _adjoint, true_signm, true_solve

S = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1) + np.diag([0.0, 0.0, 1.0], -1)
PHASES = np.diag([1, 1j, -1, -1j])


def jordan(gap, coupling=1.0):
    """Eigenvalues -1, -1 - gap in a block of Jordan, and 2 ± i."""
    J = np.diag([-1.0, -1.0 - gap, 2.0, 2.0])
    J[0, 1], J[2, 3], J[3, 2] = coupling, 1.0, -1.0
    return S @ J @ np.linalg.inv(S)


def left(A):
    return invariant_subspace(A, "lhp")


def true_left(A):
    P, one = (identity(len(A)) - true_signm(A)) * mp.mpf(0.5), identity(len(A))
    return true_solve(P + _adjoint(P) - one, _adjoint(P))


@pytest.mark.parametrize(
    "A",
    [
        jordan(0.0),
        pytest.param(jordan(1e-9), marks=pytest.mark.slow),
        pytest.param(jordan(0.0, 0.0), marks=pytest.mark.slow),
        pytest.param(PHASES @ jordan(0.0) @ PHASES.conj(), marks=pytest.mark.slow),
        pytest.param(jordan(0.0).astype(np.float32), marks=pytest.mark.slow),
    ],
)
def test_promise(A):
    assert_promise(left, A, truth=true_left, units=32)


@pytest.mark.parametrize("select", ["lhp", "rhp", "iuc", "ouc"])
def test_scipy(select):
    A = np.random.default_rng(0).normal(size=(2, 5, 5)) / 2
    projectors = jax.jit(lambda A: invariant_subspace(A, select))(A)
    for P, X in zip(projectors, A, strict=True):
        _, Z, count = scipy.linalg.schur(X, sort=select)
        assert_close(P, Z[:, :count] @ Z[:, :count].T, 1e-12)


def test_discs():
    A = np.stack([jordan(0.0), jordan(0.25)])
    disc = jax.jit(lambda A: invariant_subspace(A, (-1.0, 1.0)))(A)
    assert_close(disc, left(A), 1e-12)
    one = np.asarray(invariant_subspace(A[0], (2 + 1j, 0.5)))
    assert_close(np.trace(one), 1.0, 1e-13)
    assert_close(A[0] @ one, (2 + 1j) * one, 1e-12)


def test_none_and_bad_input():
    compiled = jax.jit(lambda A: jax.jvp(left, (A,), (A,)))
    for boundary in ([1.0, 0.0], [1.0, np.nan]):
        assert_nan(compiled(np.diag(boundary)))
    assert invariant_subspace(np.zeros((2, 0, 0)), "iuc").shape == (2, 0, 0)
    assert_close(left(-np.ones((1, 1), int)), [[1.0]], 0.0)
    for select in ("left", (0.0,), None):
        with pytest.raises(ValueError, match="invariant_subspace: select must be one of"):
            invariant_subspace(np.eye(2), select)
    with pytest.raises(ValueError, match="square"):
        left(np.ones((2, 3)))

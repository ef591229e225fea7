"""Second derivatives of matrices of any size along directions of theirs.

U is homogeneous of degree 0, and so are the projectors; P is of degree 1. So D²F(sA)[sE, sE] is
D²F(A)[E, E], or s times that, though products of two directions leave the range of numbers.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import null_projector, orth_projector, polar

from ...helpers import along, assert_relative, derivative, pull
from ...helpers._truth_rectangular import true_isometry, true_polar, true_range

A = np.array([[3.0, 1.0], [2.0, 4.0]])
E = np.array([[1.0, -1.0], [0.5, 2.0]])
W = np.array([[1.0, 2.0], [-1.0, 0.5]])


def true_hermitian_factor(A):
    return true_polar("right", A)[1]


def true_left_factor(A):
    return true_polar("left", A)[1]


def true_null(A):
    return np.eye(2) - true_range(A.T)


# The function, its truth, its degree, and the columns of A that it is of.
CASES = {
    "U": (lambda A: polar(A)[0], true_isometry, 0, 2),
    "U, tall": (lambda A: polar(A)[0], true_isometry, 0, 1),
    "U by QDWH": (lambda A: polar(A, method="qdwh")[0], true_isometry, 0, 2),
    "P": (lambda A: polar(A)[1], true_hermitian_factor, 1, 2),
    "P, left": (lambda A: polar(A, "left")[1], true_left_factor, 1, 2),
    "P by QDWH": (lambda A: polar(A, method="qdwh")[1], true_hermitian_factor, 1, 2),
    "range": (orth_projector, true_range, 0, 1),
    "null space": (lambda A: null_projector(A.mT), lambda A: true_null(A.T), 0, 1),
}
cases = pytest.mark.parametrize("name", CASES)
SIZES = [(1e170, "float64"), (1e-170, "float64"), (1e20, "float32"), (1e-20, "float32")]


@cases
def test_second_derivatives(name):
    f, true, degree, columns = CASES[name]
    a, e = A[:, :columns], E[:, :columns]
    truth = np.asarray(derivative(true, (a,), (e,), (e,)), float)
    for s, dtype in SIZES:
        X, D = ((s * x).astype(dtype) for x in (a, e))
        got = np.asarray(jax.jit(along(along(f, (D,)), (D,)))(X), float)
        assert_relative(got / s**degree, truth, 1e-13 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("method", ["svd", "qdwh"])
def test_of_complex_batches(method):
    """Forwards and backwards, for each matrix its own s."""
    s = 2.0 ** np.array([-565.0, 0.0, 565.0])[:, None, None]
    X, D = (A + 1j * W) * s, (E - 2j * W) * s

    def hermitian_factor(A):
        return polar(A, method=method)[1]

    def second(A):
        return along(along(hermitian_factor, (D,)), (D,))(A)

    def gradient(A):
        return pull(hermitian_factor, jnp.broadcast_to(W + 1j * E, A.shape))(A)[0]

    for got in (np.asarray(second(X)) / s, along(gradient, (D,))(X)):
        for i in (0, 2):
            assert_relative(got[i], got[1], 1e-14)


@pytest.mark.parametrize("kind", [np.zeros((2, 2)), np.diag([1.0, np.inf])], ids=["zero", "inf"])
def test_without_a_size(kind):
    assert np.isnan(along(along(lambda A: polar(A)[0], (E,)), (E,))(kind)).all()

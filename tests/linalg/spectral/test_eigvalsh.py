"""Eigenvalues: all orders where they are distinct, and of their symmetric functions at ties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import eigvalsh

from ...helpers import (
    SYMMETRIC,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    hermitian,
    identity,
    reflect,
    true_solve,
    unitary_phases,
)
from ...helpers._jets import exact
from ...helpers._truth_equations import numbers
from ...helpers._truth_rectangular import real

TIED = {
    "identity": np.eye(4),
    "pair": reflect(1.0, 1.0, 2.0, 4.0),
    "two pairs": reflect(1.0, 1.0, 3.0, 3.0),
    "1e-12": reflect(1.0, 1.0 + 1e-12, 2.0, 4.0),
    "zero": np.zeros((4, 4)),
}
DISTINCT = {name: SYMMETRIC[name] for name in ("spd", "hermitian", "batched", "float32", "n=1")}


def true_eigvalsh(A):
    """Newton's method on (A - λ) v = 0, v₀ᴴ v = 1, from LAPACK's digits."""
    n = len(A)
    values, vectors = np.linalg.eigh(numbers(A))
    found = []
    for x, start in zip(values, vectors.T, strict=True):
        row = np.vectorize(exact, otypes=[object])(start.conj()[None, :])
        v, x = np.vectorize(exact, otypes=[object])(start[:, None]), exact(x.item())
        for _ in range(5):
            M = A - identity(n) * x
            corner = np.array([[exact(0.0)]], object)
            residual = np.concatenate([M @ v, row @ v - exact(1.0)])
            step = true_solve(np.block([[M, -v], [row, corner]]), residual)
            v, x = v - step[:n], x - step[n, 0]
        found.append(real(x))
    return np.array(found, object)


def squares(A):
    return (eigvalsh(A) ** 2).sum()


def cubes(A):
    return (eigvalsh(A) ** 3).sum()


def free_energy(A):
    """Couples the eigenvalues: a Hessian in w that is not diagonal."""
    return jax.nn.logsumexp(eigvalsh(A))


def tame(X):
    return (X + X.T) / 2


def plain_free_energy(A):
    return jnp.log(jnp.trace(jax.scipy.linalg.expm(tame(A))))


@pytest.mark.parametrize(
    "name", [n if n == "hermitian" else pytest.param(n, marks=pytest.mark.slow) for n in DISTINCT]
)
def test_promise(name):
    A = DISTINCT[name]
    assert_promise(eigvalsh, A, truth=hermitian(true_eigvalsh), reference=np.linalg.eigvalsh)


@pytest.mark.parametrize(
    "f, plain",
    [
        (squares, lambda A: (tame(A) ** 2).sum()),
        pytest.param(
            cubes, lambda A: jnp.trace(tame(A) @ tame(A) @ tame(A)), marks=pytest.mark.slow
        ),
        (free_energy, plain_free_energy),
    ],
    ids=["squares", "cubes", "free_energy"],
)
def test_symmetric_functions_at_ties(f, plain):
    """Value, gradient and Hessian; stock JAX has NaN for the Hessian."""

    def orders(f):
        return jax.jit(lambda A: (f(A), jax.grad(f)(A), jax.hessian(f)(A)))

    ours, theirs = orders(f), orders(plain)
    for name, A in TIED.items():
        for got, true in zip(ours(A), theirs(A), strict=True):
            tolerance = 1e-11 if name == "1e-12" else 1e-13  # the gap counts as none
            np.testing.assert_allclose(got, true, atol=tolerance * max(1, np.abs(true).max()))


def test_hessian_of_a_symmetric_function_of_complex_matrices():
    A = unitary_phases(reflect(1.0, 1.0, 1.0, 3.0))
    E, F = (unitary_phases(tame(X)) for X in np.random.default_rng(0).normal(size=(2, 4, 4)))
    change = jax.jvp(jax.grad(cubes), (A,), (E,))[1]
    # Σ w³ = tr A³, whose second derivative along E and F is 3 tr((A E + E A) F).
    np.testing.assert_allclose(
        (change * F).sum().real, 3 * np.trace((A @ E + E @ A) @ F).real, rtol=1e-12
    )


@pytest.mark.slow
def test_hessian_vector_product_in_its_direction():
    """At a tie the branch turns with the direction: D(Hv)/Dv is H, or NaN, and nothing else."""

    def product(v):
        return jax.jvp(jax.grad(free_energy), (np.eye(4),), (v,))[1]

    v, u = np.random.default_rng(1).normal(size=(2, 4, 4))
    along = jax.jvp(product, (v,), (u,))[1]
    right = jax.jvp(jax.grad(plain_free_energy), (np.eye(4),), (u,))[1]
    assert np.isnan(along).all() or np.allclose(along, right)
    assert_nan(jax.vjp(product, v)[1](u)[0])


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_what_does_not_exist_is_nan(scale):
    """The gradient of one eigenvalue of a tie, second derivatives along tied ones."""
    weights = scale * np.array([1.0, 2.0, 3.0, 4.0])
    gradient = jax.jit(jax.vmap(jax.grad(lambda A: weights @ eigvalsh(A))))
    bad = gradient(np.stack([TIED["pair"], TIED["two pairs"], TIED["1e-12"], SYMMETRIC["spd"]]))
    assert_nan(bad[:3])
    _, V = np.linalg.eigh(SYMMETRIC["spd"])
    np.testing.assert_allclose(bad[3], (V * weights) @ V.T, atol=1e-13 * scale)
    E = np.diag([1.0, 2.0, 3.0, 5.0])

    def slopes(A):
        return jax.jvp(eigvalsh, (A,), (E,))[1]

    second = jax.jvp(slopes, (TIED["pair"],), (E,))[1]
    assert_nan(second[:2])
    assert np.isfinite(second[2:]).all()
    assert_nan(jax.jvp(jax.grad(lambda A: weights @ eigvalsh(A)), (np.eye(4),), (E,))[1])
    assert_nan(jax.vjp(jax.grad(free_energy), np.eye(4))[1](E)[0])


def test_simple_eigenvalue_beside_a_tie():
    """Its derivatives are those of the eigenvalue alone, in every mode."""
    A = TIED["pair"]
    E, F = (tame(X) for X in np.random.default_rng(2).normal(size=(2, 4, 4)))

    def top(A):
        return eigvalsh(A)[3]

    w, V = np.linalg.eigh(A)
    v = V[:, 3]
    second = 2 * sum((v @ E @ V[:, i]) * (V[:, i] @ F @ v) / (w[3] - w[i]) for i in range(3))
    np.testing.assert_allclose(jax.grad(top)(A), np.outer(v, v), atol=1e-15)
    forward = jax.jvp(jax.grad(top), (A,), (E,))[1]
    twice = jax.jvp(lambda A: jax.jvp(top, (A,), (E,))[1], (A,), (F,))[1]
    np.testing.assert_allclose((forward * F).sum(), second, rtol=1e-13)
    np.testing.assert_allclose(twice, second, rtol=1e-13)


def test_one_sided_derivatives():
    A = TIED["two pairs"]
    E = tame(np.random.default_rng(3).normal(size=(4, 4)))
    slopes, t = jax.jvp(eigvalsh, (A,), (E,))[1], 1e-6
    np.testing.assert_allclose(slopes, (eigvalsh(A + t * E) - eigvalsh(A)) / t, atol=1e-5)


def test_values():
    for A in (*SYMMETRIC.values(), *TIED.values()):
        np.testing.assert_allclose(
            eigvalsh(A), np.linalg.eigvalsh(A), atol=1e-14 + 1e-6 * (A.dtype == "f")
        )
    np.testing.assert_allclose(
        eigvalsh(np.triu(np.ones((3, 3)))),
        scipy.linalg.eigvalsh(tame(np.triu(np.ones((3, 3))))),
        atol=1e-15,
    )
    assert eigvalsh(np.zeros((2, 0, 0))).shape == (2, 0)
    assert jax.grad(squares)(np.zeros((0, 0))).shape == (0, 0)
    assert eigvalsh(np.eye(2, dtype="complex64")).dtype == "float32"
    bad = np.stack([np.eye(3), np.full((3, 3), np.inf)])
    assert_nan(jax.grad(squares)(bad)[1])
    np.testing.assert_array_equal(jax.grad(squares)(bad)[0], 2 * np.eye(3))


def test_bad_input():
    with pytest.raises(ValueError, match=r"eigvalsh: expected .*square"):
        eigvalsh(np.ones((2, 3)))


def test_lowers_for_cuda():
    assert_lowers_for_cuda(eigvalsh, SYMMETRIC["spd"])

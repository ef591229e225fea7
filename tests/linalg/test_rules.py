"""Each rule against truth of another kind: identities, block matrices by SciPy, exact integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import det, expm, funm, logdet, solve_sylvester, sqrtm

rng = np.random.default_rng(0)
A, E, F = (rng.standard_normal((5, 5)) for _ in range(3))
SPD = A @ A.T + np.eye(5)


def close(x, y, digits=1e-12):
    assert np.abs(np.asarray(x) - np.asarray(y)).max() <= digits * np.abs(np.asarray(y)).max()


def second(f, A, E, F):
    return jax.jvp(lambda A: jax.jvp(f, (A,), (E,))[1], (A,), (F,))[1]


def block_second(f, A, E, F):
    """Higham and Relton 2014: D²f(A)[E, F] is the corner of f of a 4 x 4 block matrix."""
    Z = np.zeros_like(A)
    blocks = [[A, E, F, Z], [Z, A, Z, F], [Z, Z, A, E], [Z, Z, Z, A]]
    return f(np.block(blocks))[: len(A), -len(A) :]


@pytest.mark.parametrize("f, g", [(expm, scipy.linalg.expm), (sqrtm, scipy.linalg.sqrtm)])
def test_matrix_functions_to_second_order(f, g):
    close(f(SPD), g(SPD))
    close(second(f, SPD, E, F), block_second(g, SPD, E, F))
    loss = lambda A: jnp.sum(E * f(A))  # noqa: E731
    close(jax.hessian(loss)(SPD), jax.jacrev(jax.grad(loss))(SPD))


@pytest.mark.parametrize("gap", [0, 1e-14, 1e-7, 1e-3, 1])
def test_hermitian_route_at_any_gap(gap):
    Q = np.linalg.qr(A)[0]
    S = Q @ np.diag([1, 1 + gap, 1 + gap / 3, 2, -1]) @ Q.T
    S = (S + S.T) / 2
    E_sym, F_sym = E + E.T, F + F.T
    f = lambda A: funm(A, jnp.exp)  # noqa: E731
    close(second(f, S, E_sym, F_sym), block_second(scipy.linalg.expm, S, E_sym, F_sym))


def test_parameters_of_f():
    slope = jax.grad(lambda t: jnp.sum(F * funm(SPD, lambda x: jnp.exp(t * x))))(0.3)
    close(slope, np.sum(F * (SPD @ scipy.linalg.expm(0.3 * SPD))))


def test_sylvester_gradients():
    B, Q = SPD[:3, :3], E[:, :3]
    X = scipy.linalg.solve_sylvester(SPD, B, Q)
    Y = scipy.linalg.solve_sylvester(SPD.T, B.T, F[:, :3])
    grads = jax.grad(lambda *args: jnp.sum(F[:, :3] * solve_sylvester(*args)), (0, 1, 2))(SPD, B, Q)
    for got, expected in zip(grads, (-Y @ X.T, -X.T @ Y, Y), strict=True):
        close(got, expected)


@pytest.mark.parametrize("rank", range(5))
def test_det_at_every_corank(rank):
    M = (rng.integers(-3, 4, (4, rank)) @ rng.integers(-3, 4, (rank, 4))).astype(float)

    def cofactors(M):
        if len(M) == 1:
            return M[0, 0]
        minors = (cofactors(jnp.delete(M[1:], j, axis=1)) for j in range(len(M)))
        return sum((-1) ** j * M[0, j] * minor for j, minor in enumerate(minors))

    scale = max(1.0, np.linalg.norm(M, 2)) ** 4
    for d in (jax.grad, jax.hessian, lambda f: jax.jacrev(jax.grad(f))):
        assert np.abs(d(det)(M) - d(cofactors)(M)).max() <= 100 * 2.3e-16 * scale


def test_logdet_where_it_exists_and_where_not():
    close(jax.hessian(logdet)(SPD), jax.hessian(lambda A: jnp.linalg.slogdet(A)[1])(SPD))
    close(logdet(SPD, assume_a="pos"), np.linalg.slogdet(SPD)[1])
    assert (
        np.isneginf(logdet(np.ones((2, 2)))) and np.isnan(jax.grad(logdet)(np.ones((2, 2)))).all()
    )


@pytest.mark.parametrize("f", [expm, sqrtm, det, logdet, lambda A: funm(A, jnp.sin)])
def test_bad_shapes_say_so(f):
    for bad in (np.ones((2, 3)), np.ones(3), "A", None):
        with pytest.raises((TypeError, ValueError), match=r"expected"):
            f(bad)


@pytest.mark.parametrize("f", [expm, sqrtm, det, logdet, lambda A: solve_sylvester(A, A, A)])
def test_lowers_for_cuda(f):
    loss = lambda A: jnp.sum(f(A) ** 2)  # noqa: E731
    hvp = lambda A: jax.jvp(jax.grad(loss), (A,), (A,))[1]  # noqa: E731
    for function in (f, jax.grad(loss), hvp):
        jax.jit(function).trace(SPD).lower(lowering_platforms=("cuda",))

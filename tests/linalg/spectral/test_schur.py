"""Schur forms against eigenvectors and spectral projectors in 60 digits, SciPy, and at ties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg.spectral._invariant_subspace import invariant_subspace
from mcjax.linalg.spectral._schur import schur

from ...helpers import assert_close, assert_nan, judge, mp, random_like
from ...helpers._heavy import heavy_but
from ...helpers._jets import _jet
from ...helpers._truth import identity, true_signm, true_solve
from ...helpers._truth_dense import conj, sqrt

RNG = np.random.default_rng(0)
E = RNG.normal(size=(4, 4))
S = np.eye(4) + np.diag([1.0, 2.0, -1.0], 1) + np.diag([0.0, 0.0, 1.0], -1)
S_INVERSE = np.linalg.inv(S)


def along(f, E):
    return lambda A: jax.jvp(f, (A,), (E,))[1]


def orders(f, more):
    """Value, D[E], of Σ w f the gradient and its derivative along E; if `more`, in reverse too, and D²."""

    def orders(A, E, F, w):
        gradient = lambda A: jax.vjp(f, A)[1](w)[0]  # noqa: E731
        (value, g), (first, over) = jax.jvp(lambda A: (f(A), gradient(A)), (A,), (E,))
        rest = (jax.vjp(gradient, A)[1](E)[0], along(along(f, E), F)(A)) if more else ()
        return value, first, g, over, *rest

    return jax.jit(jax.vmap(orders))


def check(f, truth, cases, more, units=8):
    """Orders of f at a stack of matrices, within the condition number that the truth has."""
    cases = np.stack(cases)
    shape = jax.eval_shape(jax.vmap(f), cases)
    inputs = (
        cases,
        *(random_like(RNG, X) for X in (cases, cases, np.zeros(shape.shape, shape.dtype))),
    )
    for A, E, F, w, *got in zip(*inputs, *orders(f, more)(*inputs), strict=True):
        value, first, gradient, over, *rest = got
        truths = [judge(truth, (A,), *ds, units=units) for ds in ((), ((E,),), ((E,), (F,)))]
        (true, limit), (true_first, limit1), (true_second, limit2) = truths
        size = np.abs(w).sum()
        assert_close(value, true, limit, "value")
        assert_close(first, true_first, limit1, "D")
        assert_close((gradient * E).sum().real, (w * true_first).sum().real, size * limit1)
        assert_close((over * F).sum().real, (w * true_second).sum().real, size * limit2)
        if more:
            assert_close(rest[0], over, size * limit2, "reverse over reverse")
            assert_close(rest[1], true_second, limit2, "D²")


MORE = [False, pytest.param(True, marks=pytest.mark.slow)]


def complex_form(A, sort=None):
    return jnp.concatenate(schur(A, "complex", sort=sort)[:2], -2)


def true_complex_form(A):
    """Eigenvectors by Newton's method, made orthogonal, with SciPy's order and our phases."""
    n, values = len(A), np.vectorize(lambda x: complex(_jet(x).value))(A)
    order = np.diagonal(scipy.linalg.schur(values, "complex")[0])
    Z = np.full((n, n), mp.zero, object)
    for j, start in enumerate(order):
        shifted = values - (start + 1e-9 * abs(start)) * np.eye(n)
        v = np.linalg.solve(shifted, np.linalg.solve(shifted, np.ones(n)))
        z = _eigenvector(A, start, v / np.linalg.norm(v))
        for _ in range(2):
            for i in range(j):
                z = z - Z[:, i] * (conj(Z[:, i]) * z).sum()
        sizes = np.array([float(abs(_jet(x).value)) for x in z])
        large = z[np.argmax(sizes >= sizes.max() / 2)]
        phase = conj(np.array([large]))[0] / sqrt(large * conj(np.array([large]))[0])
        Z[:, j] = z * phase / sqrt((conj(z) * z).sum())
    return np.concatenate([conj(Z.T) @ A @ Z, Z])


def _eigenvector(A, eigenvalue, v):
    """Newton's method for A v = λ v, cᴴ v = 1."""
    n = len(A)
    c, to_mp = v.conj(), np.vectorize(mp.mpc, otypes=[object])
    v, eigenvalue, c = to_mp(v), mp.mpc(eigenvalue), to_mp(c)
    for _ in range(7):
        K = np.full((n + 1, n + 1), mp.zero, object)
        K[:n, :n], K[:n, n], K[n, :n] = A - identity(n) * eigenvalue, -v, c
        residual = np.append(A @ v - v * eigenvalue, (c * v).sum() - mp.one)
        step = true_solve(K, residual[:, None])[:, 0]
        v, eigenvalue = v - step[:n], eigenvalue - step[n]
    return v


def onto(Z):
    """Re Z Zᴴ."""
    return (Z @ Z.mT.conj()).real


@pytest.mark.parametrize("more", MORE)
def test_complex_form(more):
    """Of complex matrices, each entry of T and Z. jax.lax.linalg.schur has no derivative."""
    B = RNG.normal(size=(2, 3, 3)) + 1j * np.array([[[1.0]], [[0.0]]])
    check(complex_form, true_complex_form, B, more)


def jordan(gap, coupling=1.0):
    """Eigenvalues -1, -1 - gap in a block of Jordan, and 2 ± i."""
    J = np.diag([-1.0, -1.0 - gap, 2.0, 2.0])
    J[0, 1], J[2, 3], J[3, 2] = coupling, 1.0, -1.0
    return S @ J @ S_INVERSE


def subspaces(A):
    """Π and Π A, of the leading subspace of the sorted real form."""
    T, Z, count = schur(A, sort="lhp")
    leading = (jnp.arange(len(A)) < count).astype(Z.dtype)[None, :] * Z
    return jnp.concatenate([leading @ leading.mT, leading @ T @ Z.mT])


def true_subspaces(A):
    P = (identity(len(A)) - true_signm(A)) * mp.mpf(0.5)
    P = true_solve(P + P.T - identity(len(A)), P.T)
    return np.concatenate([P, P @ A])


@pytest.mark.parametrize("more", MORE)
def test_sorted_real_form(more):
    """However eigenvalues of a block repeat, defective or not: only the distance of blocks counts."""
    cases = [jordan(0.0), jordan(0.0, 0.0), jordan(1e-9), RNG.normal(size=(4, 4))]
    check(subspaces, true_subspaces, cases, more, units=32)


def test_real_form():
    """Losses of blocks of two as of the complex form; a column of a block has no gradient."""
    A = np.random.default_rng(3).normal(size=(5, 5))  # both forms have its eigenvalues in one order
    T, Z = map(np.asarray, schur(A))
    assert_close(Z @ T @ Z.T, A, 1e-14)
    pair = int(np.argmax(np.diagonal(T, -1) != 0))
    assert_close(T.diagonal(), np.diagonal(schur(A, "complex")[0]).real, 1e-13)
    assert T[pair + 1, pair] != 0
    last = float(T[4, 3] == 0)  # the last column is of a real eigenvalue

    def loss(T, Z):
        P = onto(Z[:, pair : pair + 2]) + last * onto(Z[:, 4:])
        return (P * A).sum() + (jnp.diagonal(T)[pair : pair + 2].sum() ** 2).real

    @jax.jit
    def gradients(A):
        """Of the loss from both forms, and of an entry of a vector in the block."""
        form, pull = jax.vjp(schur, A)
        value, cotangents = jax.value_and_grad(lambda form: loss(*form))(form)
        entry = jnp.zeros_like(A), jnp.zeros_like(A).at[0, pair].set(1)
        truth = jax.value_and_grad(lambda A: loss(*schur(A, "complex")))(A)
        return (value, *pull(cotangents)), truth, pull(entry)

    real, truth, entry = gradients(A)
    for got, true in zip(real, truth, strict=True):
        assert_close(got, true, 1e-12)
    assert_nan(entry)


TIED = np.array([[1.0, 2, 0, 1], [0, 3, 1, 0], [0, 0, 3, 2], [0, 0, 0, 5]])
DIAGONAL = np.diag([1.0, 3.0, 3.0, 5.0])
Q = np.linalg.qr(np.arange(16.0).reshape(4, 4) ** 2 % 7)[0]
TIES = np.stack([DIAGONAL, TIED, Q @ TIED @ Q.T])  # 3 I, a Jordan block, and one hidden to rounding


def test_a_tie_and_losses():
    """Finite where the derivative exists, and NaN where it does not, or T alone does not show it."""

    def alike(T, Z):
        return (jnp.diagonal(T) ** 3).sum().real

    def each(T, Z):
        return T[1, 1].real

    def basis(T, Z):
        return (Z[1, 1] * Z[2, 1].conj()).real

    def apart(T, Z):
        """The first eigenvalue, its vector, and the complement of the space of all but the last."""
        return T[0, 0].real + ((onto(Z[:, :1]) + onto(Z[:, 3:])) * E).sum()

    def true_apart(A):
        first, leading = invariant_subspace(A, (1.0, 1.0)), invariant_subspace(A, (2.0, 2.25))
        return (first @ A).trace() + (first * E).sum() - (leading * E).sum()

    @jax.jit
    @jax.vmap
    def gradients(A):
        form, pull = jax.vjp(lambda A: schur(A, "complex"), A)
        cotangents = [
            jax.grad(lambda form, f=f: f(*form))(form) for f in (alike, each, basis, apart)
        ]
        (all_,) = jax.vmap(pull)(jax.tree.map(lambda *x: jnp.stack(x), *cotangents))
        return (*all_, jax.grad(true_apart)(A))

    like, one, turned, rest, truth = gradients(TIES)
    assert_close(like[0], 3 * (DIAGONAL @ DIAGONAL).T, 1e-13)
    assert_close(rest[:2], truth[:2], 1e-12)
    for lost in (like[1:], one, turned):
        assert_nan(lost)


def test_a_tie_and_directions():
    f = lambda A, E: jax.jvp(lambda A: schur(A, "complex"), (A,), (E,))[1]  # noqa: E731
    directions = np.stack([E, E, DIAGONAL])
    dT, dZ = jax.jit(jax.vmap(f))(np.stack([TIED, DIAGONAL, DIAGONAL]), directions)
    apart = np.ix_([0, 1], [0, 3], [0, 3])
    for k in (1, 2):
        assert_nan([dT[:2, k], dT[:2, :, k], dZ[:2, :, k]])
    assert np.isfinite(dT[apart]).all() and np.isfinite(dZ[:, :, [0, 3]]).all()
    assert_close(dT[2], DIAGONAL, 1e-14)
    assert_close(dZ[2], np.zeros((4, 4)), 1e-14)


def test_blocks_not_apart():
    """Nothing of a sorted form has a derivative where an eigenvalue is on both sides."""
    split = lambda x, y: jnp.arange(4) < 2  # noqa: E731
    loss = lambda A: jnp.trace(schur(A, sort=split)[0][:2, :2])  # noqa: E731
    assert_nan(jax.jit(jax.grad(loss))(TIED))


@pytest.mark.parametrize("sort", heavy_but(["lhp", "rhp", "iuc", "ouc", "function"], ("function",)))
@pytest.mark.parametrize("output", ["real", "complex"])
def test_scipy(sort, output):
    A = RNG.normal(size=(3, 5, 5)) / 2
    if sort == "function":
        sort = (lambda x, y: x > 0.5 * y) if output == "real" else (lambda x: x.real > x.imag)
    form = jax.jit(lambda A: schur(A, output, sort=sort))
    for got, X in zip(zip(*map(np.asarray, form(A)), strict=True), A, strict=True):
        T, Z, count = got
        T0, _, count0 = scipy.linalg.schur(X, output, sort=sort)
        assert count == count0
        assert_close(Z @ T @ Z.conj().T, X, 1e-13)
        assert_close(Z.conj().T @ Z, np.eye(5), 1e-14)
        assert (T[count:, :count] == 0).all()
        for block in (slice(0, count), slice(count, 5)):
            ours, theirs = (np.poly(np.pad(X[block, block], (0, 1))) for X in (T, T0))
            assert_close(ours, theirs, 1e-12)
        if output == "complex":
            assert (np.tril(T, -1) == 0).all()
            assert_close(np.diagonal(T), np.diagonal(T0), 1e-12)


def test_scipy_unsorted():
    for kind in ("float32", "complex128"):
        A = RNG.normal(size=(2, 1, 6, 6)).astype(kind)
        A[0, 0, 2, 3] = np.nan
        T, Z = map(np.asarray, jax.jit(schur)(A))
        assert T.dtype == Z.dtype == kind
        assert_nan([T[0], Z[0]])
        T0, Z0 = scipy.linalg.schur(A[1, 0])
        tolerance = 100 * np.finfo(kind).eps
        assert_close(np.abs(T[1, 0]), np.abs(T0), tolerance)
        assert_close(np.abs(Z[1, 0]), np.abs(Z0), tolerance)
    large = np.argmax(np.abs(Z[1, 0]) >= np.abs(Z[1, 0]).max(0) / 2, 0)
    assert (Z[1, 0, large, range(6)].real > 0).all()
    assert_close(Z[1, 0, large, range(6)].imag, np.zeros(6), 1e-15)


def test_shapes_and_bad_input():
    for n in (0, 1):
        T, Z, count = schur(np.ones((2, n, n)), sort="rhp")
        assert T.shape == Z.shape == (2, n, n)
        assert_close(count, [n, n], 0.0)
    with pytest.raises(ValueError, match="output must be"):
        schur(np.eye(2), "rhp")
    with pytest.raises(ValueError, match="sort must be one of"):
        schur(np.eye(2), sort="left")
    with pytest.raises(ValueError, match="sort must give booleans"):
        schur(np.eye(2), "complex", sort=lambda x: x.real)
    with pytest.raises(ValueError, match="square"):
        schur(np.ones((2, 3)))


def test_has_a_cpu_only():
    with pytest.raises(NotImplementedError, match="cuda"):
        jax.jit(schur).trace(np.eye(2)).lower(lowering_platforms=("cuda",))

"""Every function at n = 64, in all orders, against 120 digits (`helpers/_large`).

Eigenvalues and singular values are double, and two pairs are 1e-10 apart; a matrix that need not be
symmetric is not normal. In float32 nothing is closer than it can hold.
"""

import jax.numpy as jnp
import numpy as np
import pytest

import mcjax.linalg as la

from ..helpers._large import (
    ONE,
    Jets,
    assert_right_when_large,
    chain,
    divided,
    elimination,
    eye,
    fixed,
    inverse,
    mp,
    primary,
    solved,
    stack,
    symmetric,
    times,
    triangular,
)

pytestmark = pytest.mark.slow
N = 64
DOUBLE = 0.5 + (np.arange(N) * 13 % 32) / 16
CLOSE = DOUBLE + 2.0**-33 * np.isin(np.arange(N), [37, 50])
SINGLE = 0.5 + (np.arange(N) * 13 % N) / 32
SIGNS = np.where(np.arange(N) % 3, 1, -1)
KINDS = pytest.mark.parametrize("kind", [np.float64, np.float32])


def of_general(f, values):
    def problem(blocks):
        eigen = blocks.general(values)
        return (eigen.matrix,), lambda A: primary(f, eigen, A)

    return problem


def of_symmetric(f, values):
    def problem(blocks):
        eigen = blocks.symmetric(values)
        return (eigen.matrix,), lambda A: primary(f, eigen, symmetric(A))

    return problem


def of_gram(formula, values=CLOSE, m=2 * N):
    """formula(A, g), where g(f) is f(Aᵀ A)."""

    def problem(blocks):
        A, gram = blocks.rectangular(m, values)
        return (A,), lambda A: formula(A, lambda f: primary(f, gram, A.T @ A))

    return problem


FUNCTIONS = {
    "expm": (mp.exp, 0),
    "expm1m": (mp.expm1, -1),
    "logm": (mp.log, 0),
    "log1pm": (mp.log1p, -1.25),
    "sqrtm": (mp.sqrt, 0),
    "cosm": (mp.cos, 0),
    "sinm": (mp.sin, 0),
    "tanm": (mp.tan, -1.25),
    "coshm": (mp.cosh, 0),
    "sinhm": (mp.sinh, -1.25),
    "tanhm": (mp.tanh, -1.25),
}


@KINDS
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, kind):
    f, shift = FUNCTIONS[name]
    values = (CLOSE if kind is np.float64 else DOUBLE) + shift
    assert_right_when_large(getattr(la, name), of_general(f, values), kind)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_symmetric(name):
    f, shift = FUNCTIONS[name]
    function = getattr(la, name)
    assert_right_when_large(lambda A: function(A, hermitian=True), of_symmetric(f, CLOSE + shift))


def test_signm():
    values = CLOSE * SIGNS
    assert_right_when_large(la.signm, of_general(mp.sign, values))
    assert_right_when_large(lambda A: la.signm(A, hermitian=True), of_symmetric(mp.sign, values))


def test_phim():
    phi = of_general(lambda x: (mp.expm1(x) - x) / x**2, CLOSE)
    assert_right_when_large(lambda A: la.phim(2, A), phi)


@pytest.mark.parametrize("t", [-0.25, 1.375])
@pytest.mark.parametrize("hermitian", [False, True])
def test_power(t, hermitian):
    """In t too: x^{t + τ} = x^t (1 + τ log x + τ²/2 log² x) for τ³ = 0."""

    def problem(blocks):
        eigen = (blocks.symmetric if hermitian else blocks.general)(CLOSE)
        base = fixed(t)

        def truth(A, s):
            A = symmetric(A) if hermitian else A
            terms = [primary(lambda x, k=k: x**t * mp.log(x) ** k, eigen, A) for k in range(3)]
            small = Jets({i: x for i, x in s.c.items() if i})
            return terms[0] + terms[1] * small + (terms[2] * small * small).half

        return (eigen.matrix, base), truth

    power = la.fractional_matrix_power
    assert_right_when_large(lambda A, s: power(A, s, hermitian=hermitian), problem)


def test_funm():
    f = of_symmetric(lambda x: x / (1 + x * x), CLOSE)
    assert_right_when_large(lambda A: la.funm(A, lambda x: x / (1 + x * x)), f)


def thin(blocks, *shape):
    """Eighths, so that its products are exact too."""
    return blocks.matrix(np.random.default_rng(2).integers(-8, 9, shape) / 8)


@pytest.mark.parametrize("name", ["expm_multiply", "solve"])
def test_action(name):
    f = {"expm_multiply": mp.exp, "solve": lambda x: 1 / x}[name]

    def problem(blocks):
        eigen = blocks.general(CLOSE)
        return (eigen.matrix, thin(blocks, N, 3)), lambda A, B: primary(f, eigen, A) @ B

    assert_right_when_large(getattr(la, name), problem)


RECTANGULAR = {
    "polar U": (lambda A: la.polar(A)[0], lambda A, g: A @ g(lambda x: x**-0.5)),
    "polar P": (lambda A: la.polar(A)[1], lambda A, g: g(mp.sqrt)),
    "polar of wide": (lambda A: la.polar(A.mT)[0].mT, lambda A, g: A @ g(lambda x: x**-0.5)),
    "svd_function": (
        lambda A: la.svd_function(A, jnp.arctan),
        lambda A, g: A @ g(lambda x: mp.atan(mp.sqrt(x)) / mp.sqrt(x)),
    ),
    "orth_projector": (la.orth_projector, lambda A, g: A @ g(lambda x: 1 / x) @ A.T),
    "null_projector": (
        lambda A: la.null_projector(A.mT),
        lambda A, g: Jets({0: eye(2 * N)}) - A @ g(lambda x: 1 / x) @ A.T,
    ),
    "pinv": (
        lambda A: la.lstsq(A, jnp.eye(2 * N, dtype=A.dtype))[0],
        lambda A, g: g(lambda x: 1 / x) @ A.T,
    ),
    "nuclear_norm": (la.nuclear_norm, lambda A, g: g(mp.sqrt).trace),
    "schatten_norm": (
        lambda A: la.schatten_norm(A, 3),
        lambda A, g: chain(mp.cbrt, g(lambda x: mp.sqrt(x) ** 3).trace),
    ),
    "ky_fan_norm": (  # of the two largest, which agree
        lambda A: la.ky_fan_norm(A, 2),
        lambda A, g: g(lambda x: mp.sqrt(x) * (x > 2.42**2)).trace,
    ),
}


@pytest.mark.parametrize("name", RECTANGULAR)
def test_rectangular(name):
    f, formula = RECTANGULAR[name]
    assert_right_when_large(f, of_gram(formula))


def test_spectral_norm():
    top = lambda A, g: g(lambda x: mp.sqrt(x) * (x > 2.46**2)).trace  # noqa: E731
    assert_right_when_large(la.spectral_norm, of_gram(top, SINGLE))


def test_lstsq():
    def problem(blocks):
        A, gram = blocks.rectangular(2 * N, CLOSE)
        b = thin(blocks, 2 * N, 2)
        return (A, b), lambda A, b: primary(lambda x: 1 / x, gram, A.T @ A) @ A.T @ b

    assert_right_when_large(lambda A, b: la.lstsq(A, b)[0], problem)


def test_procrustes():
    def problem(blocks):
        A, (M, gram) = blocks.orthogonal(N, seed=3), blocks.rectangular(N, DOUBLE)

        def truth(A, B):
            M = A.T @ B
            return M @ primary(lambda x: x**-0.5, gram, M.T @ M)

        return (A, times(A, M)), truth

    assert_right_when_large(lambda A, B: la.orthogonal_procrustes(A, B)[0], problem)


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


def joined(*xs):
    zero = [x.c[0] * 0 for x in xs]
    return Jets(
        {
            s: np.concatenate([x.c.get(s, z) for x, z in zip(xs, zero, strict=True)])
            for s in (0, 1, 2, 3)
        }
    )


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


def test_sylvester():
    def problem(blocks):
        A, B = blocks.general(CLOSE), blocks.general(DOUBLE[::-1] + 0.125, seed=1)
        invert = divided(A, B, lambda x, y: x + y)

        def truth(A, B, Q):
            return solved(lambda X: A @ X + X @ B - Q, eye(N) * 0, invert)

        return (A.matrix, B.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_sylvester, problem)


def test_continuous_lyapunov():
    def problem(blocks):
        A = blocks.general(CLOSE)
        invert = divided(A, A.T, lambda x, y: x + y)

        def truth(A, Q):
            return solved(lambda X: A @ X + X @ A.T - Q, eye(N) * 0, invert)

        return (A.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_continuous_lyapunov, problem)


def test_discrete_lyapunov():
    def problem(blocks):
        A = blocks.general(CLOSE / 4)
        invert = divided(A, A.T, lambda x, y: ((x * y) // ONE) - ONE)

        def truth(A, Q):
            return solved(lambda X: A @ X @ A.T - X + Q, eye(N) * 0, invert)

        return (A.matrix, thin(blocks, N, N)), truth

    assert_right_when_large(la.solve_discrete_lyapunov, problem)


def test_quadratic():
    """A = I: X² + B X + C = (X + Y)(X - S) + .. with the solvent S and Y = S + B of larger eigenvalues."""

    def problem(blocks):
        S, Y = blocks.general(DOUBLE / 4), blocks.general(DOUBLE + 1, seed=1)
        invert = divided(Y, S, lambda x, y: x + y)

        def truth(A, B, C):
            return solved(lambda X: (A @ X + B) @ X + C, S.matrix, invert)

        A = eye(N)
        return (A, Y.matrix - S.matrix, -times(Y.matrix, S.matrix)), truth

    assert_right_when_large(la.solve_quadratic, problem)


def closed_loop(blocks, values):
    """The closed loop, X, B and R = I; what the first two have in common keeps products exact."""
    X = blocks.symmetric(0.5 + DOUBLE / 4).matrix
    return blocks.symmetric(values), X, thin(blocks, N, 8) >> 2, blocks.matrix(np.eye(8))


def test_continuous_are():
    """C = A - B Bᵀ X gives A, and the equation Q."""

    def problem(blocks):
        closed, X, B, R = closed_loop(blocks, -DOUBLE - 1)
        C, G = closed.matrix, times(B, B.T)
        Q = -(times(C.T, X) + times(X, C) + times(X, times(G, X)))
        invert = divided(closed.T, closed, lambda x, y: x + y)

        def truth(A, B, Q, R):
            G = B @ inverse(symmetric(R)) @ B.T
            return solved(lambda X: A.T @ X + X @ A - X @ G @ X + symmetric(Q), X, invert)

        return (C + times(G, X), B, Q, R), truth

    assert_right_when_large(la.solve_continuous_are, problem)


def test_discrete_are():
    """C = W⁻¹ A with W = I + B Bᵀ X gives A, and the equation Q = X - Aᵀ X C."""

    def problem(blocks):
        closed, X, B, R = closed_loop(blocks, DOUBLE / 4)
        C = closed.matrix
        A = C + times(B, times(B.T, times(X, C)))
        invert = divided(closed.T, closed, lambda x, y: ((x * y) // ONE) - ONE)

        def truth(A, B, Q, R):
            def residual(X):
                XA, XB = X @ A, X @ B
                K = inverse(symmetric(R) + B.T @ XB) @ B.T @ XA
                return A.T @ XA - A.T @ XB @ K + symmetric(Q) - X

            return solved(residual, X, invert)

        return (A, B, X - times(A.T, times(X, C)), R), truth

    assert_right_when_large(la.solve_discrete_are, problem)

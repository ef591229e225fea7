"""f(A) of Hermitian A: any f, any gap, and parameters that f closes over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import funm

from ...helpers import (
    GAPS,
    SINGULAR,
    SYMMETRIC,
    assert_close,
    assert_nan,
    assert_promise,
    assert_relative,
    assert_right_at_gaps,
    derivative,
    gap_matrix,
    hermitian,
    judge,
    mp,
    reflect,
    true_expm,
    true_funm,
    unitary_phases,
)
from ...helpers._heavy import heavy_but

SPD = SYMMETRIC["spd"]
W = np.random.default_rng(1).normal(size=(4, 4))


def exp(A):
    return funm(A, jnp.exp)


def sin(A):
    return funm(A, jnp.sin)


def log(A):
    return funm(A, jnp.log)


def tanh(A):
    return funm(A, jnp.tanh)


def phase(A):
    return funm(A, lambda x: jnp.exp(jax.lax.complex(jnp.zeros_like(x), x)))


@pytest.mark.parametrize("name", heavy_but(SYMMETRIC, ["repeated", "hermitian"]))
def test_promise(name):
    assert_promise(exp, SYMMETRIC[name], truth=hermitian(true_expm), reference=scipy.linalg.expm)


def test_promise_at_a_singular_matrix():
    assert_promise(exp, SINGULAR, truth=hermitian(true_expm))


@pytest.mark.parametrize(
    "kind",
    [np.asarray, pytest.param(unitary_phases, marks=pytest.mark.slow)],
    ids=["real", "complex"],
)
@pytest.mark.parametrize(
    "f, true_f",
    [
        (log, mp.log),
        *(pytest.param(*f, marks=pytest.mark.slow) for f in [(sin, mp.sin), (tanh, mp.tanh)]),
    ],
)
def test_gaps(f, true_f, kind):
    if kind is unitary_phases and f is not log:
        pytest.skip("one function is enough for the complex route")
    matrices = [kind(gap_matrix(gap)) for gap in GAPS]
    assert_right_at_gaps(f, true_funm(true_f), matrices, symmetric=True)


@pytest.mark.parametrize("gap", GAPS)
def test_complex_values(gap):
    """f may be complex of a real matrix; D exp(iA)[E] = ∫ is that of expm at iA along iE."""
    A, E = gap_matrix(gap), W + W.T
    value, tangent = jax.jvp(phase, (A,), (E,))
    assert_relative(value, derivative(true_expm, (1j * A,)), 1e-13)
    assert_relative(tangent, derivative(true_expm, (1j * A,), (1j * E,)), 1e-12)


def test_f_needs_no_derivative_between_eigenvalues():
    """|x| across its kink, and √x close to its singularity, by their first divided differences."""
    E = np.zeros((4, 4))
    E[0, 1] = E[1, 0] = 1.0
    for f, x, truth in (
        (jnp.abs, [-1e-3, 2e-3, 1.0, 2.0], 1 / 3),
        (jnp.sqrt, [1e-12, 4.0, 5.0, 6.0], 1 / (2 + 1e-6)),
    ):
        tangent = jax.jvp(lambda A, f=f: funm(A, f), (np.diag(x),), (E,))[1]
        np.testing.assert_allclose(tangent, truth * E, rtol=1e-13)


def test_no_derivative_where_f_has_none():
    """√ at 0 twice: infinite or NaN along a direction that splits them, never a number."""
    E = np.ones((4, 4))
    tangent = jax.jvp(lambda A: funm(A, jnp.sqrt), (SINGULAR,), (E,))[1]
    assert not np.isfinite(tangent).any()
    assert_nan(log(reflect(-1.0, 1.0, 2.0, 3.0)))


# Parameters: f(x) = exp(s x) + Σ_j c_j x^j ---------------------------------------------------------


def model(parameters, A):
    """Σ W * f(A), f closing over traced numbers and a traced array."""
    s, c = parameters

    def f(x):
        return jnp.exp(s * x) + jnp.polyval(c, x)

    return (W * funm(A, f)).sum()


def plain(parameters, A):
    """The same without a spectral decomposition."""
    s, c = parameters
    powers = [jnp.linalg.matrix_power(A, 2 - j) for j in range(3)]
    polynomial = sum(c[j] * powers[j] for j in range(3))
    return (W * (jax.scipy.linalg.expm(s * A) + polynomial)).sum()


PARAMETERS = (0.3, np.array([0.5, -1.0, 2.0]))


def _flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def _at(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


@pytest.mark.parametrize("gap", heavy_but([0.0, 1e-7, 1.0], [0.0]))
def test_parameters_to_second_order(gap):
    """Gradients and all Hessian-vector products of (parameters, A), forwards and in reverse."""
    A = gap_matrix(gap)
    directions = ((0.7, np.array([1.0, -2.0, 0.5])), W + W.T)

    def second(f):
        gradient = jax.grad(f, (0, 1))
        value = gradient(PARAMETERS, A)
        forward = jax.jvp(gradient, (PARAMETERS, A), directions)[1]

        def slope(p, A):
            terms = jax.tree.map(lambda x, y: (x * y).sum(), gradient(p, A), directions)
            return sum(jax.tree.leaves(terms))

        return value, forward, jax.grad(slope, (0, 1))(PARAMETERS, A)

    def symmetric(f):
        return lambda p, A: f(p, (A + A.T) / 2)

    got, truth = jax.jit(lambda: second(model))(), jax.jit(lambda: second(symmetric(plain)))()
    for x, y in zip(got, truth, strict=True):
        assert_relative(_flat(x), _flat(y), 1e-12)


def test_parameters_under_vmap():
    """Mapped over parameters, over matrices, over both, and neither: one at a time is the truth."""
    A = np.stack([gap_matrix(g) for g in (0.0, 1e-3, 1.0)])
    p = (np.array([0.1, 0.2, 0.3]), np.arange(9.0).reshape(3, 3) / 9)
    gradient = jax.grad(model, (0, 1))
    one = [[gradient((p[0][i], p[1][i]), A[j]) for j in range(3)] for i in range(3)]
    both = jax.vmap(gradient)(p, A)
    parameters = jax.vmap(gradient, (0, None))(p, A[0])
    matrices = jax.vmap(gradient, (None, 0))((p[0][0], p[1][0]), A)
    grid = jax.vmap(jax.vmap(gradient, (None, 0)), (0, None))(p, A)
    for i, j in np.ndindex(3, 3):
        assert_relative(_flat(_at(grid, (i, j))), _flat(one[i][j]), 1e-13)
    for i in range(3):
        assert_relative(_flat(_at(both, i)), _flat(one[i][i]), 1e-13)
        assert_relative(_flat(_at(parameters, i)), _flat(one[i][0]), 1e-13)
        assert_relative(_flat(_at(matrices, i)), _flat(one[0][i]), 1e-13)


def test_parameters_are_shared_by_a_batch():
    A = np.stack([gap_matrix(g) for g in (0.0, 1e-3, 1.0)])
    got = jax.grad(lambda s: funm(A, lambda x: jnp.sin(s * x)).sum())(1.3)
    alone = [jax.grad(lambda s, a=a: funm(a, lambda x: jnp.sin(s * x)).sum())(1.3) for a in A]
    np.testing.assert_allclose(got, sum(alone), rtol=1e-13)


def test_third_order_in_a_parameter():
    """d³/ds³ exp(sA) = A³ exp(sA)."""

    def total(s):
        return (W * funm(SPD, lambda x: jnp.exp(s * x))).sum()

    truth = (W * (np.linalg.matrix_power(SPD, 3) @ scipy.linalg.expm(0.3 * SPD))).sum()
    third = jax.grad(jax.grad(jax.grad(total)))(0.3)
    np.testing.assert_allclose(third, truth, rtol=1e-12)


def test_a_fresh_function_at_every_call():
    """A new f is a new function, though it looks the same."""
    for power in (1, 2, 3):
        got = funm(SPD, lambda x, power=power: x**power)
        assert_relative(got, np.linalg.matrix_power(SPD, power), 1e-14)


def test_only_the_hermitian_part_is_read():
    A = SPD + np.triu(W, 1) - np.triu(W, 1).T
    assert_close(exp(A), *judge(hermitian(true_expm), (SPD,)))


def test_float32_stays_float32():
    A = SPD.astype(np.float32)
    truth, tolerance = judge(hermitian(true_expm), (A,))
    assert exp(A).dtype == np.float32
    assert_close(np.asarray(exp(A)), truth, tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    batch = np.stack([SPD, gap_matrix(0.0)])
    batch[0, 1, 2] = bad
    values, gradients = exp(batch), jax.grad(lambda A: exp(A).sum())(batch)
    assert_nan(values[0])
    assert_nan(gradients[0])
    assert np.isfinite(values[1]).all()
    assert np.isfinite(gradients[1]).all()

"""Equations of integers that look regular and are not, or look worse than they are."""

from functools import partial

import jax
import numpy as np
import pytest
import scipy.linalg

from mcjax.linalg import (
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_sylvester,
)
from mcjax.linalg.equations import _triangular_form

from ...helpers._similarity import hidden

SEEDS = range(12)


def _with_info(f):
    return jax.jit(partial(f, with_info=True))


def _refuses(f, problems):
    f = _with_info(f)
    for problem in problems:
        X, info = f(*problem)
        assert np.isnan(X).all() and not info.solved


@pytest.mark.parametrize("care", [True, False])
def test_an_unstable_mode_out_of_reach(care):
    stable = (-1, -2, -3) if care else (0, 0, 0)
    modes = [(1 if care else 2, 1), *((mode, 1) for mode in stable)]

    def problem(seed):
        A, Z = hidden(seed, *modes)
        return A, Z @ np.array([[0.0], [1], [1], [1]]), np.eye(4), np.eye(1)

    _refuses(solve_continuous_are if care else solve_discrete_are, map(problem, SEEDS))


def test_a_shared_defective_eigenvalue():
    """The matrix of the equation has rank 23 of 25, but computed eigenvalues are √eps apart."""

    def problem(seed):
        A, _ = hidden(seed, (1, 2), (2, 1), (3, 1), (4, 1))
        B, _ = hidden(seed + 100, (-1, 2), (2, 1), (3, 1), (4, 1))
        return A, B, np.ones((5, 5))

    _refuses(solve_sylvester, map(problem, SEEDS))


@pytest.mark.parametrize("n", [5, 12])
def test_a_defective_eigenvalue_on_the_circle(n):
    blocks = (1, 2), *((k, 1) for k in range(2, n))
    problems = ((hidden(seed, *blocks)[0], np.ones((n, n))) for seed in SEEDS)
    _refuses(solve_discrete_lyapunov, problems)


@pytest.mark.parametrize("seed, n", [(0, 14), (3, 14), (2, 12)])
def test_long_jordan_chains(seed, n):
    A, _ = hidden(seed, (1, n // 2), (-2, n - n // 2))
    B, _ = hidden(seed + 50, (3, n // 2), (-4, n - n // 2))
    assert _with_info(solve_sylvester)(A, B, np.ones((n, n)))[1].residual < 1e-13


@pytest.mark.parametrize("digits", [4, 8])
@pytest.mark.parametrize("shift", [0, -4])  # unstable, and stable: both ways of solving
def test_units_that_differ(shift, digits):
    """Unknowns in units 10^±digits: SciPy leaves residuals of 1e5 and 1e17 here."""
    G = np.random.default_rng(0).standard_normal((8, 8)) + shift * np.eye(8)
    d = 10.0 ** np.linspace(-digits, digits, 8)
    A = d[:, None] * G / d[None, :]
    X, info = _with_info(solve_continuous_lyapunov)(A, np.eye(8))
    assert info.solved and info.residual < 1e-13
    if digits == 4:  # in the units of G
        truth = scipy.linalg.solve_continuous_lyapunov(G, np.diag(d**-2))
        np.testing.assert_allclose(
            np.asarray(X) / d / d[:, None], truth, atol=1e-12 * np.abs(truth).max()
        )


def test_names_of_scipy():
    A = np.array([[1.0, 2], [0, -3]])
    B, one = np.array([[1.0], [1]]), np.eye(2)
    for ours in (solve_continuous_are, solve_discrete_are):
        arguments = dict(a=A, b=B, q=one, r=np.eye(1), e=2 * one, s=0.1 * B)
        truth = getattr(scipy.linalg, ours.__name__)(**arguments)
        np.testing.assert_allclose(ours(**arguments), truth, rtol=1e-12)
    truth = scipy.linalg.solve_sylvester(a=A, b=one, q=one)
    np.testing.assert_allclose(solve_sylvester(a=A, b=one, q=one), truth, rtol=1e-12)


@pytest.mark.parametrize("imaginary", [0, 1j])
def test_without_a_schur_form(monkeypatch, imaginary):
    """As on GPUs, of a size that no other test has compiled, and of more columns than one block has."""
    monkeypatch.setattr(_triangular_form, "_schur", _triangular_form._by_eigenvectors)
    rng = np.random.default_rng(0)
    A, B, Q = (rng.standard_normal(shape) for shape in [(11, 11), (21, 21), (11, 21)])
    A, B = A + imaginary * rng.standard_normal(A.shape), B + 0 * imaginary  # SciPy: not one complex
    truth = scipy.linalg.solve_sylvester(A, B, Q)
    np.testing.assert_allclose(solve_sylvester(A, B, Q), truth, atol=1e-12 * np.abs(truth).max())

"""`with_info` of the matrix equations: what is solved leaves eps of its terms, what is not says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import (
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_quadratic,
    solve_sylvester,
)

ONE = np.ones((1, 1))
# Functions, arguments with a solution, and arguments without: λ and -λ, an unstable mode out of reach,
# one on the boundary, a double eigenvalue that has to be divided.
EQUATIONS = {
    "sylvester": (solve_sylvester, (2 * ONE, ONE, 6 * ONE), (ONE, -ONE, ONE)),
    "continuous lyapunov": (solve_continuous_lyapunov, (-ONE, -4 * ONE), (0 * ONE, ONE)),
    "discrete lyapunov": (solve_discrete_lyapunov, (ONE / 2, 3 * ONE), (ONE, ONE)),
    "continuous are": (solve_continuous_are, (ONE, ONE, 3 * ONE, ONE), (ONE, 0 * ONE, ONE, ONE)),
    "discrete are": (solve_discrete_are, (ONE, ONE, 2 * ONE, ONE), (2 * ONE, 0 * ONE, ONE, ONE)),
    "quadratic": (solve_quadratic, (ONE, -5 * ONE, 6 * ONE), (ONE, -2 * ONE, ONE)),
}
SOLUTIONS = {
    "sylvester": 2,
    "continuous lyapunov": 2,
    "discrete lyapunov": 4,
    "continuous are": 3,
    "discrete are": 1 + 3**0.5,
    "quadratic": 2,
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_solved_and_not(name):
    function, solvable, unsolvable = EQUATIONS[name]
    both = [np.stack(pair) for pair in zip(solvable, unsolvable, strict=True)]
    X, info = jax.jit(lambda *args: function(*args, with_info=True))(*both)
    np.testing.assert_allclose(X[0], [[SOLUTIONS[name]]], rtol=4e-15)
    np.testing.assert_array_equal(info.solved, [True, False])
    assert 0 <= info.residual[0] <= 4 * np.finfo(float).eps and np.isnan(info.residual[1])


@pytest.mark.parametrize("name", EQUATIONS)
def test_gradient_and_empty(name):
    """It changes no gradient, and says of n = 0 that there is nothing to solve."""
    function, args, _ = EQUATIONS[name]

    def loss(*args):
        X, info = function(*args, with_info=True)
        return X.sum() + info.residual

    np.testing.assert_array_equal(
        jax.grad(loss)(*args), jax.grad(lambda *args: function(*args).sum())(*args)
    )
    _, info = function(*(jnp.zeros((2, 0, 0)) for _ in args), with_info=True)
    np.testing.assert_array_equal(info.solved, [True, True])
    np.testing.assert_array_equal(info.residual, [0, 0])

"""Success is what it says: Moré, Garbow and Hillstrom's problems from the paper's starts, without a setting.

A success is checked by means of its own: the gradient of Σ r² in float64 of NumPy's arithmetic on each
residual's scale, and no descent along Newton's direction.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.solve import least_squares, minimise, root

from .problems import ROOTS, SUMS


def starts(problem):
    """x0, 10 x0, 100 x0; where x0 = 0 the paper adds."""
    x0 = problem.x0
    return [x0 * s for s in (1, 10, 100)] if x0.any() else [x0, x0 + 1, x0 + 10]


def runs(problem, solve):
    run = jax.jit(solve)
    for x0 in starts(problem):
        found = run(jnp.asarray(x0))
        yield np.asarray(found.value), bool(found.result == optx.RESULTS.successful)


def roots_of(problem):
    return runs(problem, lambda x0: root(lambda x, _: problem.residuals(x), None, x0, throw=False))


def fits_of(problem):
    def residuals(x, _):
        return problem.residuals(x)

    return runs(problem, lambda x0: least_squares(residuals, None, x0, throw=False))


def minima_of(problem):
    def total(x, _):
        return (problem.residuals(x) ** 2).sum()

    return runs(problem, lambda x0: minimise(total, None, x0, throw=False))


def is_stationary(problem, x):
    """‖rᵀ J‖ small against ‖r‖ ‖J‖ column by column, as MINPACK's gtol has it, or r small itself."""
    r, J = problem.residuals(x), jax.jacfwd(problem.residuals)(x)
    norm, columns = np.linalg.norm(r), np.linalg.norm(J, axis=0)
    scale = columns * norm
    cosine = np.abs(r @ J) / np.where(scale > 0, scale, 1)
    tiny = norm <= 1e-7 * (1 + np.abs(J * x[None, :]).sum(1).max())
    return np.isfinite(x).all() and (tiny or cosine.max() < 1e-5)


def is_root(problem, x):
    r, J = problem.residuals(x), jax.jacfwd(problem.residuals)(x)
    return (
        np.isfinite(x).all()
        and (np.abs(r) <= 1e-6 * (np.abs(J) * (1 + np.abs(x))[None, :]).sum(1)).all()
    )


def sweep(problems, solve, holds):
    solved = [(p.name, holds(p, x)) for p in problems for x, success in solve(p) if success]
    assert not [name for name, right in solved if not right]
    return len(solved)


def test_a_handful():
    named = {p.name: p for p in SUMS}
    assert sweep([named["freudenstein_roth"]], fits_of, is_stationary) == 3
    assert sweep([named["rosenbrock"]], minima_of, is_stationary) == 3
    # A singular Hessian at the minimum: Levenberg-Marquardt alone stops short.
    assert sweep([named["powell_singular"]], fits_of, is_stationary) == 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "problems, solve, holds, least",
    [
        pytest.param(ROOTS, roots_of, is_root, 41, id="roots"),
        pytest.param(SUMS, fits_of, is_stationary, 105, id="least_squares"),
        pytest.param(SUMS, minima_of, is_stationary, 109, id="minimise"),
    ],
)
def test_more_garbow_hillstrom(problems, solve, holds, least):
    assert sweep(problems, solve, holds) >= least

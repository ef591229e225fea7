"""y' = -a y(t - τ) in closed form, with derivatives in the delay; a nonlinear one against differences."""

import math

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode import GaussAdjoint, ReplayAdjoint
from mcjax.ode._delay import delay_solve

TIGHT = diffrax.PIDController(rtol=1e-10, atol=1e-10)


def exact(a, tau, t1, count=None):
    """y = 1 before 0: y(t) = Σ_k (-a)^k (t - (k-1) τ)^k / k!, over the k (`count`) with t > (k-1) τ."""
    terms = [(-a) ** k * (t1 - (k - 1) * tau) ** k / math.factorial(k) for k in range(5)]
    if count is not None:
        return sum(terms[:count])
    return sum(term for k, term in enumerate(terms) if t1 > (k - 1) * tau)


def test_linear():
    def solve(a, tau, t1):
        return delay_solve(
            lambda t, y, delayed, a: -a * delayed,
            lambda t, a: jnp.ones_like(t),
            tau,
            0.0,
            t1,
            a,
            max_delays=4,
            stepsize_controller=TIGHT,
        )

    @jax.jit
    def run(*point):
        value, pull, solution = jax.vjp(lambda *p: (solve(*p).y1, solve(*p)), *point, has_aux=True)
        return solution, pull(jnp.ones_like(value))

    point = (1.3, 0.8, 2.7)
    solution, slopes = run(*point)
    assert solution.successful
    np.testing.assert_allclose(solution.y1, exact(*point), rtol=1e-9)
    np.testing.assert_allclose(slopes, jax.grad(exact, (0, 1, 2))(*point), rtol=1e-8)
    np.testing.assert_allclose(solution.ys[:3], [exact(1.3, 0.8, k * 0.8) for k in (1, 2, 3)])
    # More than four delays, a delay into the future, an end before the start.
    for bad in ((1.3, 0.8, 3.3), (1.3, -0.8, 2.7), (1.3, 0.8, -0.1)):
        solution, slopes = run(*bad)
        assert not solution.successful and np.isnan([solution.y1, *slopes]).all()


@pytest.mark.parametrize(
    ("delays", "pieces", "derivative"),
    [
        (1, 1, jax.grad),
        (3, 3, jax.grad),
        pytest.param(2, 4, lambda f: jax.jacfwd(jax.jacfwd(f)), marks=pytest.mark.slow),
        pytest.param(2, 4, jax.hessian, marks=pytest.mark.slow),
    ],
    ids=["one", "all", "second order", "hessian"],
)
def test_a_time_of_whole_delays(delays, pieces, derivative):
    """Derivatives are those of the polynomial that y is before. 3 * 0.1 ends a piece up to a rounding."""

    def solve(p):
        a, tau, t0, t1 = p
        return delay_solve(
            lambda t, y, delayed, a: -a * delayed, lambda t, a: jnp.ones_like(t),
            tau, t0, t1, a, max_delays=pieces, stepsize_controller=TIGHT,
        ).y1  # fmt: skip

    def side(p):
        return exact(p[0], p[1], p[3] - p[2], delays + 1)

    got = jax.jit(derivative(solve))
    for tau in (1.0, 0.1):
        p = jnp.array([0.8, tau, 0.0, delays * tau])
        # The solver is exact on polynomials of degree up to 5.
        np.testing.assert_allclose(got(p), derivative(side)(p), atol=1e-9)


@pytest.mark.parametrize("adjoint", [ReplayAdjoint(), GaussAdjoint()])
def test_a_field_that_is_singular_at_zero(adjoint):
    """The logarithm of y' = -a y log y(t - τ) is a solution of the linear equation."""

    def solve(p):
        a, tau, t1 = p
        return delay_solve(
            lambda t, y, delayed, a: -a * y * jnp.log(delayed),
            lambda t, a: jnp.full_like(t, 1.5),
            tau, 0.0, t1, a,
            max_delays=3, stepsize_controller=TIGHT, max_steps=256, adjoint=adjoint,
        ).y1  # fmt: skip

    p = jnp.array([1.1, 0.5, 1.4])
    got, slopes = jax.jit(jax.value_and_grad(solve))(p)
    want = jax.value_and_grad(lambda p: 1.5 ** exact(*p))(p)
    np.testing.assert_allclose(got, want[0], rtol=1e-8)
    np.testing.assert_allclose(slopes, want[1], rtol=1e-7)


def test_integers():
    """A history of integers is one of floats, of 64 bits here."""
    solve = lambda: delay_solve(  # noqa: E731
        lambda t, y, delayed, a: -delayed, lambda t, a: 1, 0.5, 0.0, 0.9, max_delays=2
    )
    assert jax.eval_shape(solve).y1.dtype == jnp.float64


@pytest.mark.slow
def test_nonlinear():
    """A predator that reacts late: against differences, of step h: h² and rtol/h."""

    def f(t, y, delayed, a):
        prey, predator = y["prey"], y["predator"]
        eaten = a * prey * predator
        return {"prey": prey - eaten, "predator": a * delayed["prey"] * predator - predator}

    def solve(p):
        history = lambda t, a: {"prey": 1 + 0.1 * jnp.sin(t), "predator": jnp.exp(0.1 * t)}  # noqa: E731
        solution = delay_solve(
            f, history, p[1], 0.5, 2.5, p[0], max_delays=3, stepsize_controller=TIGHT
        )
        return solution.y1["prey"] * solution.y1["predator"]

    point, h = jnp.array([1.2, 0.9]), 1e-4
    got = jax.jit(jax.jacfwd(solve))(point)
    values = jax.jit(jax.vmap(solve))(
        point[None] + h * jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    )
    want = [(values[0] - values[1]) / (2 * h), (values[2] - values[3]) / (2 * h)]
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_bad_input():
    history = lambda t, args: jnp.ones(2)  # noqa: E731
    with pytest.raises(ValueError, match="one number"):
        delay_solve(lambda t, y, d, a: d, history, jnp.ones(2), 0.0, 1.0, max_delays=2)
    with pytest.raises(ValueError, match="at least 1"):
        delay_solve(lambda t, y, d, a: d, history, 1.0, 0.0, 1.0, max_delays=0)
    with pytest.raises(ValueError, match="shape of y"):
        delay_solve(lambda t, y, d, a: d[:1], history, 1.0, 0.0, 1.0, max_delays=2)

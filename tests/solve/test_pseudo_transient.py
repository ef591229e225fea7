"""Pseudo-transient continuation, where Newton's method fails, and where there is nothing to find."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.solve import OUTCOME, STATUS, PseudoTransient, newton_history, root

from .problems import brown_almost_linear

EPS = float(jnp.finfo(float).eps)
SUCCESS = optx.RESULTS.successful
SOLVER = PseudoTransient(1e-8, 1e-8)


def test_roots_that_newton_misses_and_the_flow_meets():
    def arctan(y, a):
        return jnp.arctan(y - a)

    @jax.jit
    def run(starts):
        def solve(a, y0):
            found = root(arctan, SOLVER, y0, a, throw=False)
            return found.value, found.result == SUCCESS

        flow = jax.vmap(jax.value_and_grad(solve, has_aux=True), (None, 0))(jnp.array(0.5), starts)
        newton = jax.vmap(lambda y0: newton_history(arctan, y0, 0.5))(starts)
        half = 0.5 * jnp.ones(10)
        brown = root(lambda x, _: brown_almost_linear(x), SOLVER, half, throw=False)
        history = newton_history(lambda x, _: brown_almost_linear(x), half)
        return flow, newton.outcome == OUTCOME.converged, brown, history.outcome

    ((y, ok), slope), newton, brown, outcome = run(jnp.array([3.0, -10.0, 1e6]))
    assert ok.all() and not newton.any()
    np.testing.assert_allclose(y, 0.5, rtol=10 * EPS)
    np.testing.assert_allclose(slope, 1, rtol=10 * EPS)
    assert brown.result == SUCCESS and outcome != OUTCOME.converged
    np.testing.assert_allclose(brown.value, np.ones(10), rtol=1e-12)  # κ is about 100


def test_a_flow_that_meets_no_root_is_no_success():
    @jax.jit
    def run():
        def status(fn, y0):
            found = root(fn, SOLVER, y0, throw=False, max_steps=64)
            return found.certificate.status, found.result == SUCCESS

        return dict(
            none=status(lambda y, _: y**2 + 1, 0.3),
            far=status(lambda y, _: jnp.exp(-y), 1.0),
            nan=status(lambda y, _: jnp.log(y), -1.0),
        )

    found = run()
    assert all(s != STATUS.stationary and not success for s, success in found.values())
    assert found["nan"][0] == STATUS.nonfinite


def test_the_flow_of_pytrees_complex_numbers_and_float32():
    def fn(y, a):  # F_y is triangular with 1 and 3x² + 1 on its diagonal
        z, x = y["z"], y["x"]
        return {"z": z - jax.lax.complex(a, 2 * a) * x.astype(complex), "x": x**3 + x - 10}

    @jax.jit
    def run(a):
        y0 = {"z": jnp.zeros(2, complex), "x": -jnp.ones(2)}
        mixed = root(fn, SOLVER, y0, a)
        own = optx.root_find(lambda y, _: jnp.arctan(y), SOLVER, jnp.array(30.0))
        one, two = jnp.float32(1), jnp.float32(2)
        single = root(lambda y, a: y**2 - a, PseudoTransient(1e-4, 1e-4, delta0=0.1), one, two)
        return mixed.value, own.value, single.value

    mixed, own, single = run(jnp.array([1.0, -0.5]))
    np.testing.assert_allclose(mixed["x"], 2, rtol=10 * EPS)
    np.testing.assert_allclose(mixed["z"], [2 + 4j, -1 - 2j], rtol=10 * EPS)
    assert abs(own) < 1e-8
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, 2**0.5, rtol=1e-6)


def test_bad_input():
    for delta0 in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="delta0 is positive"):
            PseudoTransient(1e-8, 1e-8, delta0=delta0)

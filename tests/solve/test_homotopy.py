"""Homotopy, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.solve import OUTCOME, homotopy, newton_history

EPS = float(jnp.finfo(float).eps)
SUCCESS = optx.RESULTS.successful


def test_a_root_beyond_two_turns():
    """Newton's method cycles 0, 1, 0, ...; from y = 0 the curve goes back to t < 0, and to 1 after a turn."""

    def fn(y, args):
        k, c = args
        return jnp.where(k == 3, y**3 - 2 * y, y**2) + c

    @jax.jit
    def run(k, c):
        def solve(c, k):
            found = homotopy(fn, 0.0, (k, c), throw=False)
            return found.value, found

        def slope(c, k):
            return jax.grad(solve, has_aux=True)(c, k)

        second = jax.vmap(lambda k, c: jax.jvp(lambda c: slope(c, k), (c,), (1.0,), has_aux=True))
        return second(k, c), newton_history(fn, 0.0, (k[0], c[0])).outcome

    (slope, second, found), outcome = run(jnp.array([3, 2]), jnp.array([2.0, 1.0]))
    assert outcome == OUTCOME.cycle
    assert isinstance(found, optx.Solution)
    np.testing.assert_array_equal(found.result == SUCCESS, [True, False])  # y² + 1 has no root
    truth = min(r.real for r in np.roots([1, 0, -2, 2]) if abs(r.imag) < 1e-12)
    np.testing.assert_allclose(found.value[0], truth, rtol=10 * EPS)
    by_hand = -1 / (3 * truth**2 - 2)
    np.testing.assert_allclose(slope[0], by_hand, rtol=1e-13)
    np.testing.assert_allclose(second[0], 6 * truth * by_hand**3, rtol=1e-12)


def test_a_function_is_traced_once():
    count = []

    def fn(y, c):
        count.append(1)
        return y**2 - c

    jax.jit(jax.grad(lambda c: homotopy(fn, 2.0, c).value)).trace(1.0)
    assert len(count) == 1


def test_bad_input():
    with pytest.raises(ValueError, match="homotopy: steps is a number of points"):
        homotopy(lambda y, _: y, 0.0, steps=0)
    with pytest.raises(ValueError, match="homotopy: 2 equations for 1 unknowns"):
        homotopy(lambda y, _: jnp.stack([y, y]), 0.0)


@pytest.mark.parametrize("unit", [1e-10, 1e-100, 1.0, 1e10])
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_homotopy_in_any_unit(unit, step):
    y = homotopy(lambda y, a: unit * (y**3 - a), jnp.array([1.0]), 8.0, step=step).value
    np.testing.assert_allclose(y, 2, rtol=4 * EPS)

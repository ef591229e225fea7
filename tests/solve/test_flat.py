"""Where a Jacobian has a row of zeros: no unknown changes that equation, solved or not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mcjax.solve import STATUS, fixed_point, minimise, root, run_optax


def huber(x):
    return jnp.where(abs(x) < 1, x**2 / 2, abs(x) - 0.5)


UNSOLVED = dict(
    below_threshold=lambda: root(
        lambda v, _: 1e-6 * jax.nn.relu(v - 0.7) ** 2 - 1e-9, None, 0.0, throw=False
    ),
    constant=lambda: root(lambda x, a: 0 * x + a, None, 0.0, 1e-9, throw=False),
    translation=lambda: fixed_point(lambda y, _: y + 1e-7, None, 1.0, throw=False),
    slope=lambda: minimise(lambda x, _: 1 + 1e-7 * x, None, 0.0, throw=False),
    no_minimum=lambda: minimise(lambda x, _: jnp.arctan(x), None, 0.0, throw=False),
)


@pytest.mark.parametrize("name", UNSOLVED)
def test_what_no_unknown_changes_is_singular(name):
    found = jax.jit(UNSOLVED[name])()
    assert found.certificate.status == STATUS.singular and found.certificate.residual == jnp.inf


@pytest.mark.parametrize(
    "solve",
    [
        lambda fn: minimise(fn, None, 0.0, throw=False),
        lambda fn: run_optax(fn, optax.adam(0.1), 0.0, throw=False),
    ],
)
def test_a_small_constant_slope_is_left(solve):
    found = jax.jit(lambda: solve(lambda x, _: 1 + 1e-9 * huber(x - 3)))()
    assert found.certificate.stationary
    np.testing.assert_allclose(found.value, 3, rtol=1e-12)


def test_what_holds_to_rounding_whatever_the_unknowns_is_solved():
    """x₀ = a₀, and a₁ = a₂ up to the last digit of 0.3; up to the tenth it is not."""

    def solved(error):
        a = jnp.stack([jnp.array(0.1), jnp.array(0.3), 0.3 + error])
        fn = lambda x, a: jnp.stack([x[0] - a[0], a[1] - a[2]])  # noqa: E731
        return root(fn, None, jnp.zeros(2), a, throw=False).certificate.stationary

    errors = jnp.array([0, 5.6e-17, 1e-10])
    np.testing.assert_array_equal(jax.jit(jax.vmap(solved))(errors), [True, True, False])


@pytest.mark.parametrize("a", [None, 2.0])
def test_a_derivative_of_zero_has_no_error(a):
    found = minimise(lambda x, a: (x - 3) ** 2 * (1 if a is None else a), None, 0.0, a)
    assert found.certificate.gradient_error < 1e-15

"""A branch that a batch takes only if one of its elements needs it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax._core._where_needed import where_needed


@pytest.mark.parametrize("needed", [[], [1], [0, 2, 3]])
def test_values_and_calls(needed):
    calls = []

    def slow(x):
        def count(x):
            calls.append(1)
            return np.sqrt(x)

        return jax.pure_callback(count, x, x, vmap_method="expand_dims")

    x = jnp.arange(1.0, 5.0)
    flags = jnp.zeros(4, bool).at[jnp.array(needed, int)].set(True)
    found = jax.jit(jax.vmap(lambda flag, x: where_needed(flag, slow, x, -x)))(flags, x)
    np.testing.assert_array_equal(found, np.where(flags, np.sqrt(x), -x))
    assert len(calls) == (len(needed) > 0)


def test_what_does_not_depend_on_the_batch_stays_in_the_loop():
    """XLA takes computations out of a loop that do not depend on it, also those that it never needs."""

    def inverse(flag, A):
        return where_needed(flag, jnp.linalg.inv, A, A)

    compiled = jax.jit(jax.vmap(inverse)).lower(jnp.zeros(2, bool), jnp.zeros((2, 3, 3))).compile()
    entry = compiled.as_text().split("ENTRY")[1]
    assert "while" in entry and "getrf" not in entry

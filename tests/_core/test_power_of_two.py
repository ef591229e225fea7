"""2^k to the bit, over and beyond the range of each type."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax._core._power_of_two import power_of_two, times_power_of_two

K = np.arange(-1100, 1100)


def exact(dtype):
    with np.errstate(over="ignore"):
        return np.array([2.0**k if k < 1024 else np.inf for k in K.tolist()]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["int32", "int64", "float32", "float64"])
def test_exact_at_every_exponent(dtype, kind):
    """Bits are compared: of subnormal numbers some devices think that they are zero."""
    compiled = jax.jit(power_of_two, static_argnums=1)
    for got in (power_of_two(K.astype(kind), dtype), compiled(K.astype(kind), dtype)):
        assert got.dtype == dtype
        np.testing.assert_array_equal(np.asarray(got).view(np.uint8), exact(dtype).view(np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("up", [1, -1])
def test_times_reaches_from_one_end_of_the_range_to_the_other(dtype, up):
    """By powers that are themselves out of range."""
    info = np.finfo(dtype)
    k = 1.0 * up * (info.maxexp - info.minexp - 2)
    ends = 1.5 * np.array([2.0**info.minexp, 2.0 ** (info.maxexp - 2)]).astype(dtype)
    start, end = ends[::up]
    for f in (times_power_of_two, jax.jit(times_power_of_two)):
        got = f(jnp.asarray(start), jnp.asarray(k, info.dtype))
        assert got.dtype == dtype
        assert got == end

"""Powers of two, exactly: `exp2` rounds, and `ldexp` ends where the normal numbers do."""

import jax.numpy as jnp
from jax import lax


def power_of_two(k, dtype):
    """2^k in a real type, k integers of any type: subnormal numbers, then 0; inf beyond the largest."""
    info = jnp.finfo(dtype)
    k = jnp.clip(k, info.minexp - info.nmant - 1, info.maxexp).astype(f"int{info.bits}")
    exponent, one = k - info.minexp + 1, jnp.ones_like(k)  # the bits: a sign, this, info.nmant more
    last = exponent + info.nmant - 1  # where the one bit of a subnormal number is
    subnormal = jnp.where(last >= 0, one << jnp.maximum(last, 0), 0)
    bits = jnp.where(exponent > 0, exponent << info.nmant, subnormal)
    return lax.bitcast_convert_type(bits, dtype)


def times_power_of_two(A, k):
    """A 2^k, in two steps, since 2^k may be out of range where A 2^k is not."""
    real, half = jnp.finfo(A.dtype).dtype, jnp.floor(k / 2)
    first, second = (power_of_two(j, real).astype(A.dtype) for j in (half, k - half))
    return A * first * second


def nearest(x, root=1):
    """The power of two whose `root`-th power is closest to x >= 0; 1 where there is none."""
    exponent = jnp.round(jnp.log2(x) / root)
    return power_of_two(jnp.where(jnp.isfinite(exponent), exponent, 0.0), x.dtype)


def size(A, root=1):
    """`nearest` to the largest entry of each matrix, (..., 1, 1), of A's type."""
    largest = jnp.abs(A).max((-2, -1), keepdims=True, initial=0.0)
    return nearest(largest, root).astype(A.dtype)

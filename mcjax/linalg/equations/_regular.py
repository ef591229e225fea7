"""Whether a matrix has an inverse, to rounding and in any units."""

import jax.numpy as jnp


def unless_singular(inverse, sizes, ones):
    """M⁻¹, or NaN where M is singular to rounding: |M⁻¹| |M| has a spectral radius of 1/eps.

    No scaling of the unknowns changes that radius, which is at most the largest ratio of |M⁻¹| |M| x to x
    for any x > 0.

    Args:
      inverse: M⁻¹, (k, k).
      sizes: x ↦ |M⁻¹| |M| x.
      ones: an x of ones.
    """
    x = sizes(ones)
    rounding = 10 * len(inverse) * jnp.finfo(inverse.dtype).eps
    return jnp.where((sizes(x) / x).max() * rounding < 1, inverse, jnp.nan)

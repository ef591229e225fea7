"""Substitution in blocks, one and several of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg.spectral._substitution import Substitution, factored


@pytest.mark.parametrize("n", [1, 5, 600])
def test_solves_to_a_residual_of_rounding(n):
    """Backward stable: |M y - x| is rounding of |M| |y|, whatever the condition number."""
    rng = np.random.default_rng(n)
    M, X = rng.normal(size=(n, n)), rng.normal(size=(n, 3))
    M[:, -1] *= 1e-8
    Y = Substitution()(jnp.asarray(X), *factored(jnp.asarray(M)))
    size = np.abs(M) @ np.abs(Y)
    assert np.abs(M @ Y - X).max() <= 10 * n * np.finfo(float).eps * size.max()

"""Negative eigenvalues that are defective: rounding moves them off the axis, and still there is no root."""

import jax
import numpy as np
import pytest

from mcjax.linalg import fractional_matrix_power, logm, sqrtm

from ...helpers._similarity import hidden

BLOCKS = [[(-1, 2), (2, 2)], [(-1, 2), (-2, 1), (3, 1)], [(-1, 3), (1, 1)], [(-1, 1), (2, 3)]]
FUNCTIONS = {
    "sqrtm": jax.jit(sqrtm),
    "logm": jax.jit(logm),
    "power": jax.jit(lambda A: fractional_matrix_power(A, -0.5)),
}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_defective_negative_eigenvalues(name, dtype):
    for blocks in BLOCKS:
        for seed in range(6):
            A, _ = hidden(seed, *blocks)
            assert np.isnan(FUNCTIONS[name](A.astype(dtype))).all()

"""Bad input of functions of rectangular matrices: an error at trace time, or NaN out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import (
    lstsq,
    null_projector,
    orth_projector,
    orthogonal_procrustes,
    polar,
    svd_function,
)

from ..test_bad_input import CAST, FLOATS, REJECTED, message

GOOD = np.array([[3.0, 1.0], [1.0, 4.0], [0.5, -1.0]])
FUNCTIONS = {
    "svd_function": lambda A: svd_function(A, jnp.tanh),
    "polar": lambda A: polar(A)[0],
    "orthogonal_procrustes": lambda A: orthogonal_procrustes(A, A)[0],
    "orth_projector": orth_projector,
    "null_projector": null_projector,
    "lstsq": lambda A: lstsq(A, jnp.ones((2, 1)) if np.shape(A)[-2] == 2 else GOOD[:, :1])[0],
}
WRONG = {
    kind: (bad, allowed.replace("n, n", "m, n"))
    for kind, (bad, allowed) in REJECTED.items()
    if allowed != "square"
}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "lstsq"])
@pytest.mark.parametrize("kind", WRONG)
def test_rejected(name, kind):
    bad, allowed = WRONG[kind]
    said = message(lambda: jax.eval_shape(lambda: FUNCTIONS[name](bad)))
    assert said.startswith(name) and allowed in said, said


@pytest.mark.parametrize("kind", WRONG)
def test_rejected_by_lstsq(kind):
    bad, allowed = WRONG[kind]
    said = message(lambda: jax.eval_shape(lambda: lstsq(bad, np.ones(3))))
    assert said.startswith("lstsq") and allowed in said, said


@pytest.mark.parametrize("name", FUNCTIONS)
def test_promoted(name):
    for kind in CAST:
        np.testing.assert_array_equal(FUNCTIONS[name](CAST[kind]), FUNCTIONS[name](FLOATS[kind]))


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "orthogonal_procrustes"])
def test_not_finite(name):
    """No finite number for the matrix that is infected, and for its neighbours the right ones."""
    batch = np.stack([GOOD] * 3)
    batch[0, 1, 1], batch[2, 0, 1] = np.nan, np.inf
    function = jax.vmap(FUNCTIONS[name])
    value = function(batch)
    gradient = jax.grad(lambda A: (function(A) ** 2).sum() + function(A).sum())(batch)
    for i in (0, 2):
        assert np.isnan(value[i]).any() and not np.isfinite(value[i]).all()
        assert not np.isfinite(gradient[i]).any()
    assert np.isfinite(value[1]).all() and np.isfinite(gradient[1]).all()

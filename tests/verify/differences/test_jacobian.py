"""All entries at once: the trees and shapes of jax.jacobian and jax.hessian, with bars that hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.verify import differences

X = {"a": np.array([[1.0, 2.0], [0.5, -1.0]]), "b": np.array(3.0)}
WRAPS = pytest.mark.parametrize("wrap", [lambda g: g, jax.jit], ids=["host", "jit"])


def outputs(x):
    return {"m": x["a"] @ x["a"] * x["b"], "n": (jnp.sin(x["a"]).sum(), jnp.exp(x["b"]))}


def number(x):
    return (jnp.sin(x["a"]) * jnp.exp(x["a"].mT)).sum() / x["b"]


def covered(found, truth):
    assert jax.tree.structure(found.value) == jax.tree.structure(truth)
    for part in (found.value, found.error, found.status):
        assert jax.tree.map(np.shape, part) == jax.tree.map(np.shape, truth)
    close = jax.tree.map(
        lambda a, b, e: np.all(np.abs(a - b) <= e), found.value, truth, found.error
    )
    return all(jax.tree.leaves(close))


def widest(found):
    return max(np.max(e) for e in jax.tree.leaves(found.error))


@WRAPS
def test_jacobian(wrap):
    found = wrap(lambda x: differences.jacobian(outputs, x))(X)
    assert covered(found, jax.jacobian(outputs)(X)) and widest(found) < 1e-10


def test_jacobian_by_complex_step():
    found = differences.jacobian(lambda x: x["a"] @ x["a"] * x["b"], X, method="complex step")
    assert widest(found) < 1e-13
    assert covered(found, jax.jacobian(lambda x: jnp.asarray(x["a"]) @ x["a"] * x["b"])(X))


@WRAPS
def test_hessian(wrap):
    found = wrap(lambda x: differences.hessian(number, x))(X)
    assert covered(found, jax.hessian(number)(X)) and widest(found) < 1e-8
    assert np.array_equal(found.value["a"]["b"], found.value["b"]["a"])
    H = found.value["a"]["a"].reshape(4, 4)
    assert np.array_equal(H, H.T)


def test_hessian_at_scales_apart():
    x = [np.array(1e-6), np.array(1e6)]

    def f(x):
        return jnp.log(x[0]) * jnp.sqrt(x[1])

    found = differences.hessian(f, x)
    assert covered(found, jax.hessian(f)(x))
    relative = jax.tree.map(lambda e, v: e / abs(v), found.error, found.value)
    assert max(jax.tree.leaves(relative)) < 1e-7


def test_hessian_in_a_corner():
    found = differences.hessian(
        lambda x: np.exp(x[0] - 2 * x[1]), np.array([0.0, 1.0]), domain=(0, 1)
    )
    truth = np.exp(-2) * np.array([[1.0, -2.0], [-2.0, 4.0]])
    assert np.all(np.abs(found.value - truth) <= found.error) and widest(found) < 1e-6


def test_one_entry():
    assert abs(differences.hessian(lambda x: x[0] ** 3, np.ones(1)).value - 6) < 1e-9


def test_complex_entries():
    z = np.array([0.3 + 0.4j, -1j])
    found = differences.jacobian(lambda z: z * z[0], z)
    truth = jax.jacobian(lambda z: z * jnp.broadcast_to(z[0], (2,)), holomorphic=True)(z)
    assert np.all(np.abs(found.value - truth) <= found.error)


def test_errors_name_the_remedy():
    with pytest.raises(ValueError, match="one number as its value"):
        differences.hessian(np.sin, np.ones(2))
    with pytest.raises(ValueError, match="no entries"):
        differences.jacobian(np.sin, np.ones(0))

"""Proximal maps, and minima that they define, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax.projections
import pytest

from mcjax.solve import (
    attach_implicit,
    projection_affine,
    projection_second_order_cone,
    prox_l1,
    prox_l2,
    proximal_residual,
)

EPS = jnp.finfo(float).eps


def test_lasso_is_differentiable_in_data_and_weight():
    """min ‖x - b‖²/2 + w ‖x‖₁ = soft(b, w): db is 1 on the support, dw is -sign there."""
    b = jnp.array([2.0, 0.3, -1.5])

    def x(p):
        found = jnp.array([1.5, 0.0, -1.0])
        fn = proximal_residual(
            lambda x, p: ((x - p[0]) ** 2).sum() / 2, lambda x, p: prox_l1(x, p[1])
        )
        return attach_implicit(found, fn, p)

    db, dw = jax.jit(jax.jacrev(x))((b, jnp.array(0.5)))
    np.testing.assert_allclose(db, np.diag([1.0, 0.0, 1.0]), atol=EPS)
    np.testing.assert_allclose(dw, [-1, 0, 1], atol=EPS)


def test_integers_are_numbers():
    np.testing.assert_array_equal(prox_l1(jnp.array([3, -1, 0]), 0.5), [2.5, -0.5, 0])
    np.testing.assert_allclose(prox_l2(jnp.array([3, 4]), 1.0), [2.4, 3.2], rtol=1e-15)


def test_a_minimum_on_the_simplex_of_optax():
    """min ‖x - p‖²/2, one coordinate 0: dx/dp = I - 1/2 on the others."""

    def x(p):
        def project(x, _):
            return optax.projections.projection_simplex(x)

        fn = proximal_residual(lambda x, p: ((x - p) ** 2).sum() / 2, project)
        return attach_implicit(jnp.array([0.75, 0.25, 0.0]), fn, p)

    truth = [[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]]
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(jax.jacfwd(x))(jnp.array([0.9, 0.4, -1.0]))
    np.testing.assert_allclose(found, truth, atol=4 * EPS)


def test_projections_are_what_they_say():
    A = jnp.array([[1.0, 2.0, -1.0], [2.0, 4.0, -2.0]])  # of rank 1
    x, b = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 2.0])
    near = projection_affine(x, A, b)
    np.testing.assert_allclose(A @ near, b, atol=20 * EPS)
    np.testing.assert_allclose(near, x - A[0] * (A[0] @ x - 1) / 6, atol=20 * EPS)

    cone = jnp.array([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]), jnp.array([6.0, 0.0, -6.0])
    y, t = projection_second_order_cone(*cone)
    np.testing.assert_allclose(y, [[3, 4], [1.5, 2], [0, 0]], atol=4 * EPS)
    np.testing.assert_allclose(t, [6, 2.5, 0], atol=4 * EPS)
    np.testing.assert_allclose(prox_l2(jnp.array([[3.0, 4.0], [0.3, 0.4]])), [[2.4, 3.2], [0, 0]])
    slope = jax.jacfwd(prox_l2)(jnp.zeros(2))
    np.testing.assert_array_equal(slope, 0)  # no NaN of a norm at 0


@pytest.mark.parametrize("dtype, unit", [("float32", 1e-30), ("float32", 1e20), ("float64", 1e200)])
def test_projections_in_any_unit(dtype, unit):
    """(5, 1) is nearest to (3, 3) of the cone, (5, 0) of length 5 shortens to (4, 0)."""
    u = jnp.asarray(unit, dtype)
    x = u * jnp.array([5, 0], dtype)
    y, t = jax.jit(projection_second_order_cone)(x, u)
    tolerance = 4 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(y / u, [3, 0], rtol=tolerance)
    np.testing.assert_allclose(t / u, 3, rtol=tolerance)
    np.testing.assert_allclose(jax.jit(prox_l2)(x, u) / u, [4, 0], rtol=tolerance)


@pytest.mark.parametrize("prox", [prox_l1, prox_l2])
def test_without_a_weight_a_proximal_map_is_the_identity(prox):
    at = jnp.zeros(2), jnp.zeros(())
    forward, reverse = jax.jit(lambda *a: [d(prox, (0, 1))(*a) for d in (jax.jacfwd, jax.jacrev)])(
        *at
    )
    np.testing.assert_array_equal([forward[0], reverse[0]], [np.eye(2)] * 2)
    np.testing.assert_array_equal(forward[1], 0)


def test_bad_input():
    with pytest.raises(ValueError, match="projection_affine: A"):
        projection_affine(jnp.ones(2), jnp.ones((1, 3)), jnp.ones(1))


def test_nan_stays_nan():
    x = jnp.array([jnp.nan, 3.0])
    np.testing.assert_array_equal(prox_l1(x, 1.0), [np.nan, 2])
    np.testing.assert_array_equal(prox_l1(jnp.array([0.5, 3.0]), jnp.nan), [np.nan, np.nan])
    np.testing.assert_array_equal(prox_l2(x, 1.0), [np.nan, np.nan])


def test_complex_numbers():
    """w (1 - weight/|w|), or 0."""
    z = jnp.array([3 + 4j, 0.1 + 5j, 0.3 - 0.4j])
    true = [(1 - 1 / 5) * (3 + 4j), (1 - 1 / abs(0.1 + 5j)) * (0.1 + 5j), 0]
    np.testing.assert_allclose(prox_l1(z, 1.0), true, rtol=4 * EPS)
    weights = jnp.array([[1.0], [0.0]])
    np.testing.assert_allclose(prox_l1(jnp.stack([z, z]), weights), [true, z], rtol=4 * EPS)


SMALL, LARGE = 1e-200, 1e200  # whose squares are out of range


@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_derivatives_in_any_unit(jacobian):
    """They are homogeneous: what is of first degree has the same slopes in all units."""
    x, t = jnp.array([3.0, 4.0]), jnp.array(1.0)
    for fn in (prox_l2, projection_second_order_cone):
        slopes = jax.jit(jacobian(fn, (0, 1)))
        truth = jax.tree.leaves(slopes(x, t))
        for unit in (SMALL, LARGE):
            found = jax.tree.leaves(slopes(x * unit, t * unit))
            for a, b in zip(found, truth, strict=True):
                np.testing.assert_allclose(a, b, atol=4 * EPS)


def test_slopes_where_a_weight_is_infinite_or_a_number_unknown():
    x = jnp.array([3.0, 4.0])
    l1, l2 = (jax.jit(jax.jacrev(prox, (0, 1))) for prox in (prox_l1, prox_l2))
    for of in l2(x, jnp.inf):
        np.testing.assert_array_equal(of, 0)
    unknown = x.at[0].set(jnp.nan)
    assert np.isnan(l1(unknown, 1.0)[0][0, 0]) and l1(unknown, 1.0)[0][1, 1] == 1
    assert np.isnan(l2(unknown, 1.0)[0]).all()


def test_lists_are_vectors():
    np.testing.assert_allclose(
        projection_affine([1, 2.0], [[1.0, 1.0]], [1.0]), [0, 1], atol=4 * EPS
    )
    np.testing.assert_array_equal(prox_l1([3.0, 0.5]), [2, 0])
    np.testing.assert_allclose(projection_second_order_cone([3, 4], 0)[1], 2.5, rtol=4 * EPS)

"""Complex values of real unknowns, and unknowns of several types: solvers see vectors of one real type."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

from mcjax.solve import batch_solve, least_squares, minimise, root, run_optax

EPS = float(jnp.finfo(jnp.float32).eps)
W = jnp.array([1.0, 2.0, 3.0])


def impedance(y, w):
    """Of a resistance y₀ and a capacity y₁ side by side."""
    return 1 / jax.lax.complex(1 / y[0] * jnp.ones_like(w), w * y[1])


def test_an_impedance_is_fitted():
    """To data without noise; its derivative is the pseudoinverse of the Jacobian."""
    y, start = jnp.array([2.0, 0.3]), jnp.array([1.0, 0.5])

    def parts(z):
        return jnp.concatenate([z.real, z.imag])

    def fitted(z):
        def fn(y, z):
            return impedance(y, W) - jax.lax.complex(*jnp.split(z, 2))

        found = least_squares(fn, None, start, z)
        return found.value, found

    def model(y):
        return parts(impedance(y, W))

    data, J = jax.jit(lambda y: (model(y), jax.jacfwd(model)(y)))(y)
    slopes, found = jax.jit(jax.jacrev(fitted, has_aux=True))(data)
    np.testing.assert_allclose(found.value, y, rtol=1e-13)
    np.testing.assert_allclose(slopes, np.linalg.pinv(J), atol=1e-12)


@pytest.mark.parametrize("solver", [None, optx.Newton(1e-8, 1e-8)])
def test_a_complex_equation_in_real_unknowns(solver):
    """(y₀ + i y₁)² = 2 i t at √t (1, 1)."""

    def value(t):
        def fn(y, t):
            return jax.lax.complex(y[0], y[1]) ** 2 - jax.lax.complex(0 * t, 2 * t)

        return root(fn, solver, jnp.array([1.0, 0.5]), t).value

    y, slope = jax.jit(lambda t: jax.jvp(value, (t,), (jnp.ones_like(t),)))(jnp.array(4.0))
    np.testing.assert_allclose(y, [2, 2], rtol=1e-14)
    np.testing.assert_allclose(slope, [0.25, 0.25], rtol=1e-14)


MIXED = {"a": jnp.float32(1), "b": jnp.ones(2)}


def equations(y, t):
    """a³ = t and a b = t: b = t^(2/3)."""
    a = y["a"].astype(float)
    return {"a": y["a"] ** 3 - t.astype(jnp.float32), "b": y["b"] * a - t}


def objective(y, t):
    """Least at a = t/2 and b = t."""
    return ((2 * y["a"] - t.astype(jnp.float32)) ** 2).astype(float) + ((y["b"] - t) ** 2).sum()


TRUTH = {"root": ((1 / 3, 1), (2 / 3, 1)), "minimise": ((1, 0.5), (1, 1))}  # powers of t, factors


@pytest.mark.parametrize(
    "solve, solver",
    [(root, None), (root, optx.Newton(1e-4, 1e-4)), (least_squares, None), (minimise, None)],
)
def test_unknowns_of_two_types(solve, solver):
    """In the types of y0, with their derivatives, and with errors of the coarser one."""
    fn = objective if solve is minimise else equations

    def value(t):
        found = solve(fn, solver, MIXED, t)
        return found.value, found.certificate

    t = jnp.array(2.0)
    run = jax.jit(lambda t: jax.jvp(value, (t,), (jnp.ones_like(t),), has_aux=True))
    y, slopes, certificate = run(t)
    assert (y["a"].dtype, y["b"].dtype) == (jnp.float32, jnp.float64)
    assert certificate.gradient_error > EPS  # that of float32
    powers = TRUTH["minimise" if solve is minimise else "root"]
    for x, dx, (power, factor) in zip(y.values(), slopes.values(), powers, strict=True):
        np.testing.assert_allclose(x, factor * t**power, rtol=10 * EPS)
        np.testing.assert_allclose(dx, factor * power * t ** (power - 1), rtol=10 * EPS)


def test_unknowns_of_another_type_than_the_values():
    """y² = t of float32 and of float64, each in the type of the other."""

    def fn(y, t):
        return (y**2).astype(t.dtype) - t

    newton = optx.Newton(1e-4, 1e-4)
    for one, other in ((jnp.float32, jnp.float64), (jnp.float64, jnp.float32)):
        found = jax.jit(lambda y, t: root(fn, newton, y, t).value)(jnp.ones(1, one), other(2))
        assert found.dtype == one
        np.testing.assert_allclose(found, 2**0.5, rtol=4 * EPS)


def test_a_batch_of_two_types():
    start = jax.tree.map(lambda x: jnp.stack([x, x]), MIXED)
    found = batch_solve(root, equations, None, start, jnp.array([2.0, 3.0]), throw=True)
    np.testing.assert_allclose(found.value["b"][:, 0], [2 ** (2 / 3), 3 ** (2 / 3)], rtol=10 * EPS)


def test_optax_sees_leaves_of_two_types():
    """A bound for each, as y0 has them."""
    lower = {"a": jnp.float32(1.25), "b": jnp.zeros(2)}
    found = run_optax(objective, optax.sgd(0.1), MIXED, jnp.array(2.0), lower=lower)
    assert found.value["a"].dtype == jnp.float32
    np.testing.assert_allclose(found.value["a"], 1.25, rtol=EPS)
    np.testing.assert_allclose(found.value["b"], [2, 2], rtol=10 * EPS)

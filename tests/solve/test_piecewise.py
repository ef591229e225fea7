"""Second derivatives of solutions of piecewise affine equations: of relu, |x|, soft thresholds, projections.

What chooses the piece has no derivative in the piece, and JAX's `custom_linear_solve` takes no map whose
tangent is known to be 0 while what it closes over moves.
"""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

from mcjax.solve import (
    attach_implicit,
    fixed_point,
    least_squares,
    minimise,
    prox_l1,
    root,
)

ORDERS = [(jax.grad, jax.grad), (jax.jacfwd, jax.jacrev), (jax.jacrev, jax.jacfwd)]


def absolute(a):
    """z + |z|/10 = a² at z > 0."""
    return root(lambda z, a: z + 0.1 * jnp.abs(z) - a, None, jnp.array(1.0), a**2).value


def by_gmres(a):
    z = jax.lax.stop_gradient(a**2 / 1.1)
    return attach_implicit(
        z, lambda z, a: z + 0.1 * jnp.abs(z) - a, a**2, solver=lx.GMRES(1e-14, 1e-14)
    )


def damped(a):
    z = jax.lax.stop_gradient(a**2 / 1.1)
    return attach_implicit(z, lambda z, a: z + 0.1 * jnp.abs(z) - a, a**2, on_singular="tikhonov")


def threshold(a):
    """w = soft(w - (w - a²)/2, 1/2) at w = a² - 1."""
    step = lambda w, a: prox_l1(w - 0.5 * (w - a), 0.5)  # noqa: E731
    return 1.1**-1 * (1 + fixed_point(step, None, jnp.array(1.0), a**2).value)


def huber(a):
    """min (z - a²)²/2 + |z|/10, at z = a² - 1/10."""
    f = lambda z, a: (z - a) ** 2 / 2 + 0.1 * jnp.abs(z)  # noqa: E731
    return 1.1**-1 * (0.1 + minimise(f, None, jnp.array(1.0), a**2).value)


def leaky(a):
    f = lambda z, a: jax.nn.leaky_relu(z - a) * 1.1 + 0 * z  # noqa: E731
    return least_squares(f, None, jnp.array(9.0), a**2).value / 1.1


@pytest.mark.parametrize("orders", ORDERS)
@pytest.mark.parametrize("solution", [absolute, by_gmres, damped, threshold, huber, leaky])
def test_second_derivative(orders, solution):
    """All are a²/1.1 at a = 1.5; Tikhonov's damping moves a derivative by its square, 2e-12."""
    outer, inner = orders
    second = jax.jit(outer(inner(solution)))(1.5)
    np.testing.assert_allclose(second, 2 / 1.1, rtol=1e-11)

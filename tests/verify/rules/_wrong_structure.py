"""Wrong rules that miss, swap or misplace an argument, an output or a part of a structure."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import linear_call
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ._points import normal, positive, spd
from ._rule import cotangent_of, tangent_of, wrong

MATRIX = np.array([[2.0, 0.4, -0.3], [-0.8, 1.5, 0.6], [0.2, -0.5, 1.1]])

solve = jnp.linalg.solve


# Several arguments and several outputs.


@wrong(normal(4), positive(4), parts=("vjp",), diagnosis="swapped arguments")
@cotangent_of(lambda x, y: jnp.sin(x) * y)
def cotangents_in_the_wrong_order(x, y, g):
    return g * jnp.sin(x), g * jnp.cos(x) * y


@wrong(normal(4), positive(4), parts=("vjp", "alone"), diagnosis="(zero|missing).*argument 1")
@cotangent_of(lambda x, scale: scale * jnp.sin(x))
def scale_without_a_cotangent(x, scale, g):
    return g * scale * jnp.cos(x), None


@wrong(np.array([2, 0, 3]), normal(3), parts=("vjp",), diagnosis="zero|missing")
@cotangent_of(lambda n, x: jnp.sin(n.astype(x.dtype) * x))
def cotangent_given_to_the_integers(n, x, g):
    n = n.astype(x.dtype)
    return g * n * jnp.cos(n * x), None


@wrong(normal(4), parts=("vjp", "alone"), diagnosis="zero|missing")
@cotangent_of(lambda x: (jnp.mean(x), jnp.var(x)))
def variance_beside_the_mean_ignored(x, g):
    return (jnp.full_like(x, 1 / x.size) * g[0],)


@wrong(normal(4), parts=("jvp",), diagnosis="swapped")
@tangent_of(lambda x: (jnp.exp(x), jnp.sin(x)))
def tangents_of_two_outputs_swapped(x, dx):
    return jnp.cos(x) * dx, jnp.exp(x) * dx


@wrong(normal(4), parts=("jvp", "alone"))
@tangent_of(lambda x: {"sum": jnp.sum(x**2), "count": jnp.full((), x.size, x.dtype)})
def constant_output_that_moves(x, dx):
    change = 2 * jnp.vdot(x, dx)
    return {"sum": change, "count": change}


@wrong(normal(4), np.array(0.7), parts=("dtype", "vjp"))
@cotangent_of(lambda x, y: x * y)
def broadcast_argument_with_an_unsummed_cotangent(x, y, g):
    """JAX refuses: the cotangent of the scalar is a vector."""
    return g * y, g * x


@wrong(normal(4), positive(4), parts=("dtype", "vjp"))
@cotangent_of(lambda x, y: jnp.log(y) + x**2)
def one_cotangent_for_two_arguments(x, y, g):
    """JAX refuses."""
    return (2 * g * x,)


# Pytrees.


@wrong({"scale": positive(4), "shift": normal(4)}, normal(4, seed=1), parts=("vjp",))
@cotangent_of(lambda p, x: p["scale"] * x + p["shift"])
def dictionary_with_swapped_keys(p, x, g):
    return {"scale": g, "shift": g * x}, g * p["scale"]


def dense(p, X):
    return jnp.tanh(X @ p["W"] + p["b"][None, :])


@wrong({"W": normal(3, 2), "b": normal(2)}, normal(5, 3, seed=1), parts=("vjp",))
@cotangent_of(dense)
def dense_layer_with_the_mean_for_its_bias(p, X, G):
    G = G * (1 - dense(p, X) ** 2)
    return {"W": X.T @ G, "b": jnp.mean(G, 0)}, G @ p["W"].T


@wrong([normal(3, 3), normal(3, 3, seed=1)], normal(3, seed=2), parts=("vjp",))
@cotangent_of(lambda layers, x: layers[1] @ jnp.tanh(layers[0] @ x))
def layers_in_the_order_of_back_propagation(layers, x, g):
    h = jnp.tanh(layers[0] @ x)
    dh = (1 - h**2) * (layers[1].T @ g)
    return [jnp.outer(g, h), jnp.outer(dh, x)], layers[0].T @ dh


@wrong(normal(2, 3), normal(3, seed=1), parts=("vjp", "alone"))
@cotangent_of(lambda W, x: W.T @ jnp.tanh(W @ x))
def tied_weights_counted_once(W, x, g):
    h = jnp.tanh(W @ x)
    return jnp.outer(h, g), W.T @ ((1 - h**2) * (W @ g))


class State(NamedTuple):
    position: jax.Array
    momentum: jax.Array


def symplectic_step(state):
    momentum = state.momentum - 0.3 * jnp.sin(state.position)
    return State(state.position + 0.3 * momentum, momentum)


@wrong(State(normal(3), normal(3, seed=1)), parts=("jvp",))
@tangent_of(symplectic_step)
def symplectic_step_with_the_old_momentum(state, change):
    dp = change.momentum - 0.3 * jnp.cos(state.position) * change.position
    return State(change.position + 0.3 * change.momentum, dp)


# Integers, masks and keys among the arguments.


@wrong(
    normal(4),
    np.array([True, False, True, False]),
    parts=("vjp",),
    diagnosis="elementwise factor|wrong branch|not zero",
)
@cotangent_of(lambda x, mask: jnp.sum(jnp.where(mask, x**2, 0.0)))
def masked_sum_without_its_mask(x, mask, g):
    return 2 * g * x, None


@wrong(normal(5, 2), np.array([0, 3, 1]), parts=("vjp",))
@cotangent_of(lambda table, rows: jnp.take(table, rows, axis=0))
def embedding_whose_rows_count_from_one(table, rows, G):
    return jnp.zeros_like(table).at[rows + 1].add(G), None


def sample(key, mean, scale):
    return mean + scale * jax.random.normal(key, mean.shape, mean.dtype)


@wrong(
    jax.random.key(3),
    normal(4),
    positive(4),
    parts=("jvp", "alone"),
    diagnosis="factor.*argument 2",
)
@tangent_of(sample)
def sample_differentiated_with_fresh_noise(key, mean, scale, dkey, dmean, dscale):
    return sample(jax.random.fold_in(key, 1), dmean, dscale)


@wrong(normal(4), parts=("vjp",))
@cotangent_of(jnp.round)
def rounding_with_a_straight_through_cotangent(x, g):
    return (g,)


@wrong(normal(4), parts=("vjp",), diagnosis="sign")
@cotangent_of(lambda x: x * 1.0)
def layer_that_reverses_cotangents(x, g):
    return (-g,)


# Implicit functions.


def cubic_root(a, b):
    """x with x³ + a x = b."""
    x = b
    for _ in range(20):
        x = x - (x**3 + a * x - b) / (3 * x**2 + a)
    return x


@wrong(
    positive(3),
    positive(3, seed=1),
    parts=("jvp", "alone"),
    diagnosis="(zero|missing).*argument 0",
    domain=lambda a, b: jnp.all(a > 0),
)
@tangent_of(cubic_root)
def root_that_forgets_a_parameter(a, b, da, db):
    return db / (3 * cubic_root(a, b) ** 2 + a)


def minimiser(A, b):
    """x where the gradient x³ + A x - b of a convex function is zero."""
    x = jnp.zeros_like(b)
    for _ in range(20):
        x = x - solve(A + jnp.diag(3 * x**2), x**3 + A @ x - b)
    return x


@wrong(spd(3), normal(3), parts=("jvp",), diagnosis="sign")
@tangent_of(minimiser)
def minimiser_without_the_minus_of_the_implicit_function(A, b, dA, db):
    x = minimiser(A, b)
    return solve(A + jnp.diag(3 * x**2), dA @ x - db)


def fixed_point(W, b):
    """x with x = tanh(W x + b)."""
    x = jnp.zeros_like(b)
    for _ in range(50):
        x = jnp.tanh(W @ x + b)
    return x


@wrong(MATRIX / 4, normal(3), parts=("jvp",))
@tangent_of(fixed_point)
def fixed_point_with_two_terms_of_the_neumann_series(W, b, dW, db):
    x = fixed_point(W, b)
    first = (1 - x**2) * (dW @ x + db)
    return first + (1 - x**2) * (W @ first)


@wrong(MATRIX / 4, normal(3), parts=("jvp",))
def fixed_point_differentiated_through_its_last_step(W, b):
    x = lax.stop_gradient(fixed_point(W, b))
    return jnp.tanh(W @ x + b)


@wrong(
    positive(3),
    np.array(0.7),
    parts=("vjp", "alone"),
    diagnosis="(zero|missing).*argument 1",
)
@cotangent_of(lambda y, t: y / jnp.sqrt(1 + 2 * y**2 * t))
def solution_of_an_equation_at_a_constant_time(y, t, g):
    """y' = -y³ up to time t, whose cotangent is g · y'."""
    return g / (1 + 2 * y**2 * t) ** 1.5, jnp.zeros_like(t)


@wrong(MATRIX, normal(3), parts=("vjp", "transpose"))
def linear_solve_whose_transposed_solve_is_the_same(A, b):
    def lu(matvec, b):
        return solve(A, b)

    return lax.custom_linear_solve(lambda x: A @ x, b, lu, transpose_solve=lu)


@wrong(MATRIX, normal(3), parts=("vjp", "transpose"))
def linear_solve_of_a_matrix_called_symmetric(A, b):
    def lu(matvec, b):
        return solve(A, b)

    return lax.custom_linear_solve(lambda x: A @ x, b, lu, symmetric=True)


@wrong(spd(3), normal(3), parts=("jvp", "alone"), diagnosis="(zero|missing).*argument 0")
def linear_solve_with_a_constant_matrix(A, b):
    def lu(matvec, b):
        return solve(A, b)

    A = lax.stop_gradient((A + A.T) / 2)
    return lax.custom_linear_solve(lambda x: A @ x, b, lu, symmetric=True)


@wrong(np.array(1.4), np.array(0.6), parts=("jvp",), diagnosis="factor")
def root_that_is_not_divided_by_its_slope(a, b):
    def newton(residual, x):
        return cubic_root(a, b)

    def tangent_solve(linear, y):
        return y

    return lax.custom_root(lambda x: x**3 + a * x - b, b, newton, tangent_solve)


# Linear maps with transposes of their own.


@wrong(normal(4), parts=("vjp", "transpose"), diagnosis="sign")
def differences_with_the_transpose_of_another_sign(x):
    def difference(_, x):
        return x[1:] - x[:-1]

    def transpose(_, g):
        return jnp.pad(g, (0, 1)) - jnp.pad(g, (1, 0))

    return linear_call(difference, transpose, (), x)


doubling = Primitive("doubling")  # x ↦ 2 x
doubling.def_impl(lambda x: 2 * x)
doubling.def_abstract_eval(lambda x: x)
mlir.register_lowering(doubling, mlir.lower_fun(lambda x: 2 * x, multiple_results=False))
batching.primitive_batchers[doubling] = lambda x, axes: (doubling.bind(*x), axes[0])
ad.deflinear2(doubling, lambda g, x: [g / 2])


@wrong(normal(4), parts=("vjp", "transpose"), diagnosis="factor")
def primitive_with_its_inverse_for_a_transpose(x):
    return doubling.bind(jnp.sin(x))


reversal = Primitive("reversal")  # reverses the first axis
reversal.def_impl(lambda x: x[::-1])
reversal.def_abstract_eval(lambda x: x)
mlir.register_lowering(reversal, mlir.lower_fun(lambda x: x[::-1], multiple_results=False))
batching.primitive_batchers[reversal] = lambda x, axes: (reversal.bind(*x), axes[0])
ad.deflinear2(reversal, lambda g, x: [reversal.bind(g)])


@wrong(normal(4), parts=("vmap",))
def primitive_that_reverses_the_batch(x):
    return reversal.bind(jnp.sin(x))

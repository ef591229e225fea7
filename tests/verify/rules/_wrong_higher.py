"""Wrong rules whose first derivative is right, and those that trip on integers or on closures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._points import normal, positive
from ._rule import cotangent_of, tangent_of, wrong

MATRIX = np.array([[2.0, 0.4, -0.3], [-0.8, 1.5, 0.6], [0.2, -0.5, 1.1]])
SECOND = ("hessian", "rev∘rev", "fwd∘fwd")

# Second derivatives.


@wrong(normal(4), parts=SECOND, diagnosis="zero|missing")
@tangent_of(jnp.sin)
def slope_without_gradient(x, dx):
    return lax.stop_gradient(jnp.cos(x)) * dx


@wrong(normal(4), parts=SECOND, diagnosis="missing term|factor")
@cotangent_of(lambda x: jnp.exp(jnp.sin(x)))
def cotangent_with_half_of_it_detached(x, g):
    return (g * jnp.cos(x) * lax.stop_gradient(jnp.exp(jnp.sin(x))),)


@tangent_of(lambda x: 1 - jnp.tanh(x) ** 2)
def slope_of_tanh(x, dx):
    return 2 * jnp.tanh(x) * (1 - jnp.tanh(x) ** 2) * dx


@wrong(normal(4), parts=SECOND, diagnosis="sign")
@tangent_of(jnp.tanh)
def tanh_whose_slope_has_a_wrong_sign(x, dx):
    return slope_of_tanh(x) * dx


@cotangent_of(jax.nn.sigmoid)
def sigmoid_without_its_complement(x, g):
    return (jax.nn.sigmoid(x) * g,)


@wrong(normal(4), parts=SECOND, diagnosis="elementwise factor")
@cotangent_of(jax.nn.softplus)
def softplus_whose_slope_is_a_wrong_sigmoid(x, g):
    return (sigmoid_without_its_complement(x) * g,)


@wrong(normal(4), positive(4), parts=SECOND, diagnosis="symmetri|zero|missing")
@tangent_of(lambda x, y: jnp.sin(x) * y)
def hessian_that_is_not_symmetric(x, y, dx, dy):
    return jnp.cos(x) * y * dx + lax.stop_gradient(jnp.sin(x)) * dy


@cotangent_of(jnp.linalg.inv)
def inverse_without_its_transposes(A, G):
    return (-jnp.linalg.inv(A) @ G @ jnp.linalg.inv(A),)


@wrong(MATRIX, parts=SECOND)
@cotangent_of(lambda A: jnp.linalg.slogdet(A)[1])
def logdet_whose_inverse_has_a_wrong_rule(A, g):
    return (g * inverse_without_its_transposes(A).T,)


def cubic_root(a, b):
    """x with x³ + a x = b."""
    x = b
    for _ in range(20):
        x = x - (x**3 + a * x - b) / (3 * x**2 + a)
    return x


@wrong(positive(3), positive(3, seed=1), parts=SECOND, domain=lambda a, b: jnp.all(a > 0))
@tangent_of(cubic_root)
def root_detached_in_its_own_slope(a, b, da, db):
    x = lax.stop_gradient(cubic_root(a, b))
    return (db - x * da) / (3 * x**2 + a)


@wrong(np.array([0.8, -0.5, 1.7]), parts=("rev∘rev", "hessian"))
@tangent_of(lambda x: jnp.maximum(x, 0.0) ** 2.5)
def slope_with_a_root_of_a_negative_number(x, dx):
    """The branch not taken is NaN, which the second derivative in reverse multiplies by zero."""
    return jnp.where(x > 0, 2.5 * x * jnp.sqrt(x), 0.0) * dx


@wrong(normal(4), parts=("dtype", "vjp", "transpose", *SECOND))
@tangent_of(jnp.sin)
def tangent_detached(x, dx):
    """Right in value; linear neither for a transpose nor for a tangent, or for both JAX looks through."""
    return jnp.cos(x) * lax.stop_gradient(dx)


@cotangent_of(jnp.sin)
def sine_with_a_detached_cotangent(x, g):
    return (jnp.cos(x) * lax.stop_gradient(g),)


@wrong(normal(4), parts=SECOND, diagnosis="missing|factor")
def square_of_a_function_with_a_detached_cotangent(x):
    return sine_with_a_detached_cotangent(x) ** 2


@wrong(normal(4), parts=("linear", "transpose", *SECOND), diagnosis="zero|missing")
def detached_cotangent(x):
    """Right alone; wrong at second order as part of any function that is not linear in it."""
    return sine_with_a_detached_cotangent(x)


@wrong(positive(4), np.array(3), parts=("rev∘rev", "hessian"))
@cotangent_of(lambda x, n: x ** n.astype(x.dtype))
def cotangent_from_a_loop_without_a_transpose(x, n, g):
    """JAX refuses to take a cotangent of the cotangent."""
    start = jnp.ones_like(n), jnp.ones_like(x)
    loop = lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * x), start)
    return g * n.astype(x.dtype) * loop[1], None


sine_with_a_cotangent = cotangent_of(jnp.sin)(lambda x, g: (g * jnp.cos(x),))


@wrong(normal(4), parts=("hessian", "fwd∘fwd"))
@tangent_of(lambda x: -jnp.cos(x))
def slope_without_a_tangent(x, dx):
    """JAX refuses to take a tangent of the tangent."""
    return sine_with_a_cotangent(x) * dx


# Third derivatives.


@tangent_of(lambda x: -jnp.sin(x))
def second_derivative_of_sine(x, dx):
    return jnp.cos(x) * dx


@tangent_of(jnp.cos)
def first_derivative_of_sine(x, dx):
    return second_derivative_of_sine(x) * dx


@wrong(normal(4), parts=("third",), diagnosis="sign", order=3)
@tangent_of(jnp.sin)
def sine_whose_third_derivative_has_a_wrong_sign(x, dx):
    return first_derivative_of_sine(x) * dx


@tangent_of(lambda x: 1 / x)
def slope_of_logarithm(x, dx):
    return -lax.stop_gradient(1 / x**2) * dx


@wrong(positive(4), parts=("third",), diagnosis="zero|missing", order=3, domain=(0, None))
@tangent_of(jnp.log)
def logarithm_whose_second_derivative_is_detached(x, dx):
    return slope_of_logarithm(x) * dx


@tangent_of(jnp.linalg.inv)
def inverse_with_a_detached_tangent(A, dA):
    Y = lax.stop_gradient(jnp.linalg.inv(A))
    return -Y @ dA @ Y


@wrong(MATRIX, parts=("third",), order=3)
@tangent_of(lambda A: jnp.linalg.slogdet(A)[1])
def logdet_with_a_detached_second_derivative(A, dA):
    return jnp.trace(inverse_with_a_detached_tangent(A) @ dA)


# Integers, whose tangents are of type float0.


@wrong(positive(3), np.array([2, 3, 1]), parts=("primal", "dtype", "jvp"))
@tangent_of(lambda x, n: x ** n.astype(x.dtype))
def power_with_a_tangent_for_its_integer_exponent(x, n, dx, dn):
    """JAX raises: nothing may be computed with a float0."""
    n = n.astype(x.dtype)
    return n * x ** (n - 1) * dx + x**n * jnp.log(x) * dn


@wrong(normal(4), parts=("primal", "dtype", "jvp"))
@tangent_of(lambda x: (jnp.max(x), jnp.argmax(x)))
def integer_output_with_an_integer_tangent(x, dx):
    """JAX refuses: the tangent of an index is a float0."""
    return dx[jnp.argmax(x)], jnp.zeros((), int)


@wrong(normal(4), parts=("primal", "dtype", "vjp"))
@cotangent_of(lambda x: (jnp.max(x), jnp.argmax(x)))
def integer_output_whose_cotangent_is_added(x, g):
    """JAX raises: nothing may be computed with a float0."""
    return (jnp.zeros_like(x).at[jnp.argmax(x)].set(g[0] + g[1]),)


# Closures.

square, cube = [
    cotangent_of(lambda x, n=n: x**n)(lambda x, g: (g * n * x ** (n - 1),))  # noqa: B023
    for n in (2, 3)
]


@wrong(normal(4), parts=("vjp",), diagnosis="elementwise factor")
def rules_that_share_the_last_value_of_a_loop(x):
    return square(x) + cube(x)


def softplus(sharpness):
    return lambda x: jax.nn.softplus(sharpness * x) / sharpness


@wrong(normal(4), parts=("jvp",), diagnosis="elementwise factor")
@tangent_of(softplus(3.0))
def softplus_whose_rule_does_not_know_its_sharpness(x, dx):
    return jax.nn.sigmoid(x) * dx


@wrong(np.array(1.3), normal(4), parts=("jvp", "alone"), diagnosis="(zero|missing).*argument 0")
def parameter_detached_for_its_closure(a, x):
    a = lax.stop_gradient(a)
    return tangent_of(lambda x: jnp.sin(a * x))(lambda x, dx: a * jnp.cos(a * x) * dx)(x)


@wrong(np.array(1.3), normal(4), parts=("primal", "dtype", "vjp", "alone"))
def parameter_closed_over(a, x):
    """JAX raises when the parameter is perturbed too."""
    return cotangent_of(lambda x: jnp.sin(a * x))(lambda x, g: (g * a * jnp.cos(a * x),))(x)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def apply(f, x):
    return f(x)


apply.defvjp(lambda f, x: (f(x), x), lambda f, x, g: jax.vjp(f, x)[1](g))


@wrong(np.array(1.3), normal(4), parts=("primal", "dtype", "vjp", "alone"))
def parameter_inside_of_a_function_that_is_not_differentiated(a, x):
    """JAX raises when the parameter is perturbed too."""
    return apply(lambda x: jnp.sin(a * x), x)


@wrong(np.array([0.7, 0.0, -1.2]), parts=SECOND, diagnosis=r"argument 0\[1\]")
@tangent_of(lambda x: jnp.sinc(x / jnp.pi))
def sinc_whose_slope_is_constant_at_zero(x, dx):
    safe = jnp.where(x == 0, 1.0, x)
    return jnp.where(x == 0, 0.0, (jnp.cos(safe) - jnp.sin(safe) / safe) / safe) * dx

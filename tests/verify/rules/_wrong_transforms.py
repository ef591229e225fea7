"""Wrong rules that fail in a dtype, at zero, by not being linear, or under a transform."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero

from ._points import normal, positive
from ._rule import cotangent_of, tangent_of, with_jvp, with_vjp, wrong

# Values under the rule.


def sum_of_sines(x):
    return jnp.sum(jnp.sin(x))


@wrong(normal(4), parts=("primal",), diagnosis="factor|another value")
def value_that_is_a_mean_when_differentiated(x):
    def fwd(x):
        return jnp.mean(jnp.sin(x)), x

    return with_vjp(sum_of_sines, fwd, lambda x, g: (g * jnp.cos(x),))(x)


@wrong(normal(4), parts=("primal",))
def value_without_its_temperature_when_differentiated(x):
    def rule(primals, tangents):
        s = jax.nn.softmax(primals[0])
        return s, s * (tangents[0] - jnp.vdot(s, tangents[0])) / 2

    return with_jvp(lambda x: jax.nn.softmax(x / 2), rule)(x)


@wrong(normal(4), parts=("primal", "dtype"))
def value_in_half_precision_when_differentiated(x):
    def fwd(x):
        return jnp.sin(x).astype(jnp.bfloat16), x

    return with_vjp(jnp.sin, fwd, lambda x, g: (g.astype(x.dtype) * jnp.cos(x),))(x)


# Precision and dtype.


@wrong(normal(4), parts=("jvp",), diagnosis="lower precision")
@tangent_of(jnp.sin)
def tangent_in_half_precision(x, dx):
    return jnp.cos(x).astype(jnp.bfloat16).astype(x.dtype) * dx


@wrong(normal(4), parts=("jvp",), diagnosis="lower precision", double_only=True)
@tangent_of(jnp.sin)
def tangent_in_single_precision(x, dx):
    """Nothing is lost when x is in single precision itself."""
    return jnp.cos(x.astype(jnp.float32)).astype(x.dtype) * dx


@wrong(np.array([2.5075, -1.254, 3.0075]), parts=("vjp",), diagnosis="lower precision")
def residual_kept_in_half_precision(x):
    def fwd(x):
        return jnp.sin(x), x.astype(jnp.bfloat16)

    return with_vjp(jnp.sin, fwd, lambda x, g: (g * jnp.cos(x.astype(g.dtype)),))(x)


@wrong(normal(4), parts=("dtype",))
@cotangent_of(jnp.sin)
def cotangent_of_type_half(x, g):
    return ((g * jnp.cos(x)).astype(jnp.float16),)


@wrong(normal(4), parts=("dtype",))
@cotangent_of(lambda x: jax.lax.complex(jnp.cos(x), jnp.sin(x)))
def complex_cotangent_of_a_real_argument(x, g):
    return (g * jax.lax.complex(-jnp.sin(x), jnp.cos(x)),)


@wrong(normal(4), parts=("dtype", "jvp", "primal"))
@tangent_of(jnp.sin)
def tangent_of_type_half(x, dx):
    """JAX refuses."""
    return (jnp.cos(x) * dx).astype(jnp.float16)


@wrong(np.array(1.3), parts=("dtype",))
@cotangent_of(jnp.floor)
def cotangent_that_is_a_number_of_python(x, g):
    return (0.0,)


# Zeros.


@wrong(normal(4), parts=("zeros",))
@cotangent_of(jnp.sin)
def cotangent_divided_by_its_norm_and_multiplied_again(x, g):
    norm = jnp.linalg.norm(g)
    return (jnp.cos(x) * (g / norm) * norm,)


@wrong(normal(4), positive(4), parts=("zeros", "alone"), diagnosis="zero|missing")
def product_with_a_constant_has_no_tangent(x, y):
    def rule(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        if isinstance(dx, SymbolicZero) or isinstance(dy, SymbolicZero):
            return x * y, jnp.zeros_like(x)
        return x * y, x * dy + y * dx

    product = jax.custom_jvp(jnp.multiply)
    product.defjvp(rule, symbolic_zeros=True)
    return product(x, y)


def with_symbolic_zeros(f, fwd, bwd):
    with_rule = jax.custom_vjp(f)
    with_rule.defvjp(fwd, bwd, symbolic_zeros=True)
    return with_rule


@wrong(normal(4), positive(4), parts=("vjp", "zeros", "alone"), diagnosis="zero|missing")
def perturbed_arguments_taken_for_constants(x, y):
    def fwd(x, y):
        factor_for_x = None if x.perturbed else y.value
        factor_for_y = None if y.perturbed else x.value
        return x.value * y.value, (factor_for_x, factor_for_y)

    def bwd(factors, g):
        return tuple(None if factor is None else g * factor for factor in factors)

    return with_symbolic_zeros(jnp.multiply, fwd, bwd)(x, y)


@wrong(normal(4), parts=("zeros", "alone"))
def symbolic_zero_taken_for_one(x):
    def fwd(x):
        return (jnp.sin(x.value), jnp.exp(x.value)), x.value

    def bwd(x, g):
        g = [jnp.ones_like(x) if isinstance(gi, SymbolicZero) else gi for gi in g]
        return (g[0] * jnp.cos(x) + g[1] * jnp.exp(x),)

    return with_symbolic_zeros(lambda x: (jnp.sin(x), jnp.exp(x)), fwd, bwd)(x)


@wrong(normal(4), parts=("zeros", "alone"))
def symbolic_zero_multiplied(x):
    """JAX raises when one of the two outputs is not used."""

    def fwd(x):
        return (jnp.sin(x.value), jnp.exp(x.value)), x.value

    def bwd(x, g):
        return (g[0] * jnp.cos(x) + g[1] * jnp.exp(x),)

    return with_symbolic_zeros(lambda x: (jnp.sin(x), jnp.exp(x)), fwd, bwd)(x)


# Rules that are not linear.


@wrong(3 * normal(4), parts=("linear", "vjp"), diagnosis="not linear")
@cotangent_of(jnp.sin)
def cotangent_clipped(x, g):
    return (jnp.cos(x) * jnp.clip(g, -1, 1),)


@wrong(normal(4), parts=("linear", "vjp"), diagnosis="not linear")
@cotangent_of(jnp.sin)
def cotangent_reduced_to_its_sign(x, g):
    return (jnp.cos(x) * jnp.sign(g),)


@wrong(normal(4), parts=("linear", "vjp"), diagnosis="not linear")
@cotangent_of(jnp.sin)
def cotangent_normalised(x, g):
    return (jnp.cos(x) * g / (jnp.linalg.norm(g) + 1e-6),)


@wrong(normal(4), parts=("linear", "vjp"), diagnosis="not linear")
@cotangent_of(jnp.sin)
def small_cotangents_dropped(x, g):
    return (jnp.where(jnp.abs(g) > jnp.mean(jnp.abs(g)), jnp.cos(x) * g, 0.0),)


@wrong(normal(4), parts=("zeros", "linear"), diagnosis="not linear")
@cotangent_of(jnp.sin)
def cotangent_with_weight_decay(x, g):
    return (jnp.cos(x) * g + 0.1 * x,)


@wrong(normal(4), parts=("zeros", "linear"), diagnosis="not linear")
@tangent_of(jnp.sin)
def tangent_with_an_offset(x, dx):
    return jnp.cos(x) * dx + 0.01


@wrong(normal(4), parts=("dtype", "linear", "jvp"), diagnosis="not linear")
@tangent_of(jnp.sin)
def tangent_by_a_full_difference(x, dx):
    """JAX refuses to transpose it."""
    return jnp.sin(x + dx) - jnp.sin(x)


@wrong(normal(4), parts=("dtype", "linear", "jvp"), diagnosis="not linear")
@tangent_of(jnp.sin)
def tangent_rounded_to_two_digits(x, dx):
    """JAX refuses to transpose it."""
    return jnp.round(jnp.cos(x) * dx, 2)


# Purity.

calls = itertools.count()
noise = np.random.default_rng(0)


@wrong(normal(4), parts=("pure", "jvp"))
@tangent_of(jnp.sin)
def tangent_that_grows_with_every_call(x, dx):
    return (1 + 0.1 * next(calls)) * jnp.cos(x) * dx


@wrong(normal(4), parts=("pure", "vjp"))
@cotangent_of(jnp.sin)
def cotangent_with_noise_of_numpy(x, g):
    return ((1 + 0.1 * noise.normal()) * jnp.cos(x) * g,)


@wrong(normal(4), parts=("pure", "jit"))
@tangent_of(jnp.sin)
def tangent_halved_when_traced(x, dx):
    return (0.5 if isinstance(x, jax.core.Tracer) else 1.0) * jnp.cos(x) * dx


@wrong(np.array(0.8), parts=("pure", "jit", "vmap"))
@tangent_of(jnp.sin)
def tangent_that_branches_on_a_value(x, dx):
    """JAX raises when x is traced."""
    return jnp.cos(x) * dx if x > 0 else jnp.cos(-x) * dx


@wrong(normal(4), parts=("pure", "jit", "vmap"))
@cotangent_of(jnp.sin)
def cotangent_computed_by_numpy(x, g):
    """JAX raises when x is traced."""
    return (np.cos(np.asarray(x)) * g,)


memory = {}


def sine_that_remembers(x):
    memory["x"] = x
    return jnp.sin(x), None


sine_from_memory = with_vjp(jnp.sin, sine_that_remembers, lambda _, g: (g * jnp.cos(memory["x"]),))


@wrong(normal(4), parts=("vjp", "pure"))
def residual_of_a_later_call(x):
    return sine_from_memory(2 * sine_from_memory(x))


@wrong(normal(4), parts=("pure", "jit", "vmap", "scan", "checkpoint"))
def residual_outside_of_the_trace(x):
    """JAX raises when the forward pass was in an inner transform."""
    return sine_from_memory(x)


# Batches.


@custom_vmap
def matvec(A, x):
    return A @ x


@matvec.def_vmap
def stack_of_matvecs(size, batched, A, x):
    if all(batched):
        return jnp.einsum("bij,bj->bi", A, x), True
    return x @ A if batched[1] else A @ x, True  # right: x @ A.T


matvec_with_rule = tangent_of(matvec)(lambda A, x, dA, dx: dA @ x + A @ dx)


@wrong(normal(3, 3), normal(3), parts=("vmap",))
@tangent_of(lambda A, x: jnp.sin(A @ x))
def batching_rule_wrong_for_an_unbatched_matrix(A, x, dA, dx):
    return jnp.cos(matvec_with_rule(A, x)) * (dA @ x + A @ dx)


@custom_vmap
def cosine(x):
    return jnp.cos(x)


@cosine.def_vmap
def cosine_of_the_first(size, batched, x):
    return jnp.cos(x[0]), False


cosine_with_rule = tangent_of(cosine)(lambda x, dx: -jnp.sin(x) * dx)


@wrong(normal(4), parts=("vmap",))
@tangent_of(jnp.sin)
def batching_rule_that_takes_the_first_of_the_batch(x, dx):
    return cosine_with_rule(x) * dx


@wrong(normal(3, 4), parts=("jvp",))
@tangent_of(jax.nn.softmax)
def softmax_whose_rule_normalises_the_other_axis(x, dx):
    s = jax.nn.softmax(x)
    return s * (dx - jnp.sum(s * dx, 0, keepdims=True))


# Sizes.


@wrong(normal(4), parts=("sizes",), diagnosis="factor")
@tangent_of(lambda x: jnp.mean(jnp.sin(x)))
def mean_over_always_four_entries(x, dx):
    return jnp.sum(jnp.cos(x) * dx) / 4


@wrong(normal(4), parts=("sizes",))
@tangent_of(jnp.sin)
def tangent_squeezed_to_a_scalar(x, dx):
    """JAX refuses when there is one entry."""
    return jnp.squeeze(jnp.diag(jnp.cos(x)) @ dx[:, None])


@wrong(normal(3, 3) + 3 * np.eye(3), parts=("sizes",), diagnosis="transpose")
@cotangent_of(jnp.linalg.inv)
def inverse_with_a_wrong_rule_for_two_by_two(A, G):
    Y = jnp.linalg.inv(A)
    return (-Y @ G.T @ Y if len(A) == 2 else -Y.T @ G @ Y.T,)

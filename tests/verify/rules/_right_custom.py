"""Right rules written by hand: custom_jvp, custom_linear_solve, custom_vmap, primitives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ._points import is_spd, normal, spd
from ._right_reverse import custom_vjp
from ._rule import Rule


@jax.custom_jvp
def log1pexp(x):
    return jnp.log1p(jnp.exp(x))


log1pexp.defjvps(lambda t, y, x: t * jax.nn.sigmoid(x))


@jax.custom_jvp
def product(x, y):
    return x * y


@partial(product.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    (x, y), (s, t) = primals, tangents
    terms = [b * d for b, d in ((y, s), (x, t)) if type(d) is not SymbolicZero]
    return x * y, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(x)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def apply_times(f, n, x):
    for _ in range(n):
        x = f(x)
    return x


@apply_times.defjvp
def _(f, n, primals, tangents):
    (x,), (t,) = primals, tangents
    for _ in range(n):
        x, t = jax.jvp(f, (x,), (t,))
    return x, t


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def bessel(n, x):
    """J_n by the trapezoidal rule, exact for a periodic integrand; 2 J_n' = J_{n-1} - J_{n+1}."""
    angle = jnp.arange(64, dtype=x.dtype)[None, :] * (2 * np.pi / 64)
    return jnp.mean(jnp.cos(n * angle - x[:, None] * jnp.sin(angle)), -1)


@bessel.defjvp
def _(n, primals, tangents):
    (x,), (t,) = primals, tangents
    return bessel(n, x), t * (bessel(n - 1, x) - bessel(n + 1, x)) / 2


@jax.custom_jvp
def int_and_sine(x):
    return jnp.sum(x > 0), jnp.sin(x)


@int_and_sine.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    out = int_and_sine(x)
    return out, (np.zeros(out[0].shape, jax.dtypes.float0), t * jnp.cos(x))


@jax.custom_jvp
def shifted_logsumexp(x):
    c = lax.stop_gradient(jnp.max(x))
    return jnp.log(jnp.sum(jnp.exp(x - c))) + c


shifted_logsumexp.defjvps(lambda t, y, x: jnp.sum(t * jnp.exp(x - y)))


@jax.custom_jvp
def complex_square(z):
    return z * z


complex_square.defjvps(lambda t, y, z: 2 * z * t)


FORWARD = (
    Rule(
        "custom_jvp of log(1 + exp) at ±60",
        log1pexp,
        (np.array([-60.0, 0.3, 60.0]),),
        {"reference": jax.nn.softplus},
    ),
    Rule("custom_jvp with symbolic zeros", product, (normal(3), normal(3, seed=1))),
    Rule(
        "custom_jvp with symbolic zeros, one argument fixed",
        lambda x: product(x, jnp.ones_like(x)),
        (normal(3),),
    ),
    Rule(
        "custom_jvp with a function and an integer fixed",
        partial(apply_times, jnp.sin, 3),
        (normal(3),),
    ),
    Rule("custom_jvp calling itself at other orders", partial(bessel, 1), (np.array([0.3, 4.0]),)),
    Rule("custom_jvp with an integer output", int_and_sine, (normal(3),)),
    Rule(
        "custom_jvp of a shifted logsumexp",
        shifted_logsumexp,
        (1e3 * normal(3),),
        {"reference": jax.nn.logsumexp},
    ),
    Rule("custom_jvp, holomorphic", complex_square, (normal(2) + 1j * normal(2, seed=1),)),
    Rule(
        "logsumexp with its maximum held fixed",
        shifted_logsumexp.fun,
        (np.array([0.3, 1.0, -2.0]),),
    ),
    Rule(
        "custom_jvp under scan",
        lambda x: lax.scan(lambda c, _: (log1pexp(c), c), x, length=3),
        (normal(2),),
    ),
)


def cholesky_solve(A, b):
    S = (A + A.T) / 2
    factor = jax.scipy.linalg.cho_factor(lax.stop_gradient(S))
    return lax.custom_linear_solve(
        lambda x: S @ x, b, lambda _, y: jax.scipy.linalg.cho_solve(factor, y), symmetric=True
    )


def triangular_solve(A, b):
    L = jnp.tril(A)
    return lax.custom_linear_solve(
        lambda x: L @ x,
        b,
        lambda _, y: jax.scipy.linalg.solve_triangular(lax.stop_gradient(L), y, lower=True),
        lambda _, y: jax.scipy.linalg.solve_triangular(
            lax.stop_gradient(L), y, lower=True, trans=1
        ),
    )


@custom_vmap
def batched_sine(x):
    return jnp.sin(x)


@batched_sine.def_vmap
def _(size, batched, x):
    return jnp.sin(x), batched[0]


@custom_vjp(lambda args, w: (w * jnp.cos(args[0]),))
def sine_with_batching(x):
    return batched_sine(x)


@jax.custom_jvp
def numpy_sine(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, shape, x, vmap_method="expand_dims")


numpy_sine.defjvps(lambda t, y, x: t * jnp.cos(x))


def primitive(name, f):
    p = Primitive(name)
    p.def_impl(jax.jit(f))
    p.def_abstract_eval(lambda x: x)
    mlir.register_lowering(p, mlir.lower_fun(f, multiple_results=False))
    batching.defvectorized(p)
    return p


cube_p = primitive("cube", lambda x: x * x * x)
ad.defjvp(cube_p, lambda t, x: 3 * x * x * t)

scale_p = primitive("scale", lambda x: 5 * x)
ad.deflinear2(scale_p, lambda w, x: [scale_p.bind(w)])

OTHER = (
    Rule(
        "custom_linear_solve, symmetric",
        cholesky_solve,
        (spd(3), normal(3)),
        {"domain": is_spd},
    ),
    Rule(
        "custom_linear_solve, triangular",
        triangular_solve,
        (2 * np.eye(3) + 0.3 * normal(3, 3), normal(3)),
    ),
    Rule("custom_vmap inside a custom_vjp", sine_with_batching, (normal(3),), {"order": 1}),
    Rule("callback to NumPy with a rule", numpy_sine, (normal(3),)),
    Rule("primitive with its own rules", cube_p.bind, (normal(3),)),
    Rule("linear primitive", scale_p.bind, (normal(3),)),
    Rule("primitive in a chain", lambda x: jnp.sin(cube_p.bind(scale_p.bind(x))), (normal(3) / 4,)),
)

RULES = FORWARD + OTHER

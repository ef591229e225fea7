"""Linear maps that are known as algorithms, and equations that one solves, at every order.

x defined by  M(a) x = b.  Differentiate the equation:  dx = M⁻¹ (db - (dM) x),  and in reverse  b̄ = M⁻ᵀ x̄,
ā from -b̄ᵀ (dM) x.  That is what JAX transposes and differentiates. To evaluate dx takes less: an algorithm
that finds x step by step finds dx on its way, in one pass. (What is solved by factors is in `_solve`.)
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

from ._primitive import mapped_axes_in_front

Arrays = list[jax.Array]


def solve(
    equations: Callable, algorithms: tuple[Callable, Callable], fixed: Arrays, a: Arrays, b: Arrays
) -> Arrays:
    """The x with equations(fixed, a, x) = b, differentiable in `a` and b at every order.

    Args:
      equations: linear in x, of the shapes of b.
      algorithms: (fixed, a, b) ↦ x, and the same for the transposed equations. Neither is transposed;
        derivatives of a solve are evaluated as theirs.
      fixed: what has no derivatives, integers among it.
    """
    forwards, backwards = algorithms

    def transposed(fixed, a, w):
        return jax.linear_transpose(partial(equations, fixed, a), w)(w)[0]

    def transpose(fixed, a, w):
        return solve(transposed, (backwards, forwards), fixed, a, w)

    derivative = partial(_derivative, equations, algorithms)
    return _linear(forwards, transpose, derivative, fixed, a, b)


def _derivative(equations, algorithms, fixed, a, b, x, da, db):
    """dx, which is linear in (da, db) at (a, b, x)."""
    in_a, in_b = len(a), len(b)

    def in_one_pass(fixed, at, moving):
        (a, b, _), (da, db) = _split(at, in_a, in_b), _split(moving, in_a)
        return jax.jvp(partial(algorithms[0], fixed), (a, b), (da, db))[1]

    def right_hand_side(fixed, at, moving):
        (a, _, x), (da, db) = _split(at, in_a, in_b), _split(moving, in_a)
        moved = jax.jvp(lambda a: equations(fixed, a, x), (a,), (da,))[1]
        return jax.tree.map(jnp.subtract, db, moved)

    def transpose(fixed, at, w):
        def by_equation(moving):
            rest = right_hand_side(fixed, at, moving)
            return solve(equations, algorithms, fixed, at[:in_a], rest)

        return jax.linear_transpose(by_equation, at[: in_a + in_b])(w)[0]

    def derivative(fixed, at, moving, dx, dat, dmoving):
        def defect(at, moving):
            left = equations(fixed, at[:in_a], dx)
            return jax.tree.map(jnp.subtract, right_hand_side(fixed, at, moving), left)

        rest = jax.jvp(defect, (at, moving), (dat, dmoving))[1]
        return solve(equations, algorithms, fixed, at[:in_a], rest)

    return _linear(in_one_pass, transpose, derivative, fixed, [*a, *b, *x], [*da, *db])


def _split(arrays, *counts):
    parts = []
    for count in counts:
        parts.append(arrays[:count])
        arrays = arrays[count:]
    return *parts, arrays


# -- the primitive


def _linear(function, transpose, derivative, fixed, a, b):
    """function(fixed, a, b), linear in b, with `fixed` as in `solve`.

    Args:
      transpose: (fixed, a, cotangents of the results) ↦ those of b.
      derivative: (fixed, a, b, results, da, db) ↦ tangents of the results.
      None of the functions closes over what is differentiated or mapped.
    """
    jaxpr = jax.make_jaxpr(function)(fixed, a, b)
    counts = len(fixed), len(a)
    return linear_p.bind(
        *fixed, *a, *b, jaxpr=jaxpr, transpose=transpose, derivative=derivative, counts=counts
    )


linear_p = Primitive("linear")
linear_p.multiple_results = True


def _jvp(primals, tangents, *, jaxpr, transpose, derivative, counts):
    fixed, a, b = _split(list(primals), *counts)
    _, da, db = _split(list(tangents), *counts)
    same = partial(
        linear_p.bind, jaxpr=jaxpr, transpose=transpose, derivative=derivative, counts=counts
    )
    x = same(*primals)
    if all(type(t) is ad.Zero for t in (*da, *db)):
        return x, [ad.Zero(jax.typeof(y).to_tangent_aval()) for y in x]
    db = [*map(ad.instantiate_zeros, db)]
    if all(type(t) is ad.Zero for t in da):
        return x, same(*fixed, *a, *db)
    return x, derivative(fixed, a, b, x, [*map(ad.instantiate_zeros, da)], db)


def _transpose(cotangents, *args, jaxpr, transpose, derivative, counts):
    fixed, a, b = _split(list(args), *counts)
    bars = transpose(fixed, a, [*map(ad.instantiate_zeros, cotangents)])
    bars = [x if ad.is_undefined_primal(y) else None for x, y in zip(bars, b, strict=True)]
    return [None] * (len(fixed) + len(a)) + bars


def _batch(level, args, axes, *, jaxpr, transpose, derivative, counts):
    """Whatever is linear is mapped, so that its cotangents are."""
    params = dict(jaxpr=jaxpr, transpose=transpose, derivative=derivative, counts=counts)
    names = {effect.name for effect in jaxpr.effects if hasattr(effect, "name")}
    if all(axis is None for axis in axes) and level.name not in names:
        return linear_p.bind(*args, **params), [None] * len(jaxpr.out_avals)
    fixed, a, b = _split(mapped_axes_in_front(args, axes), *counts)
    in_fixed, in_a, in_b = _split([None if axis is None else 0 for axis in axes], *counts)
    b = [
        jnp.broadcast_to(x, (level.size, *x.shape)) if axis is None else x
        for x, axis in zip(b, in_b, strict=True)
    ]

    def function(fixed, a, b):
        return jaxpr_as_fun(jaxpr)(*fixed, *a, *b)

    mapped = partial(jax.vmap, axis_name=level.name, spmd_axis_name=level.spmd_name)
    results = _linear(
        mapped(function, (in_fixed, in_a, 0)),
        mapped(transpose, (in_fixed, in_a, 0)),
        mapped(derivative, (in_fixed, in_a, 0, 0, in_a, 0)),
        fixed,
        a,
        b,
    )
    return results, [0] * len(results)


def _evaluate(*args, jaxpr, transpose, derivative, counts):
    return jaxpr_as_fun(jaxpr)(*args)


linear_p.def_abstract_eval(lambda *_, jaxpr, **__: jaxpr.out_avals)
linear_p.def_impl(lambda *args, **params: jax.jit(partial(linear_p.bind, **params))(*args))
ad.primitive_jvps[linear_p] = _jvp
ad.primitive_transposes[linear_p] = _transpose
batching.fancy_primitive_batchers[linear_p] = _batch
mlir.register_lowering(linear_p, mlir.lower_fun(_evaluate, multiple_results=True))

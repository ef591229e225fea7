"""A solution made differentiable: one primitive, the identity in x, whose derivative is that of a root.

F(x(θ), θ) = 0 whatever found x. Differentiate the equation:

    F_x dx + F_θ dθ = 0,        dx = -F_x⁻¹ F_θ dθ        at x(θ) itself.

The rule binds the primitive again for the x it uses, so the next derivative sees that x depends on θ:
every order follows, in every mode. The linear solve is sealed with its transpose
(`custom_linear_solve`). A primitive, unlike a `custom_jvp`, keeps its rule inside other rules, as
where an inner problem is part of an outer one. Under vmap the rule is mapped: each lane is solved
for itself, and a singular one is NaN alone.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .._core._constant import constant
from .._core._primitive import mapped_axes_in_front
from ._equation import Equation, differentiable, varying_as
from ._linear import Solve

attach_p = Primitive("attach_implicit")


def attach(x: jax.Array, equation: Equation, solve: Solve) -> jax.Array:
    """The vector x, with the derivatives of the root of `equation` in its parameters."""
    rule = _rule(equation.F, solve)
    x = varying_as(constant(x), equation.parameters)
    return attach_p.bind(x, *equation.parameters, rule=rule)


def _rule(F: Callable, solve: Solve):
    def tangent(x, parameters, directions):
        """dx. A direction is None where the parameter does not move."""
        moving = [i for i, d in enumerate(directions) if d is not None]

        def of_moving(*some):
            values = list(parameters)
            for i, value in zip(moving, some, strict=True):
                values[i] = value
            return F(x, tuple(values))

        some = tuple(parameters[i] for i in moving)
        _, push = jax.jvp(of_moving, some, tuple(directions[i] for i in moving))
        return -solve(F, x, parameters, push)

    return tangent


attach_p.def_impl(lambda x, *parameters, rule: x)
mlir.register_lowering(attach_p, lambda ctx, x, *parameters, rule: [x])


@attach_p.def_abstract_eval
def _abstract(x, *parameters, rule):
    return x


def _jvp(primals, tangents, *, rule):
    # Outside jit, jax leaves a Python number a number, which equinox takes for a constant.
    primals = [p if eqx.is_array(p) else jax.device_put(p) for p in primals]
    x = attach_p.bind(*primals, rule=rule)
    directions = [None if type(t) is ad.Zero else t for t in tangents[1:]]
    directions = [
        jnp.asarray(d) if d is not None and differentiable(p) else None
        for d, p in zip(directions, primals[1:], strict=True)
    ]
    if all(d is None for d in directions):
        return x, ad.Zero(jax.typeof(x).to_tangent_aval())
    return x, rule(x, primals[1:], directions)


def _batch(args, axes, *, rule):
    (size,) = {a.shape[axis] for a, axis in zip(args, axes, strict=True) if axis is not None}
    x, *parameters = mapped_axes_in_front(args, axes)
    if axes[0] is None:  # one solution, whose derivatives differ
        x = jnp.broadcast_to(x, (size, *x.shape))
    own = tuple(None if axis is None else 0 for axis in axes[1:])

    def tangent(x, parameters, directions):
        along = tuple(None if d is None else a for d, a in zip(directions, own, strict=True))
        lanes = jax.vmap(rule, in_axes=(0, own, along))
        return lanes(x, tuple(parameters), tuple(directions))

    return attach_p.bind(varying_as(x, parameters), *parameters, rule=tangent), 0


ad.primitive_jvps[attach_p] = _jvp
batching.primitive_batchers[attach_p] = _batch

"""The derivative of a flow is a flow: y(t₁; t₀, x), x = (y₀, θ), with derivatives of every order.

Write D^k for the k-th derivative of y in x. Differentiate y' = f(t, y, θ) in x: the tensors
y, Dy, .., D^k y are the solution of one differential equation, whose right-hand sides are

    (D^j y)' = D^j [ δ ↦ f(t, P(δ), θ + δ_θ) ](0),        P(δ) = y + Dy δ + D²y[δ, δ]/2 + ..,

and a solver that controls all of them gets derivatives that are as right as the solution. Then, with
y(t₁; t₀ + dt₀, y₀) = y(t₁; t₀, y₀ - f(t₀, y₀, θ) dt₀),

    d(D^j y) = D^j [ δ ↦ P'(δ) (dy₀ - f(t₀, y₀ + δ_y, θ + δ_θ) dt₀, dθ) + f(t₁, P(δ), θ + δ_θ) dt₁ ](0)

is the same function again, one order up, times tangents: linear, so it transposes, and no loop is ever
differentiated. It costs n (n + p)^k states: for systems of few states and parameters. θ is what may have
a tangent, arrays that are traced. x is scaled by its size where that is more than one, so that no derivative
in a large number hides below the tolerance.
"""

import math
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from .._core._constant import constant
from ._norm import largest, of_vector, with_norm

SOLVER = diffrax.Tsit5()


class Flow(eqx.Module):
    """The map (t₀, t₁, y₀) ↦ y₁ of y' = f(t, y, args), for vectors y₀, and whether the solver succeeded.

    y₁ is NaN where it did not. With a diffrax `adjoint` the derivatives are its own.
    """

    field: Callable
    theta: jax.Array
    rest: Any
    solver: diffrax.AbstractSolver
    controller: diffrax.AbstractStepSizeController
    max_steps: int = eqx.field(static=True)
    adjoint: diffrax.AbstractAdjoint | None = None

    def __call__(self, t0, t1, y0):
        if self.adjoint is not None:
            return _through_diffrax(self, t0, t1, y0)
        options = dict(field=self.field, rest=self.rest, solver=self.solver)
        options |= dict(controller=self.controller, max_steps=self.max_steps)
        # Within loops and branches JAX gives what does not move a tangent, too.
        (y1,), okay = _tensors(y0, self.theta, t0, t1, order=0, **constant(options))
        return y1, okay

    def velocity(self, t, y):
        """f(t, y, args)."""
        return self.field(t, y, self.theta, self.rest)


def flow_of(f, t, y, args, solver, controller, max_steps, adjoint=None):
    """The `Flow` of f, a vector y, and the function that makes of a vector what f calls y."""
    y, unravel = vector(y)
    controller = with_norm(tolerant(controller, y.dtype), of_vector(unravel))
    solver = with_norm(solver, of_vector(unravel))
    t = jnp.asarray(t, y.dtype)
    function = bind(f, (t, unravel(y), args))
    differentiable, rest = eqx.partition((function, args), _may_move)
    theta, with_theta = vector(differentiable, y.dtype)

    def field(t, y, theta, rest):
        function, args = eqx.combine(with_theta(theta), rest)
        return ravel_pytree(function(t, unravel(y), args))[0]

    shape = eqx.filter_eval_shape(field, t, y, theta, rest).shape
    if shape != y.shape:
        raise ValueError(
            f"the vector field f(t, y, args) must return what has the shape of y: y has {y.size} numbers, "
            f"f returned {math.prod(shape)}"
        )
    return Flow(field, theta, rest, solver, controller, max_steps, adjoint), y, unravel


def bind(function, arguments):
    """The function with what it closes over made visible, as leaves of a pytree."""
    return eqx.filter_closure_convert(function, *arguments)


def vector(tree, dtype=None):
    """The leaves of a tree as one real vector, of floats if they are integers, and the way back."""
    tree = jax.tree.map(lambda x: jnp.asarray(x), tree)
    dtypes = [x.dtype for x in jax.tree.leaves(tree)]
    if any(jnp.issubdtype(d, jnp.complexfloating) for d in dtypes):
        raise TypeError(
            "complex states and parameters have no derivative of this kind: pass real and imaginary parts"
        )
    if dtype is None:
        with jax.numpy_dtype_promotion("standard"):
            dtype = jnp.promote_types(jnp.result_type(*dtypes, float), jnp.float32)
    flat, unravel = ravel_pytree(jax.tree.map(lambda x: x.astype(dtype), tree))
    structure = jax.tree.structure(tree)

    def back(flat):
        kinds = jax.tree.unflatten(structure, dtypes)
        floating = lambda x, d: x.astype(d) if jnp.issubdtype(d, jnp.inexact) else x  # noqa: E731
        return jax.tree.map(floating, unravel(flat), kinds)

    return flat.astype(dtype), back


def only_if(okay, x, *times):
    """x, or NaN with derivatives that are NaN: those of a NaN chosen in its place would be 0.

    Those in `times`, too, of which a failed x may know nothing.
    """
    x = x * jnp.where(okay, 1.0, jnp.nan)
    for t in times:
        x = x + (t - constant(t)) * jnp.where(okay, 0.0, jnp.nan)
    return x


def tolerant(controller, dtype):
    """The controller, by default one that asks for half of the digits."""
    half = float(jnp.finfo(dtype).eps) ** 0.5
    return diffrax.PIDController(rtol=half, atol=half) if controller is None else controller


def root_tolerance(controller, dtype):
    """rtol and atol of a root finder on a flow: those of its controller, or half of the digits.

    rtol is at least 100 eps: a controller's may be 0, and a root is known to rounding.
    """
    eps = float(jnp.finfo(dtype).eps)
    rtol, atol = map(float, tolerances(controller, eps**0.5))
    return max(rtol, 100 * eps), max(atol, 0.0)


def tolerances(controller, default):
    """rtol and atol of a controller, if it has any."""
    return (getattr(controller, name, default) for name in ("rtol", "atol"))


def _may_move(x):
    return isinstance(x, Tracer) and eqx.is_inexact_array(x)


def _through_diffrax(flow, t0, t1, y0):
    def field(t, y, args):
        return flow.field(t, y, *args)

    args = (flow.theta, flow.rest)
    solution = _solve(
        field, t0, t1, y0, args, flow.solver, flow.controller, flow.max_steps, flow.adjoint
    )
    return only_if(solution[1], solution[0]), solution[1]


def _solve(field, t0, t1, y0, args, solver, controller, max_steps, adjoint):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        t0,
        t1,
        None,
        y0,
        args,
        stepsize_controller=controller,
        max_steps=max_steps,
        adjoint=adjoint,
        throw=False,
    )
    y1 = jax.tree.map(lambda x: x[-1], solution.ys)
    return y1, solution.result == diffrax.RESULTS.successful


@eqx.filter_custom_jvp
def _tensors(y0, theta, t0, t1, *, order, field, rest, solver, controller, max_steps):
    """(y, Dy, .., D^order y) at t₁, and whether the solver succeeded."""
    n, p = len(y0), len(theta)
    # Not smaller than one: a small derivative times a small θ would hide below atol.
    largest_y = jnp.full_like(y0, jnp.abs(y0).max(initial=1))
    sizes = jnp.concatenate([largest_y, jnp.maximum(jnp.abs(theta), 1)])

    def derivative(t, tensors, args):
        theta, sizes, rest = args

        def moved(d):
            return field(t, _taylor(tensors, d), theta + (sizes * d)[n:], rest)

        return tuple(_derivatives(moved, n + p, order, y0.dtype))

    start = [y0, jnp.eye(n, n + p, dtype=y0.dtype) * sizes[None]]
    start += [jnp.zeros((n,) + (n + p,) * j, y0.dtype) for j in range(2, order + 1)]
    controller, solver = with_norm(controller, largest), with_norm(solver, largest)
    start = tuple(start[: order + 1])
    args, adjoint = (theta, sizes, rest), diffrax.ForwardMode()
    end, okay = _solve(derivative, t0, t1, start, args, solver, controller, max_steps, adjoint)
    end = [_rescale(tensor, j, sizes) for j, tensor in enumerate(end)]
    return tuple(only_if(okay, tensor) for tensor in end), okay


@_tensors.def_jvp
def _tensors_jvp(primals, tangents, *, order, field, rest, **options):
    y0, theta, t0, t1 = primals
    n, p = len(y0), len(theta)
    dy0, dtheta, dt0, dt1 = tangents
    raises = any(tangent is not None for tangent in (dy0, dtheta, dt0))
    known = dict(field=field, rest=rest, **options)
    tensors, okay = _tensors(*primals, order=order + raises, **known)

    def start_moves(d):
        dy = jnp.zeros_like(y0) if dy0 is None else dy0
        dy = dy if dt0 is None else dy - field(t0, y0 + d[:n], theta + d[n:], rest) * dt0
        return jnp.concatenate([dy, jnp.zeros_like(theta) if dtheta is None else dtheta])

    def moved(d):
        change = jnp.zeros_like(y0)
        if raises:
            change = jax.jvp(lambda d: _taylor(tensors, d), (d,), (start_moves(d),))[1]
        if dt1 is not None:
            change = change + field(t1, _taylor(tensors, d), theta + d[n:], rest) * dt1
        return change

    tangent = tuple(_derivatives(moved, n + p, order, y0.dtype))
    return (tensors[: order + 1], okay), (tangent, None)


def _taylor(tensors, d):
    """P(δ) = Σ D^j y[δ, .., δ] / j!"""
    total = tensors[0]
    for j, tensor in enumerate(tensors[1:], 1):
        for _ in range(j):
            tensor = jnp.tensordot(tensor, d, 1, precision=lax.Precision.HIGHEST)
        total = total + tensor / math.factorial(j)
    return total


def _derivatives(g, q, order, dtype):
    """g(0), Dg(0), .., D^order g(0)."""
    for _ in range(order + 1):
        yield g(jnp.zeros(q, dtype))
        g = jax.jacfwd(g)


def _rescale(tensor, axes, sizes):
    """From derivatives in δ_i / size_i to those in δ_i."""
    for axis in range(1, axes + 1):
        tensor = tensor / jnp.expand_dims(sizes, [i for i in range(axes + 1) if i != axis])
    return tensor

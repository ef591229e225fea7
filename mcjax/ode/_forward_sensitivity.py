"""Sensitivities S = dy/dp of a flow, solved together with it, and Jacobians of solves.

    y' = f(t, y; θ),    S' = f_y S + [0, f_θ],    S(t0) = [1, 0],    S = [dy/dy0, dy/dθ],

and with times that are arguments, dy(t_k) = S_y (dy0 - f(t0) dt0) + S_θ dθ + f(t_k) dt_k. S is part of the
step size controller's norm, so it is as accurate as y. It is known as a matrix, so the derivative is one
linear map: reverse mode is its transpose, and its own derivative is the same rule for (y, S).

f need not be holomorphic: a complex number moves in two real directions, 1 and i, each with a column.

Source: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I (1993), section I.14;
  Serban and Hindmarsh, CVODES, ACM TOMS 31 (2005), section 2.2.
"""

from functools import partial
from typing import cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from .._core._constant import constant
from ._accepted import LOOPS
from ._field import check_field, hoist, join, slope, split
from ._norm import largest, of_vector, with_field, with_norm
from ._saved import apply_saved, check_saveat, plain_saves, save_times, saved_values


class ForwardSensitivity(diffrax.AbstractAdjoint):
    """Error-controlled forward mode, for `diffrax.diffeqsolve(..., adjoint=ForwardSensitivity())`.

    Identity: S' = f_y S + [0, f_θ], S(t0) = [1, 0], solved with y, S in the norm of the controller.

    Derivatives exist with respect to y0, args, what the vector field closes over, t0 and the times of
    SaveAt(ts=...), t1 where it is saved: jvp, and vjp as the transpose of the same matrix, at every order.
    Only what is differentiated has columns.

    Errors: of the order of the solver's tolerance, relative to S. NaN where the solve for S fails; S and y
      together need more `max_steps` than y alone.
    Cost: a solve for n (1 + P) unknowns, P the number of numbers that are differentiated, complex ones
      twice: for small systems with few parameters. An implicit solver factors a matrix of that size.
    Source: Serban and Hindmarsh, CVODES, ACM TOMS 31 (2005), section 2.2.
    """

    def loop(self, *, args, terms, saveat, t0, t1, dt0, init_state, event, **kwargs):
        kwargs = {k: v for k, v in kwargs.items() if not k.startswith("passed_")}
        del kwargs["throw"]
        check_field("ForwardSensitivity", terms, event)
        check_saveat("ForwardSensitivity", saveat)
        y0 = init_state.y
        terms = hoist(terms, t0, y0, args)
        times = save_times(saveat, t0, t1)
        plain, state, dt0, t1 = constant((*plain_saves(saveat, init_state), dt0, t1))
        state = eqx.tree_at(lambda s: s.y, state, None)
        ys, final, stats = _solve(
            (terms, args), y0, t0, times,
            adjoint=self, saveat=plain, init_state=state, t1=t1, dt0=dt0, **kwargs,
        )  # fmt: skip
        final, stats = constant((final, stats))
        return apply_saved(saveat, final, times, ys, y0, args), stats


@eqx.filter_custom_jvp
def _solve(theta, y0, t0, times, *, adjoint, init_state, **kwargs):
    del times
    terms, args = theta
    init_state = eqx.tree_at(lambda s: s.y, init_state, y0, is_leaf=_is_none)
    final, stats = adjoint._loop(
        terms=terms, args=args, t0=t0, init_state=init_state, event=None, **kwargs, **LOOPS
    )
    return saved_values(final), final, stats


@_solve.def_jvp
def _solve_jvp(primals, tangents, *, adjoint, saveat, init_state, **kwargs):
    theta, y0, t0, times = primals
    dtheta, dy0, dt0, dtimes = tangents
    out = _solve(*primals, adjoint=adjoint, saveat=saveat, init_state=init_state, **kwargs)
    fields, flat_y0, p, dp = _flat_fields(theta, y0, dtheta)
    unravel = ravel_pytree(y0)[1]

    def field(t, y) -> jax.Array:
        first, *rest = (f(t, y, p) for f in fields)
        return sum(rest, first)

    start = [] if dt0 is None else [-field(t0, flat_y0) * dt0.astype(flat_y0.dtype)]
    if jax.tree.leaves(dy0):
        start.append(ravel_pytree(_zeros_for_none(dy0, y0))[0])
    moved = [jnp.zeros((len(t), flat_y0.size), flat_y0.dtype) for t in times]
    if start or p.size:
        matrices = _sensitivities(
            fields, flat_y0, p, times, bool(start), unravel,
            like=theta[0], t0=t0, adjoint=adjoint, **kwargs,
        )  # fmt: skip
        begun = [sum(start[1:], start[0])] if start else []
        along = [_real(v).astype(flat_y0.dtype) for v in (*begun, dp)]
        along = jnp.concatenate(along)
        moved = [jnp.tensordot(S, along, 1, precision=lax.Precision.HIGHEST) for S in matrices]
    for i, (t, dt, y) in enumerate(zip(times, dtimes, out[0], strict=True)):
        if dt is not None:
            slopes = jax.vmap(field)(t, jax.vmap(lambda y: ravel_pytree(y)[0])(y))
            moved[i] += slopes * dt[:, None].astype(slopes.dtype)
    dys = [jax.vmap(unravel)(m) for m in moved]
    return out, (dys, *jax.tree.map(lambda _: None, out[1:]))


def _is_none(x):
    return x is None


def _zeros_for_none(tangents, primals):
    return jax.tree.map(
        lambda t, x: jnp.zeros_like(x) if t is None else t, tangents, primals, is_leaf=_is_none
    )


def _flat_fields(theta, y0, dtheta):
    """(the terms as functions of (t, y, p), flat y0, p, dp), where p is the part of θ that varies."""
    varies = jax.tree.map(lambda t: t is not None, dtheta, is_leaf=_is_none)
    varying, fixed = eqx.partition(theta, varies)
    flat_theta, unravel_theta = ravel_pytree(varying)
    flat_y0, unravel = ravel_pytree(y0)

    def field(i, t, y, p):
        terms, args = eqx.combine(unravel_theta(p), fixed)
        return ravel_pytree(slope(split(terms)[i], t, unravel(y), args))[0]

    fields = [partial(field, i) for i in range(len(split(theta[0])))]
    return fields, flat_y0, flat_theta, ravel_pytree(dtheta)[0]


def _real(v):
    """The real coordinates of a vector: its real parts, then its imaginary ones if it is complex."""
    return jnp.concatenate([v.real, v.imag]) if jnp.iscomplexobj(v) else v


def _directions(v):
    """The vectors, as rows, whose multiples by `_real(v)` add up to v."""
    unit = jnp.eye(v.size, dtype=v.dtype)
    return jnp.concatenate([unit, unit * 1j]) if jnp.iscomplexobj(v) else unit


def _sensitivities(
    fields, y0, p, times, from_y0, unravel, *,
    like, solver, stepsize_controller, t0, t1, dt0, **kwargs,
):  # fmt: skip
    """S (k, n, P) at the times of each part: the columns of y0, if wanted, and of p."""
    n, m = y0.size, p.size
    of_y0, of_p = _directions(y0) if from_y0 else jnp.zeros((0, n), y0.dtype), _directions(p)
    # A derivative in a large number hides below atol, its product with that number does not.
    of_y0 = of_y0 * lax.stop_gradient(jnp.abs(y0)).max(initial=1).astype(y0.dtype)
    of_p = of_p * lax.stop_gradient(jnp.maximum(jnp.abs(p), 1)).astype(p.dtype)[None]
    sizes = jnp.concatenate([jnp.abs(of_y0).sum(1), jnp.abs(of_p).sum(1).astype(y0.real.dtype)])
    begin = jnp.concatenate([of_y0, jnp.zeros((len(of_p), n), y0.dtype)]).T
    pushed = jnp.concatenate([jnp.zeros((len(of_y0), m), p.dtype), of_p])

    def augmented(field):
        def vector_field(t, y_and_S, p):
            y, S = y_and_S
            along = lambda s, dp: jax.jvp(partial(field, t), (y, p), (s, dp))[1]  # noqa: E731
            return field(t, y, p), jax.vmap(along, (1, 0), 1)(S, pushed)

        return diffrax.ODETerm(vector_field)

    def of_both(x):
        # S has zeros where y has none: with atol = 0 their scaled errors would be 0/0.
        smallest = float(jnp.finfo(y0.dtype).tiny)
        return with_field("atol", with_norm(x, largest), lambda atol: jnp.maximum(atol, smallest))

    solver, controller = (with_norm(x, of_vector(unravel)) for x in (solver, stepsize_controller))
    plain = join(like, [diffrax.ODETerm(field) for field in fields])
    dt0 = _first_step(plain, t0, t1, y0, dt0, p, solver, controller)
    solution = diffrax.diffeqsolve(
        join(like, [augmented(field) for field in fields]),
        of_both(solver),
        t0,
        t1,
        dt0,
        (y0, begin),
        p,
        stepsize_controller=of_both(controller),
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=t) for t in times]),
        throw=False,
        **kwargs,
    )
    right = solution.result == diffrax.RESULTS.successful
    found = [S / sizes.astype(S.dtype)[None, None] for _, S in cast(list, solution.ys)]
    return [jnp.where(right, S, jnp.nan) for S in found]


def _first_step(terms, t0, t1, y0, dt0, p, solver, controller):
    """dt0, by default that of y alone: with atol = 0 no step is short enough for an S that starts at zero."""
    if dt0 is not None or not hasattr(controller, "norm"):
        return dt0
    order = solver.error_order(terms)
    with jax.numpy_dtype_promotion("standard"):  # it adds times and complex states
        return controller.init(terms, t0, t1, y0, None, p, solver.func, order)[0] - t0

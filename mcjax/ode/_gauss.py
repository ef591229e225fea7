"""Gradients of flows with an error that a step size controller controls.

The identities are in `_adjoint_solve`: λ is solved backwards along the known solution y(t), with its own
steps at its own tolerance, and dL/dθ = ∫ λᵀ f_θ dt is a Gauss quadrature over those steps. The
derivative of the numerical solution, which is what differentiating the loop gives, is not computed: its
error need not be small where that of the solution is (Sapienza et al. 2024).

In terms of the saved values y_k = y(t_k), whose times are arguments like any other, and J = ∫ g dt,

    dy_k = Φ(t_k, t0) (dy0 - f(t0) dt0) + ∫ Φ(t_k, t) f_θ dθ dt + f(t_k) dt_k
    dJ   = g(t1) dt1 - g(t0) dt0 + ∫ g_y dy + g_θ dθ dt,

so dL/dt_k = Re ȳ_k·f(t_k, y_k), dL/dt1 = J̄ g(t1), and dL/dt0 is that of `_adjoint_solve`.
"""

from collections.abc import Callable
from typing import Literal

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from .._core._constant import constant
from ._accepted import LOOPS, record
from ._adjoint_solve import Problem
from ._backward import backward
from ._cost import integrate_cost
from ._field import check_field, fenced, hoist
from ._flow import only_if
from ._saved import apply_saved, check_saveat, plain_saves, save_times, saved_values
from ._trajectory import default_kind, interpolate

_FIRST_ORDER = (
    "GaussAdjoint: its gradients have no derivatives. For those of second order use "
    "mcjax.ode.ReplayAdjoint() or mcjax.ode.ForwardSensitivity()."
)


class GaussAdjoint(diffrax.AbstractAdjoint):
    """The error-controlled gradient, for `diffrax.diffeqsolve(..., adjoint=GaussAdjoint())`.

    Identity: λ' = -f_yᵀ λ - g_y, λ jumps by dL/dy(t_k) at saved times; dL/dy0 = λ(t0),
      dL/dθ = ∫ λᵀ f_θ + g_θ dt. One solve for λ alone; the integral is a Gauss quadrature over its steps.

    Args:
      solver: of λ, by default that of the solution.
      stepsize_controller: of λ, by default the PIDController of the solution with `tolerance` times its
        rtol and atol, which are those of y: λ is scaled to be as large as y, whatever the unit of the loss.
        Other controllers do not say what accuracy is wanted. One that is given controls λ as it is.
      tolerance: ratio of the tolerances of λ to those of the solution.
      interpolation: the solution between its steps, "hermite" (of degree 5, from f and its derivative
        along the solution; for explicit solvers; of degree 8, with the middle of each step, where their
        order is above 5) or "restep" (of degree 4, from each step repeated to its middle; for implicit
        ones).
      max_steps: of the solve for λ, by default 16 times that of the solution.
      cost: g(t, y, args), a number; ∫ g dt from t0 to t1 is then `solution.stats["cost"]`, and
        `solution.stats["cost_error"]` estimates the error of its quadrature.
      error: a number, of any value. The gradient in it is the error number of the quadrature of dL/dθ,
        the sum over steps of its distance from Kronrod's rule in the 2-norm. Costs seven vjps a step.

    Gradients exist with respect to y0, args, what the vector field closes over, t0, t1 and the times of
    SaveAt(ts=...), complex ones too, where f need not be holomorphic. They are continuous adjoints:
    reverse mode, first order. Forward mode and higher orders raise; they are those of `ReplayAdjoint`
    and `ForwardSensitivity`.

    Errors: of the order of the solver's tolerance. NaN where the solve for λ fails. Steps are chosen for λ:
      where f_θ varies faster than they, `error` tells. Dopri8 interpolates λ worse than it solves for it:
      dL/dθ of a harmonic oscillation was wrong by 1, 5 and 24 rtol at rtol 1e-6, 1e-9 and 1e-12, and by
      1 rtol with GaussAdjoint(solver=diffrax.Tsit5()).
    Cost: a solve for λ of n unknowns, each evaluation a vjp of f, each save time inside (t0, t1) a step of
      its own; three parameter vjps a step, seven where λ's solver is of order above 5. Memory: (6 or 9) n
      numbers for each of `max_steps`.
    Source: Serban and Hindmarsh, CVODES, ACM TOMS 31 (2005); Norcliffe and Deisenroth, Faster training
      of neural ODEs using Gauß-Legendre quadrature (2023); Sapienza et al., Differentiable programming
      for differential equations (2024), arXiv 2406.09699.
    """

    solver: diffrax.AbstractSolver | None = None
    stepsize_controller: diffrax.AbstractStepSizeController | None = None
    tolerance: float = 0.1
    interpolation: Literal["hermite", "restep"] | None = eqx.field(default=None, static=True)
    max_steps: int | None = eqx.field(default=None, static=True)
    cost: Callable | None = None
    error: float | jax.Array | None = None

    def loop(self, *, saveat, **kwargs):
        inputs, keywords = _prepare(self, saveat=saveat, **kwargs)
        ys, integral, final, stats = _solve(inputs, **keywords)
        (_, args, _), y0, _, _, times, _ = inputs
        final, stats = constant((final, stats))
        final = apply_saved(saveat, final, times, ys, y0, args)
        return final, stats | _named(integral)


def loop_with_trajectory(adjoint, **kwargs):
    """A solve that is not differentiated, with its `Problem` beside its statistics."""
    inputs, keywords = _prepare(adjoint, **kwargs)
    (_, integral, final, stats), problem = _forward(*inputs[:4], keep=True, **keywords)
    return final, stats | _named(integral) | {"problem": problem}


def _named(integral):
    return dict(zip(("cost", "cost_error"), integral, strict=False))


def _prepare(adjoint, *, args, terms, saveat, t0, t1, dt0, init_state, event, max_steps, **kwargs):
    """What may vary, and the keywords of the solve, which are constants."""
    kwargs = {k: v for k, v in kwargs.items() if not k.startswith("passed_") and k != "throw"}
    _check(adjoint, terms, saveat, event, max_steps)
    y0 = init_state.y
    terms, cost = fenced(hoist(terms, t0, y0, args)), adjoint.cost
    if cost is not None:
        number = lambda t, y, args: jnp.asarray(adjoint.cost(t, y, args))  # noqa: E731
        cost = eqx.filter_closure_convert(number, t0, y0, args)
    times = save_times(saveat, t0, t1)
    saveat, state, dt0 = constant((*plain_saves(saveat, init_state), dt0))
    state = eqx.tree_at(lambda s: s.y, state, None)
    error = None if adjoint.error is None else jnp.asarray(adjoint.error, t0.dtype)
    inputs = (terms, args, cost), y0, t0, t1, times, error
    keywords = dict(saveat=saveat, init_state=state, dt0=dt0, max_steps=max_steps)
    return inputs, dict(
        adjoint=eqx.tree_at(_varying, adjoint, (None, None), is_leaf=_is_none), **keywords, **kwargs
    )


def _varying(adjoint):
    return adjoint.cost, adjoint.error


def _check(adjoint, terms, saveat, event, max_steps):
    kind = adjoint.interpolation
    if kind not in (None, "hermite", "restep"):
        raise ValueError(f'GaussAdjoint: interpolation is "hermite" or "restep", got {kind!r}')
    check_field("GaussAdjoint", terms, event)
    check_saveat("GaussAdjoint", saveat)
    if max_steps is None:
        raise ValueError(
            "GaussAdjoint keeps the accepted steps, so it needs a bound on them: pass "
            "diffeqsolve(..., max_steps=...)."
        )


def _forward(theta, y0, t0, t1, keep, *, adjoint, solver, saveat, init_state, max_steps, **kwargs):
    """The solution, its cost, and where it is to be kept its trajectory: (outputs, Problem)."""
    terms, args, cost = theta
    init_state = eqx.tree_at(lambda s: s.y, init_state, y0, is_leaf=_is_none)

    keywords = dict(
        kwargs, terms=terms, args=args, solver=solver, saveat=saveat, event=None, t0=t0, t1=t1,
        init_state=init_state, max_steps=max_steps,
    )  # fmt: skip
    if not keep and cost is None:
        final, stats = adjoint._loop(**keywords, **LOOPS)
        return (saved_values(final), (), final, stats), None
    final, stats, steps = record(adjoint._loop, max_steps, **keywords)
    varying, fixed = eqx.partition(theta, eqx.is_inexact_array)
    problem = Problem(None, varying, fixed, None, ravel_pytree(y0)[1])
    trajectory = interpolate(
        steps,
        lambda t, y: problem.field(t, y, varying),
        adjoint.interpolation or default_kind(solver),
        solver,
        terms,
        args,
    )
    problem = eqx.tree_at(lambda p: p.trajectory, problem, trajectory, is_leaf=_is_none)
    integral = () if cost is None else integrate_cost(problem)
    return (saved_values(final), integral, final, stats), problem


def _is_none(x):
    return x is None


@eqx.filter_custom_vjp
def _solve(inputs, **kwargs):
    theta, y0, t0, t1, _, _ = inputs
    return _forward(theta, y0, t0, t1, keep=False, **kwargs)[0]


@_solve.def_fwd
def _solve_fwd(perturbed, inputs, **kwargs):
    del perturbed
    theta, y0, t0, t1, _, _ = eqxi.nondifferentiable(inputs, msg=_FIRST_ORDER)
    out, problem = _forward(theta, y0, t0, t1, keep=True, **kwargs)
    ys, _, final, _ = out
    return out, (problem, ys, final.result)


@_solve.def_bwd
def _solve_bwd(residuals, cotangents, perturbed, inputs, **kwargs):
    problem, ys, result = residuals
    _, y0, t0, t1, times, _ = inputs
    ys_bar, integral_bar, _, _ = cotangents
    source = integral_bar[0] if integral_bar else None
    solved = result == diffrax.RESULTS.successful
    problem = eqx.tree_at(lambda p: p.source, problem, source, is_leaf=_is_none)
    values, jumps = (jnp.concatenate([_rows(y) for y in x]) for x in (ys, _filled(ys_bar, ys)))
    moments = jnp.concatenate(times)
    perturbed_theta = any(jax.tree.leaves(perturbed[0]))
    integrate = "both" if perturbed[5] else "gauss" if perturbed_theta else "nothing"
    adjoint, total, gap = backward(problem, moments, jumps, t0, t1, integrate, solved, **kwargs)

    def along(t, y):
        return problem.field(t, y, problem.theta)

    flat_y0, unravel = ravel_pytree(y0)
    t0_bar = -jnp.sum(adjoint * along(t0, flat_y0)).real
    t1_bar = jnp.zeros_like(t1)
    if source is not None:
        t0_bar -= source * problem.cost(t0, flat_y0, problem.theta)
        t1_bar += source * problem.cost(t1, problem.trajectory(t1), problem.theta)
    times_bar = [None] * len(times)
    if any(perturbed[4]):
        slopes = jnp.sum(jumps * jax.vmap(along)(moments, values), 1).real.astype(moments.dtype)
        ends = np.cumsum([len(t) for t in times])[:-1]
        times_bar = jnp.split(only_if(solved, slopes), ends)
    theta_bar = total if perturbed_theta else jax.tree.map(lambda _: None, problem.theta)
    t0_bar, t1_bar, gap = (x.astype(t0.dtype) for x in (t0_bar, only_if(solved, t1_bar), gap))
    gap = gap if perturbed[5] else None
    return theta_bar, unravel(adjoint), t0_bar, t1_bar, times_bar, gap


def _rows(tree):
    return jax.vmap(lambda y: ravel_pytree(y)[0])(tree)


def _filled(cotangents, values):
    """The cotangents, with zeros for those that JAX knows to be zero."""
    return jax.tree.map(
        lambda c, v: jnp.zeros_like(v) if c is None else c, cotangents, values, is_leaf=_is_none
    )

"""Constrained minima: an augmented Lagrangian finds the active set, Newton on the conditions the rest."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax
from jaxtyping import Array, PyTree

from .._core._constant import constant
from ._active_set import ActiveSet, active_set
from ._apart import apart
from ._attach import attach
from ._certificate import STATUS, Certificate, certify, tolerance
from ._compiled import compiled
from ._equation import varying_as
from ._kkt import KKT, Point, System, conditions, in_units, lagrangian_slope, system
from ._linear import linear_solve
from ._solution import Solution, raise_if_failed, result_of
from ._solvers import default_tolerance
from ._vector import arrays, unknown

_POLISH = 8  # Newton steps on the conditions: two or three where the active set is known
_OUTER = 30  # updates of multipliers


class Multipliers(NamedTuple):
    """Derivatives of the least value: in the value of h, of g, and in the bounds of x."""

    equality: Array
    inequality: Array
    bound: PyTree


class ConstrainedSolution(Solution):
    """A `Solution` with its multipliers and active set.

    multipliers: (equality, inequality, bound), differentiable. With the constraint h - b = 0,
      g - b ≥ 0 or x ≥ b, x ≤ b, each is df*/db.
    active: an `ActiveSet`: what is active, how clearly, and whether derivatives exist.
    """

    multipliers: Multipliers
    active: ActiveSet


@compiled
def constrained_minimise(
    fn: Callable,
    solver: optx.AbstractMinimiser | None,
    y0: PyTree,
    args: Any = None,
    *,
    equality: Callable | None = None,
    inequality: Callable | None = None,
    lower: PyTree = None,
    upper: PyTree = None,
    max_steps: int = 256,
    throw: bool = True,
    on_singular: str = "nan",
) -> ConstrainedSolution:
    """A minimum of fn(y, args) with equality(y, args) = 0, inequality(y, args) ≥ 0, lower ≤ y ≤ upper.

    Identity: d(y, λ, μ) = -R_w⁻¹ R_θ dθ, R the conditions of Karush, Kuhn and Tucker (`_kkt`).

    Args:
      fn, equality, inequality: functions of (y, args), the first a real number, the others pytrees.
      solver: a minimiser of optimistix for the unconstrained problems within; None: BFGS.
      lower, upper: numbers or pytrees like y; ±inf where there is no bound. They may depend on
        parameters, and y is differentiable in them.
      max_steps: of each solve within. on_singular: as in `attach_implicit`.

    Returns:
      a `ConstrainedSolution`, successful only if the conditions hold, y is feasible and no descent is
      left along the active constraints. Derivatives, of y and the multipliers, are NaN where a
      constraint is weakly active (`active.strict`) or, by default, where LICQ fails (`active.licq`).

    Errors: ε κ(R_w). Cost: up to 30 minimisations, then 10 Jacobians of R and their SVDs.
    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 17.4.
    """
    y0, args = unknown(y0, "constrained_minimise"), arrays(args)
    tol = default_tolerance(y0)
    solver = optx.BFGS(tol, tol) if solver is None else solver

    def posed(start, args):
        y0, lower, upper = start
        kkt = KKT(fn, equality, inequality, lower, upper)
        parts = system(kkt, y0, args, "constrained_minimise")
        return _Posed(parts, args)

    start = (y0, lower, upper)
    problem = posed(start, args)
    search = partial(_augmented_lagrangian, max_steps=max_steps)
    w, steps = apart(search, problem, posed, solver, start, args, "constrained_minimise")
    return finish(problem.parts, w, args, on_singular, throw, {"num_steps": steps})


def finish(parts: System, w: Point, args, on_singular, throw, stats) -> ConstrainedSolution:
    """Polish w on the conditions, certify, and attach it to them."""
    parts, units = in_units(parts, w.x, args)
    w = varying_as(units.into(w), parts.lower)
    solve = linear_solve(None, on_singular, frozenset(), "constrained_minimise")
    problem = conditions(parts, w, args, "constrained_minimise")
    vector, certificate = certify(
        problem, problem.unknowns.pack(w), _POLISH, minimum=False, reach=jnp.inf
    )
    found = problem.unknowns.unpack(vector)
    active = active_set(parts, found, args)
    certificate = eqx.tree_at(
        lambda c: (c.curvature, c.status),
        certificate,
        (active.curvature, _status(certificate, active)),
    )
    smooth = conditions(parts, found, args, "constrained_minimise", active)
    w = problem.unknowns.unpack(attach(vector, smooth, solve))
    unpack = parts.unknowns.unpack
    slope = lagrangian_slope(parts, w, args) * units.f
    bound = unpack(jnp.where(active.lower | active.upper, slope, 0))
    w = units.out(w)
    solution = ConstrainedSolution(
        value=unpack(w.x),
        result=result_of(optx.RESULTS.successful, certificate),
        aux=None,
        stats=stats,
        state=None,
        certificate=certificate,
        multipliers=Multipliers(w.equality, w.inequality, bound),
        active=active,
    )
    return raise_if_failed(solution) if throw else solution


def _status(certificate: Certificate, active: ActiveSet):
    tol = tolerance(certificate.residual.dtype)
    down = active.curvature < -(jnp.finfo(active.curvature.dtype).eps ** 0.5)
    status = STATUS.where(certificate.stationary & down, STATUS.saddle, certificate.status)
    infeasible = (active.violation > tol) & (status != STATUS.nonfinite)
    return STATUS.where(infeasible, STATUS.infeasible, status)


class _Posed(NamedTuple):
    parts: System
    args: Any

    @property
    def parameters(self):
        return self.parts.parameters


class _State(NamedTuple):
    x: PyTree
    equality: Array
    above: Array
    penalty: Array
    violation: Array
    steps: Array
    rounds: Array


def _augmented_lagrangian(problem: _Posed, solver, start, max_steps):
    """min f - λ·h + ρ/2 ‖h‖² + Σ (max(0, μ - ρ c)² - μ²) / 2ρ over x; then λ - ρ h, max(0, μ - ρ c)."""
    x0, args = constant((start[0], problem.args))
    parts, units = in_units(constant(problem.parts), problem.parts.unknowns.pack(x0), args)
    unknowns, (m_equal, m_above), f = parts.unknowns, parts.counts, parts.value
    assert f is not None

    def inequalities(x):
        pieces = [parts.inequality(x, args)]
        for bound, side in ((parts.lower, 1), (parts.upper, -1)):
            there = jnp.isfinite(bound)
            pieces.append(jnp.where(there, side * (x - jnp.where(there, bound, 0)), 1))
        return jnp.concatenate(pieces)

    def lagrangian(y, state):
        lam, mu, rho = state
        x = unknowns.pack(y)
        h, c = parts.equality(x, args), inequalities(x)
        outside = jnp.maximum(mu - rho * c, 0)
        return f(x, args) + (rho / 2 * h - lam) @ h + ((outside**2) - mu**2).sum() / (2 * rho)

    def step(s: _State):
        found = optx.minimise(
            lagrangian,
            solver,
            s.x,
            (s.equality, s.above, s.penalty),
            max_steps=max_steps,
            throw=False,
        )
        sane = jnp.isfinite(unknowns.pack(found.value)).all()
        y = jax.tree.map(lambda new, old: jnp.where(sane, new, old), found.value, s.x)
        x = unknowns.pack(y)
        h, c = parts.equality(x, args), inequalities(x)
        violation = jnp.concatenate(
            [jnp.abs(h), jnp.abs(jnp.minimum(c, s.above / s.penalty))]
        ).max()
        worse = violation > s.violation / 4
        return _State(
            y,
            s.equality - s.penalty * h,
            jnp.maximum(s.above - s.penalty * c, 0),
            jnp.where(worse, jnp.minimum(10 * s.penalty, 1e8), s.penalty),
            violation,
            s.steps + found.stats["num_steps"],
            s.rounds + 1,
        )

    def go_on(s: _State):
        return (s.rounds < _OUTER) & (s.violation > default_tolerance(x0))

    n, dtype = unknowns.size, unknowns.pack(x0).dtype
    zero = jnp.zeros((), dtype)
    first = _State(
        x0,
        jnp.zeros(m_equal, dtype),
        jnp.zeros(m_above + 2 * n, dtype),
        zero + 10,
        zero + jnp.inf,
        jnp.zeros((), int),
        jnp.zeros((), int),
    )
    last = lax.while_loop(go_on, step, first)
    x = jnp.clip(unknowns.pack(last.x), parts.lower, parts.upper)
    return units.out(Point(x, last.equality, last.above[:m_above])), last.steps

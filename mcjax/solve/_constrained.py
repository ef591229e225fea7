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
from ._certificate import FLOOR, STATUS, Certificate, certify, tolerance
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
      left along the active constraints, as the Hessian tells. Weakly active ones are not counted: a
      minimum that they alone make is called undecided. Where ∇L and the Hessian vanish together it does
      not tell: a search that ends on the inflection of x³ is called stationary, as the minimum of x⁴ is;
      with a gradient_error near 1, start elsewhere. Derivatives, of y and the multipliers, are NaN where
      a constraint is weakly active (`active.strict`) or, by default, where LICQ fails (`active.licq`).

    Errors: ε κ(R_w). Cost: up to 30 minimisations, then 10 Jacobians of R and their SVDs.
    Sources: Nocedal and Wright, Numerical Optimization (2006), algorithm 17.4; Birgin and Martínez,
    Practical Augmented Lagrangian Methods (2014), chapter 4, of when to raise ρ.
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
    saddle = STATUS.where(active.strict, STATUS.saddle, STATUS.undecided)
    status = STATUS.where(certificate.stationary & down, saddle, certificate.status)
    infeasible = (active.violation > tol) & (status != STATUS.nonfinite)
    return STATUS.where(infeasible, STATUS.infeasible, status)


class _Posed(NamedTuple):
    parts: System
    args: Any

    @property
    def parameters(self):
        return self.parts.parameters


class _State(NamedTuple):
    w: Point
    penalty: Array
    moved: Array
    best: tuple[Array, Point]
    over: Array
    steps: Array
    rounds: Array


def _augmented_lagrangian(problem: _Posed, solver, start, max_steps):
    """min f - λ·h + ρ/2 ‖h‖² + Σ (max(0, μ - ρ c)² - μ²) / 2ρ over x; then λ - ρ h, max(0, μ - ρ c).

    What multipliers change by, over ρ, is h and min(c, μ/ρ): ρ is raised where that does not fall fast.
    But x is found to √ε, and multipliers to ρ √ε: not where it is below √ε, and to ε^(-1/4) at most.
    That change is 0 where μ is and c > 0, whatever ∇f. So the rounds end, and the best is returned, by
    the residual of the conditions of Karush, Kuhn and Tucker. One of 1/√ε is of a search that ran off,
    along an f with no minimum at that ρ: its round does not count, and ends all at the largest ρ.
    """
    x0, args = constant((start[0], problem.args))
    parts, units = in_units(constant(problem.parts), problem.parts.unknowns.pack(x0), args)
    unknowns, (m_equal, m_above), f = parts.unknowns, parts.counts, parts.value
    assert f is not None
    vector, tol = unknowns.pack(x0), default_tolerance(x0)
    size, most = jnp.abs(vector) + FLOOR, tol**-0.5

    def inequalities(x):
        pieces = [parts.inequality(x, args)]
        for bound, side in ((parts.lower, 1), (parts.upper, -1)):
            there = jnp.isfinite(bound)
            pieces.append(jnp.where(there, side * (x - jnp.where(there, bound, 0)) / size, 1))
        return jnp.concatenate(pieces)

    def lagrangian(y, state):
        lam, mu, rho = state
        x = unknowns.pack(y)
        h, c = parts.equality(x, args), inequalities(x)
        outside = jnp.maximum(mu - rho * c, 0)
        return f(x, args) + (rho / 2 * h - lam) @ h + ((outside**2) - mu**2).sum() / (2 * rho)

    def step(s: _State):
        (x, lam, mu), rho = s.w, s.penalty
        fixed = (lam, mu, rho)
        found = optx.minimise(
            lagrangian, solver, unknowns.unpack(x), fixed, max_steps=max_steps, throw=False
        )
        x = unknowns.pack(found.value)
        slope = jax.grad(lambda x: lagrangian(unknowns.unpack(x), fixed))(x)
        h, c = parts.equality(x, args), inequalities(x)
        w = Point(x, lam - rho * h, jnp.maximum(mu - rho * c, 0))
        moved = _largest(h, (mu - w.inequality) / rho)
        residual = _largest(slope * size, h, jnp.minimum(c, w.inequality))
        lost = ~(residual < 1 / tol)
        slow = lost | ((moved > s.moved / 4) & (moved > tol))
        return _State(
            _where(lost, s.w, w),
            jnp.where(slow, jnp.minimum(10 * rho, most), rho),
            jnp.where(lost, s.moved, moved),
            _where((residual < s.best[0]) & ~lost, (residual, w), s.best),
            lost & (rho >= most),
            s.steps + found.stats["num_steps"],
            s.rounds + 1,
        )

    def go_on(s: _State):
        return (s.rounds < _OUTER) & (s.best[0] > tol**0.75) & ~s.over

    zeros = partial(jnp.zeros, dtype=vector.dtype)
    w = Point(vector, zeros(m_equal), zeros(m_above + 2 * unknowns.size))
    far, none = zeros(()) + jnp.inf, jnp.zeros((), int)
    first = _State(w, zeros(()) + 10, far, (far, w), jnp.zeros((), bool), none, none)
    last = lax.while_loop(go_on, step, first)
    x, lam, mu = last.best[1]
    x = jnp.clip(x, parts.lower, parts.upper)
    return units.out(Point(x, lam, mu[:m_above])), last.steps


def _largest(*vectors):
    return jnp.abs(jnp.concatenate(vectors)).max()


def _where(which, one, other):
    return jax.tree.map(lambda a, b: jnp.where(which, a, b), one, other)

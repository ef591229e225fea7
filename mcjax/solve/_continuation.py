"""A branch of solutions y(p) of F(y, p) = 0, followed through its folds by arclength.

z = (y, p) lies on a curve, whose tangent spans the null space of A = [F_y F_p]. At a fold F_y is
singular and A is not, nor is A bordered by any row that the tangent is not orthogonal to. From a point
z with unit tangent τ, Keller's step of length h solves

    F(z⁺) = 0,    τ·(z⁺ - z - h τ) = 0        by Newton from z + h τ:    z⁺ is in the normal plane there;
    [A; τ] t = (0, 1),    τ⁺ = t/‖t‖          the tangent there, in the same sense.

A point is accepted where Newton converged, in step and residual, no farther than h/2 from its prediction,
with a tangent turned by at most 45° (‖t‖ ≤ √2); else h is halved, down to |step|/65536. Afterwards h is
multiplied by 4/(Newton steps), between 1/2 and 2 (Seydel).

The derivative of a point is that of the same two equations, with h constant, which depends on counts alone:

    [A; τ] dz⁺ = -(F_θ dθ, dτ·(z⁺ - z - h τ) - τ·d(z + h τ)):

a second scan, over the points that the first one found. Where along its curve a point lies depends on
all steps before it. What does not, such as a fold, has `fold`.

Source: Keller, in Applications of Bifurcation Theory (1977), 359; Seydel, Practical Bifurcation and
Stability Analysis (2010), chapter 4.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, PyTree

from .._core._constant import constant
from ._attach import attach
from ._compiled import check_count, compiled
from ._equation import Equation, equation, varying_as
from ._linear import jacobian, linear_solve
from ._vector import inexact, packing, unknown

_NEWTON = 8  # steps of a corrector, before h is halved
_SHORTEST = 2.0**-16  # h over |step|, below which a branch has ended


class Branch(eqx.Module):
    """Points of a branch, the first at p0; k and k + 1 are neighbours.

    y: pytree with a leading axis of steps + 1; p: (steps + 1,).
    tangent: (dy/ds, dp/ds), shaped as (y, p). arclength: s at each point, the sum of the steps h.
    converged: False where no step was short enough, and at all points after; y and p are NaN there.
    folds: (steps,), whether dp/ds changes its sign between k and k + 1.
    """

    y: PyTree
    p: Float[Array, " k"]
    tangent: tuple[PyTree, Float[Array, " k"]]
    arclength: Float[Array, " k"]
    converged: Bool[Array, " k"]
    folds: Bool[Array, " k-1"]


@compiled
def continuation(
    fn: Callable,
    y0: PyTree,
    p0: Any,
    args: Any = None,
    *,
    step: Any,
    steps: int,
    max_step: Any = None,
    on_singular: str = "nan",
) -> Branch:
    """The branch of fn(y, p, args) = 0 through (y0, p0), past folds, at `steps` points beyond the first.

    Identity: F(z⁺) = 0, τ·(z⁺ - z - h τ) = 0 and [F_z; τ] τ⁺ ∝ (0, 1), z = (y, p), differentiated.

    Args:
      fn: (y, p, args) ↦ as many numbers as y has. p is one real number.
      y0: a solution at p0, to what Newton's method mends; (y0, p0) is no fold.
      step: the first step, about this change of p; its sign is where to go.
      steps: how many. max_step: the longest in s; None: 4 |step|.
      on_singular: of `attach_implicit`, where derivatives do not exist.

    Returns:
      a `Branch`. jvp, vjp and every order in args and what fn closes over; y0, p0 and step are constants.

    Lengths, in the unit of p:  ds² = (dp² + Σ mean |dy|²/R²) / (L + 1),  over the L leaves of y, with
    R = rms |dy/dp| at the start, or what changes the leaf by 1 % in the first step, if that is more. So
    ds is about |dp| at first, and neither p nor a leaf of y has a unit that decides.

    Errors: ε κ([A; τ]). Cost: about 4 Jacobians with a solve a point, one after the other.
    """
    check_count(steps, 1, "continuation: steps is a number of points")
    _check_lengths(step, max_step)
    y0, p0 = branch_start(y0, p0, "continuation")
    problem = equation(lambda z, args: fn(*z, args), (y0, p0), args, "continuation")
    _check_curve(problem)
    start = varying_as(problem.unknowns.pack((y0, p0)), problem.parameters)
    path = follow(problem, start, groups(y0), step, steps, max_step)
    solve = linear_solve(None, on_singular, frozenset(), "continuation")

    unit = _units(lambda z: problem.F(z, problem.parameters), constant(start), groups(y0), step)

    def F(x, parameters):
        *rest, unit, border, predicted = parameters
        on_curve = problem.F(x * unit, tuple(rest))
        return jnp.concatenate([on_curve, (border @ (x - predicted))[None]])

    def point(before, seen):
        (x, border), (found, length) = before, seen
        parameters = (*problem.parameters, unit, border, x + length * border)
        x = attach(found, problem._replace(F=F, parameters=parameters), solve)
        tangent = _newton(lambda x: problem.F(x * unit, problem.parameters), x, border, 0.0).t
        tangent = tangent / _length(tangent)
        return (x, tangent), (x * unit, tangent * unit)

    begin = (constant(start) / unit, _towards_p(start, step))
    begin = varying_as(begin, (unit, problem.parameters))
    _, points = lax.scan(point, begin, (path.x, path.length))
    (y, p), tangent = (jax.vmap(problem.unknowns.unpack)(z) for z in points)
    turns = tangent[1][1:] * tangent[1][:-1] < 0
    return Branch(y, p, tangent, jnp.cumsum(path.length), path.converged, turns)


def branch_start(y, p, name):
    """y and p as arrays, p of one real number; a Python number in the precision of y."""
    y = unknown(y, name)
    if isinstance(p, int | float):
        p = jnp.asarray(p, packing(y, name).pack(y).dtype)
    p = inexact(p, name)
    if p.shape or jnp.iscomplexobj(p):
        raise ValueError(
            f"{name}: p is one real number, got {p.dtype}{list(p.shape)}; many parameters are a "
            "path of one, fn(y, path(p), args)"
        )
    return y, p


class Path(NamedTuple):
    """Points in the coordinates ζ = z/unit, where ‖dζ‖ = ds, and their distances from those before."""

    x: Array
    length: Array
    converged: Array
    unit: Array


class _Corrected(NamedTuple):
    x: Array
    tangent: Array
    good: Array
    count: Array


class _Step(NamedTuple):
    """Newton's step s, t with A t = 0 and border·t = 1, and the equation: F and A."""

    s: Array
    t: Array
    value: Array
    A: Array


def follow(problem: Equation, z0, leaves, step, steps: int, max_step) -> Path:
    """Keller's steps on problem.F(z, θ) = 0 from z0, constants of differentiation."""
    z0, parameters, step, max_step = constant((z0, problem.parameters, step, max_step))
    z0 = varying_as(z0, parameters)
    step = jnp.asarray(step).astype(z0.dtype)
    longest = 4 * jnp.abs(step) if max_step is None else jnp.asarray(max_step).astype(z0.dtype)
    unit = _units(lambda z: problem.F(z, parameters), z0, leaves, step)

    def to_next(carry, first):
        return _next(lambda x: problem.F(x * unit, parameters), step, longest, carry, first)

    begin = (
        z0 / unit,
        _towards_p(z0, step),
        jnp.minimum(jnp.abs(step), longest),
        jnp.isfinite(step) & (step != 0),
    )
    begin = varying_as(begin, (z0, unit, parameters))
    _, seen = lax.scan(to_next, begin, jnp.arange(steps + 1) == 0)
    points, lengths, converged = constant(seen)
    return Path(points, lengths, converged, constant(unit))


def _towards_p(z, step):
    return jnp.zeros_like(z).at[-1].set(jnp.sign(step).astype(z.dtype))


def _next(F, step, longest, carry, first):
    """The next point of a branch. The first has p = p0 for its plane, and no length."""
    x, border, h, alive = carry
    own = jnp.where(first, 0, 1).astype(h.dtype)
    shortest = jnp.where(first, h, _SHORTEST * jnp.abs(step))

    def shorter(state):
        h = state[0] / 2
        predicted = x + own * h * border
        found = _correct(F, predicted, border, jnp.abs(step))
        near = (_length(found.x - predicted) <= h / 2) & (_length(found.tangent) <= 2**0.5)
        return h, found, found.good & (first | near)

    def go_on(state):
        h, _, good = state
        return alive & ~good & (h / 2 >= shortest)

    no = alive & False
    nothing = _Corrected(x, border, no, jnp.zeros((), int))
    h, found, good = lax.while_loop(go_on, shorter, (2 * h, nothing, no))
    tangent = found.tangent / _length(found.tangent)
    ratio = jnp.clip(4 / found.count, 0.5, 2).astype(h.dtype)
    after = jnp.minimum(jnp.where(first, h, h * ratio), longest)
    point, length = (jnp.where(good, a, jnp.nan) for a in (found.x, own * h))
    return (found.x, tangent, after, good), (point, length, good)


def _correct(F, predicted, border, step) -> _Corrected:
    """Newton's method from a prediction, in the plane normal to the border."""

    def again(found):
        newton = _newton(F, found.x, border, border @ (found.x - predicted))
        x = found.x - newton.s
        return _Corrected(x, newton.t, _converged(newton, x, step), found.count + 1)

    def go_on(found):
        return ~found.good & jnp.isfinite(found.x).all() & (found.count < _NEWTON)

    no = varying_as(jnp.array(False), predicted)
    return lax.while_loop(go_on, again, _Corrected(predicted, border, no, jnp.zeros((), int)))


def _newton(F, x, border, off_plane) -> _Step:
    """Newton's step from x, with rows of A in units of their largest entry."""
    value, push = jax.linearize(F, x)
    A = jacobian(push, x)
    largest = constant(jnp.abs(A).max(1))
    row = jnp.where(largest > 0, largest, 1)
    M = jnp.concatenate([A / row[:, None], border[None]])
    rhs = jnp.zeros((x.size, 2), x.dtype).at[:-1, 0].set(value / row)
    rhs = rhs.at[-1].set(jnp.stack([jnp.asarray(off_plane, x.dtype), jnp.ones((), x.dtype)]))
    solved = jnp.linalg.solve(M, rhs)
    return _Step(solved[:, 0], solved[:, 1], value, A)


def _converged(newton: _Step, x, step):
    """Whether the step to x was small, and what it mended: √ε, so that the next is of its square.

    Where F is steep a short step may leave all of F, so each F_i is to be small, beside what changes of
    the unknowns by their own sizes make of it.
    """
    small = jnp.finfo(x.dtype).eps ** 0.5
    sizes = jnp.abs(x) + step * jnp.abs(newton.t)
    reach = (jnp.abs(newton.A) * sizes[None, :]).sum(1)
    solved = (jnp.abs(newton.value) <= small * reach).all()
    # ∞ is not small beside ∞.
    return solved & jnp.isfinite(x).all() & (_length(newton.s) <= small * (_length(x) + step))


def _units(F, z0, leaves, step):
    """What z is divided by so that ‖dζ‖ = ds: √(L + 1) for p, √(L + 1) √size R for each leaf of y."""
    slope = _newton(F, z0, jnp.zeros_like(z0).at[-1].set(1), 0.0).t
    rows, where = len(set(leaves.tolist())) + 1, np.asarray(leaves)
    counts = np.bincount(where).astype(z0.dtype)

    def rms(v):
        square = jnp.zeros(len(counts), v.dtype).at[where].add(v[:-1] ** 2)
        still = square == 0
        return jnp.where(still, 0, jnp.sqrt(jnp.where(still, 1, square) / counts))

    change, size = rms(slope), 0.01 * rms(z0) / jnp.abs(step)
    R = jnp.maximum(jnp.where(jnp.isfinite(change), change, 0), size)
    R = jnp.where(R > 0, R, 1)
    one = jnp.ones(1, z0.dtype)
    return rows**0.5 * jnp.concatenate([(np.sqrt(counts) * R)[where], one])


def _check_lengths(step, max_step):
    """Raise if one leads nowhere; of arrays that is not known, and the branch is NaN."""
    if isinstance(step, int | float) and not 0 < abs(step) < np.inf:
        raise ValueError(f"continuation: step is finite and not 0, got {step!r}")
    if isinstance(max_step, int | float) and not max_step > 0:
        raise ValueError(f"continuation: max_step is positive, or None, got {max_step!r}")


def groups(y: PyTree) -> np.ndarray:
    """Which leaf of y each of the real numbers belongs to that y is packed in."""
    counts = [x.size * (1 + jnp.iscomplexobj(x)) for x in jax.tree.leaves(y)]
    return np.repeat(np.arange(len(counts)), counts)


def _check_curve(problem: Equation):
    n = problem.unknowns.size - 1
    if problem.rows != n:
        raise ValueError(f"continuation: {problem.rows} equations for {n} unknowns and p")


def _length(v):
    return jnp.sqrt((v * v).sum())

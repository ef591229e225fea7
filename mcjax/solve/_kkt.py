"""The conditions of a constrained minimum as equations, and the derivatives of what solves them.

    min f(x, θ)   with   h(x, θ) = 0,   g(x, θ) ≥ 0,   l ≤ x ≤ u.

With the Lagrangian L = f - λ·h - μ·g, the conditions of Karush, Kuhn and Tucker are equations R(w, θ) = 0
for w = (x, λ, μ), with no inequality left in them:

    R_x = x - l where x - ∇L/c < l,  x - u where x - ∇L/c > u,  else ∇L
    R_λ = h
    R_μ = g where μ > d g,  else μ

A constraint is active where its branch is taken. c and d are any positive numbers at a solution, where
one of the two compared is 0, but near it they decide, and they have units: c_j is a curvature of L along
x_j, which makes ∇L/c a step like Newton's, and d_i = 1 / Σ_j (∂g_i/∂x_j)²/c_j is the multiplier that
costs a unit of g_i. So no unit of f, x or g moves the active set. c_j is, over the size of x_j, what ∇L_j
changes by over x, and ε^(1/4) of what it is made of: L_jj alone is 0 in a product, and then an error of
∇L would reach any bound. Where L is linear in x, a slope above ε^(1/4) of its terms does.

Multipliers have the unit of f over that of their constraint. So f, h and g are taken in units first, of
what they change by as x changes by its own size: a multiplier is then a number like another.

Where all are clearly on one side (strict complementarity) and the gradients of the active ones are
independent (LICQ), R is smooth near the solution and dw = -R_w⁻¹ R_θ dθ as for any root. On the edge,
g = μ = 0, x has one-sided derivatives alone: the margin says how near that is, and derivatives are NaN
there. Newton's method on R finds the active set itself (semismooth Newton). Envelope theorem:
df*/dθ = ∂L/∂θ, so λ and μ are the derivatives of the least value in the right-hand sides of the
constraints.

Sources: Nocedal and Wright, Numerical Optimization (2006), chapter 12; Fiacco, Introduction to Sensitivity
and Stability Analysis in Nonlinear Programming (1983); Qi and Sun, Math. Prog. 58 (1993) 353.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from .._core._constant import constant
from .._core._power_of_two import nearest
from ._certificate import FLOOR
from ._equation import Equation, equation, programs, varying_as
from ._linear import jacobian
from ._vector import Packing, arrays, inexact, packing


class KKT(eqx.Module):
    """A constrained minimum: min fn(x, args) with equality = 0, inequality ≥ 0, lower ≤ x ≤ upper.

    fn, equality, inequality: functions of (x, args); the last two return pytrees of any shape.
    lower, upper: pytrees like x, or a number for all of it. They may depend on parameters.

    `attach_implicit(x, KKT(...), args)` makes an x from anywhere differentiable.
    """

    fn: Callable
    equality: Callable | None = None
    inequality: Callable | None = None
    lower: PyTree = None
    upper: PyTree = None


class Point(NamedTuple):
    """w, vectors: x, the multipliers of equalities, and those of inequalities."""

    x: Array
    equality: Array
    inequality: Array


class Sides(NamedTuple):
    """Which constraints are active, and the curvature of L along each number of x, in size."""

    lower: Array
    upper: Array
    inequality: Array
    curvature: Array


class System(NamedTuple):
    """The parts of the conditions as functions of (vector x, args), and how x is packed.

    value: f, None if only its slope is known. parameters: all arrays that f, h and g depend on.
    """

    value: Callable | None
    slope: Callable
    equality: Callable
    inequality: Callable
    lower: Array
    upper: Array
    unknowns: Packing
    counts: tuple[int, int]
    signed: bool
    parameters: tuple[Array, ...]


def system(kkt: KKT, x: PyTree, args: Any, name: str, slope: Callable | None = None) -> System:
    """The parts of `kkt` near x. `slope` stands for ∇fn where given, (x, args) ↦ pytree like x."""
    unknowns = packing(x, name)
    bounds = [_bound(kkt.lower, x, unknowns, -jnp.inf, name)]
    bounds += [_bound(kkt.upper, x, unknowns, jnp.inf, name)]
    functions = [kkt.fn if slope is None else None, kkt.equality, kkt.inequality]
    traced, x = programs(functions, varying_as(x, bounds), args)
    lower, upper = varying_as(bounds, x)

    def of_vector(fn):
        return lambda x, args: fn(unknowns.unpack(x), args)

    def vector(fn, what):
        if fn is None:
            return lambda x, args: x[:0], 0
        values = packing(fn.out_struct, f"{name}: {what}")
        return lambda x, args: values.pack(fn(unknowns.unpack(x), args)), values.size

    if slope is None:
        value = traced[0].out_struct
        if not (hasattr(value, "shape") and value.shape == () and _is_real(value)):
            raise ValueError(f"{name}: the function to minimise must return one real number")
        value, slopes = of_vector(constant(traced[0])), jax.grad(of_vector(traced[0]))
    else:
        value, slopes = None, lambda x, args: unknowns.pack(slope(unknowns.unpack(x), args))

    h, m_equal = vector(traced[1], "equality")
    g, m_above = vector(traced[2], "inequality")
    if m_above and any(map(jnp.iscomplexobj, jax.tree.leaves(traced[2].out_struct))):
        raise TypeError(f"{name}: inequality ≥ 0 is of real numbers; split complex ones")
    parameters = tuple(jax.tree.leaves(eqx.filter((traced, args), eqx.is_array)))
    counts = (m_equal, m_above)
    return System(value, slopes, h, g, lower, upper, unknowns, counts, slope is None, parameters)


class Units(NamedTuple):
    """Powers of two: how much f, and each of h and g, changes over x; what h or g is where it does not."""

    f: Array
    equality: Array
    inequality: Array

    def into(self, w: Point) -> Point:
        """Multipliers of the constraints in these units."""
        return Point(w.x, *(m * (u / self.f) for m, u in zip(w[1:], self[1:], strict=True)))

    def out(self, w: Point) -> Point:
        """And back."""
        return Point(w.x, *(m * (self.f / u) for m, u in zip(w[1:], self[1:], strict=True)))


def in_units(parts: System, x: Array, args) -> tuple[System, Units]:
    """The parts in their units at x."""
    frozen, x, args = constant((parts, x, args))
    size = jnp.abs(x) + FLOOR

    def change(of):
        value, push = jax.linearize(lambda x: of(x, args), x)
        return jnp.abs(value), (jnp.abs(jacobian(push, x)) * size[None, :]).sum(1)

    slope, turn = change(frozen.slope)
    f = nearest(((slope + turn) * size).max())

    def unit(of):
        value, turn = change(of)
        return nearest(jnp.where(turn > 0, turn, value))

    units = Units(f, unit(frozen.equality), unit(frozen.inequality))

    def scaled(of, unit):
        return lambda x, args: of(x, args) / unit

    parts = parts._replace(
        value=parts.value and scaled(parts.value, units.f),
        slope=scaled(parts.slope, units.f),
        equality=scaled(parts.equality, units.equality),
        inequality=scaled(parts.inequality, units.inequality),
    )
    return parts, units


def _is_real(value):
    return jnp.issubdtype(value.dtype, jnp.floating)


def _bound(bound, x, unknowns, default, name):
    if bound is None:
        return jnp.full((unknowns.size,), default, unknowns.pack(x).dtype)
    bound = inexact(bound, f"{name}: a bound")
    if jax.tree.structure(bound) == jax.tree.structure(0) != jax.tree.structure(x):
        bound = jax.tree.map(lambda _: bound, x)
    if jax.tree.structure(bound) != jax.tree.structure(x):
        raise ValueError(
            f"{name}: bounds must be numbers or pytrees like x, {jax.tree.structure(x)}, got "
            f"{jax.tree.structure(bound)}; use ±inf where there is none"
        )

    def fit(b, leaf):
        if jnp.iscomplexobj(leaf) or jnp.iscomplexobj(b):
            raise TypeError(
                f"{name}: bounds are on real numbers; split complex x into its two parts"
            )
        if b.shape not in ((), leaf.shape):
            raise ValueError(f"{name}: a bound of shape {b.shape} for x of shape {leaf.shape}")
        return jnp.broadcast_to(b, leaf.shape).astype(leaf.dtype)

    return unknowns.pack(jax.tree.map(fit, bound, x))


def lagrangian_slope(parts: System, w: Point, args) -> Array:
    """∇L = ∇f - h_xᵀ λ - g_xᵀ μ."""
    return _slopes(parts, w, args).sum(0)


def _slopes(parts: System, w: Point, args) -> Array:
    """The terms of ∇L, in rows."""
    terms = [parts.slope(w.x, args)]
    for constraint, multiplier in ((parts.equality, w.equality), (parts.inequality, w.inequality)):
        if multiplier.size:
            _, pull = jax.vjp(lambda x, c=constraint: c(x, args), w.x)
            terms.append(-pull(multiplier)[0])
    return jnp.stack(terms)


def sides(parts: System, w: Point, args) -> Sides:
    """Which branch of R is taken at w, from n directional derivatives of ∇L and of g."""
    parts, w, args = constant((parts, w, args))
    x, size = w.x, jnp.abs(w.x) + FLOOR
    terms, push = jax.linearize(lambda x: _slopes(parts, w._replace(x=x), args), x)
    H = jnp.abs(jacobian(push, x)).sum(0)
    slope, made_of, turn = terms.sum(0), jnp.abs(terms).sum(0), (H * size[:, None]).sum(0)
    small = jnp.finfo(x.dtype).eps ** 0.25
    c, curvature = turn + small * made_of, jnp.diag(H) * size + small**2 * (made_of + turn)
    c, curvature = (jnp.where(a > 0, a / size, 1) for a in (c, curvature))
    low, high = slope > c * (x - parts.lower), -slope > c * (parts.upper - x)
    g, push = jax.linearize(lambda x: parts.inequality(x, args), x)
    cheap = (jacobian(push, x) ** 2 / c[None, :]).sum(1)
    return Sides(low, high, w.inequality * jnp.where(cheap > 0, cheap, 1) > g, curvature)


def residual(parts: System, w: Point, args, active) -> Point:
    """R(w): zero where the conditions hold, with these `Sides` or `ActiveSet`."""
    slope, g = lagrangian_slope(parts, w, args), parts.inequality(w.x, args)
    R_x = jnp.where(
        active.lower, w.x - parts.lower, jnp.where(active.upper, w.x - parts.upper, slope)
    )
    return Point(R_x, parts.equality(w.x, args), jnp.where(active.inequality, g, w.inequality))


def conditions(parts: System, w: Point, args, name: str, active: Any = None) -> Equation:
    """The equation R(w) = 0; of an `ActiveSet`, with no derivative in anything unless it is strict."""

    def R(w, args):
        if active is None:
            return residual(parts, w, args, sides(parts, w, args))
        # Of what R chooses between all has to be NaN: in reverse, what is not chosen is 0.
        paths = Point(
            lagrangian_slope(parts, w, args), parts.equality(w.x, args), parts.inequality(w.x, args)
        )
        for bound in (parts.lower, parts.upper):
            paths = paths._replace(x=paths.x + jnp.where(jnp.isfinite(bound), bound, 0))
        value = residual(parts, w, args, active)
        return jax.tree.map(lambda r, path: r + _nothing(path, active.strict), value, paths)

    return equation(R, w, args, name)


def _nothing(path: Array, strict: Array) -> Array:
    """0 times path, NaN unless strict, but 0 where path is: sealed, so that it holds in reverse too."""

    def run(_, b):
        return jnp.where(b == 0, 0, jnp.where(strict, 0, jnp.nan).astype(b.dtype) * b)

    return lax.custom_linear_solve(lambda v: v, path, run, run)


def multipliers(parts: System, x: Array, args) -> Point:
    """w at x: the multipliers that come nearest to ∇L = 0, and to 0 where a constraint is far from active.

    min ‖∇f - Cᵀ ν‖² + ‖diag(c) ν‖² over ν of all constraints c, equalities with c = 0: exact at
    a solution where LICQ holds, continuous near it (Glad and Polak, Math. Prog. 17 (1979) 140).
    """
    x, args, parts = constant((x, args, parts))
    size = jnp.abs(x).max() + 1
    slope = parts.slope(x, args)
    C_h = jax.jacrev(parts.equality)(x, args)
    C_g, g = jax.jacrev(parts.inequality)(x, args), parts.inequality(x, args)
    eye, gaps = jnp.eye(x.size, dtype=x.dtype), jnp.minimum(x - parts.lower, parts.upper - x)
    bounded = jnp.isfinite(gaps)
    C = jnp.concatenate([C_h, C_g, jnp.where(bounded[:, None], eye, 0)])
    c = jnp.concatenate([jnp.zeros(parts.counts[0], x.dtype), g, jnp.where(bounded, gaps, size)])
    length = jnp.sqrt((C**2).sum(1) + (c / size) ** 2)
    length = jnp.where(
        length > 0, length, 1
    )  # of a column: units of constraints say nothing of rank
    rows = jnp.concatenate([C.T, jnp.diag(c / size)]) / length[None, :]
    nu = jnp.linalg.lstsq(rows, jnp.concatenate([slope, jnp.zeros_like(c)]))[0] / length
    m, k = parts.counts
    return Point(x, nu[:m], nu[m : m + k])


def start(kkt: KKT, x: PyTree, args, name: str) -> tuple[System, Point, Any]:
    """The parts in units, w at x, and args with jax arrays."""
    args = arrays(args)
    parts = system(kkt, x, args, name)
    vector = varying_as(parts.unknowns.pack(x), parts.lower)
    parts, _ = in_units(parts, vector, args)
    return parts, multipliers(parts, vector, args), args

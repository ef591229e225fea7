"""Where a minimum is sought: everywhere, in bounds, on a set with a projection P, on a manifold.

For each: how a step stays there, the equation F(x, θ) = 0 that holds at the minimum, and the matrix whose
negative eigenvalues are ways down from a solution of it. g = ∇f, H = f_xx:

    everywhere   F = g                                  H
    bounds       F = g, or x - its bound  (`_kkt`)      H of the free numbers (`_active_set`)
    P            F = x - P(x - α g)                     D - D² + α D H D,  D = P' at x - α g
    manifold     F = tangent(x, g) + c defect(x)        Π F_x Π,  Π = tangent(x, ·)  (`_manifolds`)

The third, with α an inverse curvature at x, so that f has no unit in it; α is a constant, as F does not
change with it where F is 0. P' is symmetric where P projects, as the derivative of a gradient. On the range
of D, F_x is D (D⁻¹ - I + α H), where D⁻¹ - I is the curvature of the set times its multiplier: the Hessian of
the Lagrangian is D⁻¹ - I + α H, and D (D⁻¹ - I + α H) D has as many negative eigenvalues.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._core._constant import constant
from .._core._matmul import matmul
from .._core._power_of_two import nearest
from ._active_set import ActiveSet, active_set
from ._certificate import FLOOR, STATUS, Certificate, certify, tolerance
from ._equation import Equation, equation, gradient
from ._kkt import KKT, Point, conditions, system
from ._linear import jacobian
from ._projections import proximal_residual
from ._vector import Packing


class Feasible(NamedTuple):
    """A set of points, and what a minimum on it is.

    enter: y ↦ a point of the set. move: (y, step) ↦ where the step from y ends, in the set.
    pull: (y, ∇f) ↦ the gradient that an optimiser should see. slope: (y, ∇f) ↦ what is 0 at a minimum.
    certify: (vector, polish) ↦ vector, certificate, active set or None.
    smooth: active set ↦ the equation that has the derivatives.
    """

    enter: Callable[[PyTree], PyTree]
    move: Callable[[PyTree, PyTree], PyTree]
    pull: Callable[[PyTree, PyTree], PyTree]
    slope: Callable[[PyTree, PyTree], PyTree]
    certify: Callable[[Array, int], tuple[Array, Certificate, ActiveSet | None]]
    smooth: Callable[[ActiveSet | None], Equation]


def plus(y: PyTree, step: PyTree) -> PyTree:
    """y + step, in the types of y."""
    return jax.tree.map(lambda y, s: y + s.astype(y.dtype), y, step)


def everywhere(objective: Equation) -> Feasible:
    """No constraint."""
    problem = gradient(objective)

    def judge(x, polish):
        return *certify(problem, x, polish, minimum=True), None

    return Feasible(lambda y: y, plus, _gradient, _gradient, judge, lambda _: problem)


def _gradient(y, g):
    return g


def in_bounds(objective: Equation, y: PyTree, lower: PyTree, upper: PyTree, name: str) -> Feasible:
    """lower ≤ y ≤ upper. The optimiser sees no gradient that pushes a number against its bound."""
    unpack, free = objective.unknowns.unpack, _gradient_map(objective)
    parts = system(KKT(free, lower=lower, upper=upper), y, None, name, lambda y, _: free(y))
    low, high = (constant(unpack(b)) for b in (parts.lower, parts.upper))

    def clip(y):
        return jax.tree.map(lambda y, lo, hi: jnp.minimum(jnp.maximum(y, lo), hi), y, low, high)

    def pull(y, g):
        def inward(y, g, lo, hi):
            return jnp.where(((y <= lo) & (g > 0)) | ((y >= hi) & (g < 0)), 0, g)

        return jax.tree.map(inward, y, g, low, high)

    def slope(y, g):
        """g, and less where the bound is nearer than a number's own size."""

        def short(y, g, lo, hi):
            return g * jnp.minimum(jnp.where(g > 0, y - lo, hi - y) / (jnp.abs(y) + FLOOR), 1)

        return jax.tree.map(short, y, g, low, high)

    def at(x):
        return Point(x, x[:0], x[:0])

    unknowns = objective.unknowns  # their precision, which the vector x does not tell
    problem = conditions(parts, at(unknowns.pack(y)), None, name)._replace(unknowns=unknowns)

    def judge(x, polish):
        x, certificate = certify(problem, x, polish, minimum=False)
        active = active_set(parts, at(x), None)
        certificate = _judged(certificate, active.curvature, unknowns)
        broken = active.violation > tolerance(unknowns.coarsest)
        return x, _within(certificate, ~broken), active

    def smooth(active):
        return conditions(parts, at(objective.unknowns.pack(y)), None, name, active)

    return Feasible(clip, lambda y, s: clip(plus(y, s)), pull, slope, judge, smooth)


def projected(objective: Equation, y: PyTree, project: Callable, name: str) -> Feasible:
    """On the set that `project` projects on."""
    P = traced(project, y)
    if jax.tree.map(_kind, P.out_struct) != jax.tree.map(_kind, y):
        raise ValueError(
            f"{name}: project must return what y0 is, got {P.out_struct}; to leave a part of y free, "
            "return that part as it is"
        )
    frozen = constant(P)
    pack, unpack = objective.unknowns.pack, objective.unknowns.unpack
    slope = constant_gradient(objective)

    def scaled(y, _):
        return _inverse_curvature(slope, constant(pack(y))) * _number(objective, y)

    problem = equation(proximal_residual(scaled, lambda z, _: P(z)), y, None, name)

    def judge(x, polish):
        x, certificate = certify(problem, x, polish, minimum=False)
        alpha = _inverse_curvature(slope, x)
        H = alpha * jax.jacfwd(slope)(x)
        D = jax.jacfwd(lambda z: pack(frozen(unpack(z))))(x - alpha * slope(x))
        C = D - matmul(D, D) + matmul(D, matmul((H + H.T) / 2, D))
        return x, _judged(certificate, _least(C, x), objective.unknowns), None

    return Feasible(
        frozen, lambda y, s: frozen(plus(y, s)), _gradient, _fixed_point(frozen), judge,
        lambda _: problem,
    )  # fmt: skip


def _inverse_curvature(slope, x):
    """A power of two: what takes ∇f, or its change over x, to the size of x."""
    g, push = jax.linearize(slope, x)
    curvature = jnp.abs(jacobian(push, x)).sum(1).max()
    return 1 / nearest(jnp.maximum(curvature, jnp.abs(g).max() / (jnp.abs(x) + FLOOR).max()))


def on_manifold(objective: Equation, y: PyTree, manifold: PyTree, name: str) -> Feasible:
    """On a manifold, or a pytree of them like y."""
    if jax.tree.structure(manifold) != jax.tree.structure(y):
        raise ValueError(
            f"{name}: manifold must be one for an array y0, or a pytree of them like y0, "
            f"{jax.tree.structure(y)}, got {jax.tree.structure(manifold)}"
        )

    def tangent(y, v):
        return jax.tree.map(lambda m, y, v: m.tangent(y, v), manifold, y, v)

    def retract(y, v):
        v = jax.tree.map(lambda y, v: v.astype(y.dtype), y, v)
        return jax.tree.map(lambda m, y, v: m.retract(y, v), manifold, y, tangent(y, v))

    def enter(y):
        return jax.tree.map(lambda m, y: m.retract(y, jnp.zeros_like(y)), manifold, y)

    jax.eval_shape(enter, y)  # a manifold says which shapes it does not have
    pack, unpack = objective.unknowns.pack, objective.unknowns.unpack
    slope, free = constant_gradient(objective), _gradient_map(objective)

    def size_of_slope(x):
        g, change = jax.jvp(slope, (x,), (jnp.abs(x) + FLOOR,))
        size = jnp.abs(g).max() + jnp.abs(change).max()
        return jnp.where(size > 0, size, 1)

    def on(y, _):
        size = size_of_slope(constant(pack(y)))
        off = jax.tree.map(lambda m, y: m.defect(y) * size.astype(y.dtype), manifold, y)
        return jax.tree.map(jnp.add, tangent(y, free(y)), off)

    problem = equation(on, y, None, name)

    def judge(x, polish):
        x, certificate = certify(problem, x, polish, minimum=False)
        # Newton's step is along the tangent, and leaves the manifold by its square; or it ends at the
        # boundary, or beyond.
        entered = constant(pack(enter(unpack(x))))
        within = jax.tree.leaves(jax.tree.map(lambda m, y: m.interior(y), manifold, unpack(x)))
        within = jnp.stack(within).all() & jnp.isfinite(entered).all()
        x = jnp.where(certificate.stationary & within, entered, x)
        certificate = _within(certificate, within)
        J = jax.jacfwd(lambda x: problem.F(x, constant(problem.parameters)))(x)
        flat = jax.jacfwd(lambda v: pack(tangent(unpack(x), unpack(v))))(x)
        curvature = _least(matmul(flat, matmul(J, flat)), x)
        return x, _judged(certificate, curvature, objective.unknowns), None

    return Feasible(enter, retract, tangent, tangent, judge, lambda _: problem)


def traced(fn: Callable, *like: Any):
    """fn as a closed program of arrays like these; others' code may promote types and ranks in it."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return eqx.filter_closure_convert(eqx.Partial(fn), *like)


def _number(objective, y):
    return objective.F(objective.unknowns.pack(y), objective.parameters)[0]


def _gradient_map(objective):
    """y ↦ ∇f(y), differentiable in θ."""
    problem, unknowns = gradient(objective), objective.unknowns
    return lambda y: unknowns.unpack(problem.F(unknowns.pack(y), problem.parameters))


def constant_gradient(objective: Equation) -> Callable[[Array], Array]:
    """x ↦ ∇f(x) of vectors, θ constant."""
    problem = gradient(objective)
    return lambda x: problem.F(x, constant(problem.parameters))


def _fixed_point(project):
    """(y, g) ↦ (y - P(y - α g))/α for α g of the size of y."""

    def slope(y, g):
        alpha = nearest(_largest(y) + FLOOR) / nearest(_largest(g))
        moved = project(jax.tree.map(lambda y, g: y - alpha.astype(g.dtype) * g, y, g))
        return jax.tree.map(lambda y, p: (y - p) / alpha.astype(y.dtype), y, moved)

    return slope


def _largest(tree):
    with jax.numpy_dtype_promotion("standard"):
        return jnp.stack([jnp.abs(x).max(initial=0) for x in jax.tree.leaves(tree)]).max()


def _kind(leaf):
    return leaf.shape, str(leaf.dtype)


def _least(C, x):
    """The least eigenvalue of C over its largest in size, x in units of its own size."""
    size = jnp.abs(x) + FLOOR
    C = (C + C.T) / 2 * size[:, None] * size[None, :]
    values = jnp.linalg.eigvalsh(jnp.where(jnp.isfinite(C).all(), C, jnp.zeros_like(C)))
    largest = jnp.abs(values).max()
    return values[0] / jnp.where(largest > 0, largest, 1)


def _within(certificate: Certificate, holds: Array) -> Certificate:
    """Infeasible where the constraints do not hold at a finite point."""
    broken = ~holds & (certificate.status != STATUS.nonfinite)
    status = STATUS.where(broken, STATUS.infeasible, certificate.status)
    return eqx.tree_at(lambda c: c.status, certificate, status)


def _judged(certificate: Certificate, curvature: Array, unknowns: Packing) -> Certificate:
    """With its curvature; a saddle if that is negative beyond rounding."""
    down = certificate.stationary & (curvature < -(float(jnp.finfo(unknowns.coarsest).eps) ** 0.5))
    status = STATUS.where(down, STATUS.saddle, certificate.status)
    return eqx.tree_at(lambda c: (c.curvature, c.status), certificate, (curvature, status))

"""Constrained minima from anywhere, and from optimistix's own loops, made differentiable."""

from functools import partial
from typing import Any

import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import PyTree

from .._core._constant import constant
from ._active_set import ActiveSet, active_set
from ._attach import attach
from ._equation import equation
from ._kkt import KKT, System, conditions, in_units, multipliers, start, system
from ._linear import linear_solve
from ._newton import newton_steps
from ._vector import arrays


def attach_kkt(x: PyTree, kkt: KKT, args: Any, polish: int, on_singular: str):
    """x with the derivatives of the constrained minimum that it is, and its active set."""
    parts, w, args = start(kkt, constant(x), args, "attach_implicit")
    return _attached(parts, w, args, polish, on_singular)


def _attached(parts: System, w, args, polish, on_singular) -> tuple[PyTree, ActiveSet]:
    solve = linear_solve(None, on_singular, frozenset(), "attach_implicit")
    problem = conditions(parts, w, args, "attach_implicit")
    vector = constant(problem.unknowns.pack(w))
    if polish:
        vector = newton_steps(problem, vector, polish, solve)
    w = problem.unknowns.unpack(vector)
    active = active_set(parts, w, args)
    smooth = conditions(parts, w, args, "attach_implicit", active)
    w = problem.unknowns.unpack(attach(vector, smooth, solve))
    return parts.unknowns.unpack(w.x), active


class KKTAdjoint(optx.AbstractAdjoint):
    """An adjoint for optimistix's solvers of problems with constraints: `adjoint=KKTAdjoint(lower=0.0)`.

    Identity: that of `KKT`, in place of ∇f = 0, which does not hold where a constraint is active.

    lower, upper: numbers or pytrees like y; None: those in `options`, as `optx.Newton` has them.
    equality, inequality: functions of (y, args), zero and not negative.
    on_singular: as in `attach_implicit`.
    polish: Newton steps on the conditions, which also repair the active set.

    For `optx.minimise` and `optx.least_squares` y is the minimum that the constraints leave. For
    `optx.root_find` with a clipped y, numbers at a bound whose equation does not hold move with the
    bound; where another equation does not hold either, derivatives are NaN, as they are where one that
    holds to 1e-6 has its root at the bound.

    The active set, an `ActiveSet`, is `sol.stats["active_set"]`: its margin is near 0 where a
    constraint is weakly active, and derivatives are NaN there. Jacobians are factored: O(n³).
    """

    lower: PyTree = None
    upper: PyTree = None
    equality: Any = None
    inequality: Any = None
    on_singular: str = "nan"
    polish: int = 0

    def apply(self, primal_fn, rewrite_fn, inputs, tags):
        """optimistix's hook: run the loop on constants, then attach what it found."""
        loop = partial(eqxi.while_loop, kind="lax")
        y, rest = constant(primal_fn((*constant(inputs), loop)))
        fn, solver, _, args, options, *_ = inputs
        lower = options.get("lower") if self.lower is None else self.lower
        upper = options.get("upper") if self.upper is None else self.upper

        def of_args(constraint):
            return None if constraint is None else lambda y, inputs: constraint(y, inputs[3])

        kkt = KKT(fn, of_args(self.equality), of_args(self.inequality), lower, upper)
        inputs = arrays(inputs)

        def slope(y, inputs):
            return rewrite_fn(y, None, inputs)

        if isinstance(solver, optx.AbstractRootFinder):
            y, active = self._clipped_root(y, kkt, inputs, slope)
        else:
            parts = system(kkt, y, inputs, "KKTAdjoint", slope)
            x = parts.unknowns.pack(y)
            parts, _ = in_units(parts, x, inputs)
            w = multipliers(parts, x, inputs)
            y, active = _attached(parts, w, inputs, self.polish, self.on_singular)
        num_steps, result, state, static, aux, stats = rest
        if aux is not None:
            aux = fn(y, args)[1]
        return y, (num_steps, result, state, static, aux, {**stats, "active_set": active})

    def _clipped_root(self, y, kkt, inputs, slope):
        """F = 0, but for numbers at a bound whose F is not: y = bound. The sign of F says nothing here."""
        parts = system(kkt, y, inputs, "KKTAdjoint", slope)
        unknowns, frozen_parts = parts.unknowns, constant(parts)
        x, frozen_inputs = unknowns.pack(y), constant(inputs)
        F, J = (
            frozen_parts.slope(x, frozen_inputs),
            jax.jacfwd(frozen_parts.slope)(x, frozen_inputs),
        )
        size = jnp.abs(x) + 1e-2
        change = jnp.abs(J * size[None, :]).sum(1)
        off = jnp.abs(F) / jnp.where(change > 0, change, 1)
        tight = jnp.finfo(x.dtype).eps ** 0.5
        gap_low, gap_high = (x - parts.lower) / size, (parts.upper - x) / size
        at_low, at_high = (constant(gap) <= tight for gap in (gap_low, gap_high))
        held = off > tight**0.75  # by a bound; what is at one and not held is on the edge
        low, high = at_low & held, at_high & held
        edge = ((at_low | at_high) & ~held).any()
        strict = (jnp.where(low | high, 0, off).max() < tight**0.5) & ~edge

        def R(x, inputs):
            value = parts.slope(x, inputs) * jnp.where(strict, 1, jnp.nan).astype(x.dtype)
            return jnp.where(low, x - parts.lower, jnp.where(high, x - parts.upper, value))

        problem = equation(R, x, inputs, "KKTAdjoint")
        solve = linear_solve(None, self.on_singular, frozenset(), "KKTAdjoint")
        margin = constant(jnp.maximum(jnp.minimum(jnp.abs(gap_low), jnp.abs(gap_high)), off).min())
        nothing = jnp.full((), jnp.nan, x.dtype)
        one, yes = jnp.ones((), x.dtype), jnp.asarray(True)
        active = ActiveSet(
            low, high, jnp.zeros(0, bool), margin, strict, one, yes, nothing, 0 * one
        )
        return unknowns.unpack(attach(x, problem, solve)), active

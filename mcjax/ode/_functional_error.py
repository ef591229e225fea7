"""How wrong a functional of a numerical solution is: residuals weighted by the adjoint solution.

The numerical solution ỹ, with its interpolant, solves ỹ' = f(t, ỹ) + r. For the functional

    J(y) = L(y(t_1), .., y(t_m)) + ∫ c(t, y) dt,

let -λ' = f_yᵀ λ + c_y along ỹ, zero at the end, and jump by ∂L/∂y_k at t_k on its way back. The error
e = y - ỹ has e' = f_y e - r + O(e²), so (λᵀ e)' = -c_yᵀ e - λᵀ r, and integrated from jump to jump

    J(y) - J(ỹ) = λ(t₀)ᵀ e(t₀) - ∫ λᵀ r dt + O(e²).

r is smooth between the accepted steps of the solver and has many signs, so the integral is taken from step to
step and save time to save time, by Gauss's rule, with a λ that is solved for there to more digits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from .._core._constant import constant
from ._flow import SOLVER, only_if

_NODES = 8  # of Gauss's rule in a step
_MAX_STEPS = 256  # of the adjoint within a step


class FunctionalError(NamedTuple):
    """J(ỹ), an estimate of J(y) - J(ỹ), their sum, where the error is made, and whether all was found.

    The estimate is the sum of `contributions`, one for the interval that ends at each of `times`.
    """

    value: Float[Array, ""]
    estimate: Float[Array, ""]
    corrected: Float[Array, ""]
    times: Float[Array, " intervals"]
    contributions: Float[Array, " intervals"]
    successful: Bool[Array, ""]


def functional_error(
    f: Callable,
    solution: diffrax.Solution,
    loss: Callable,
    ts: Float[Array, " times"],
    args=None,
    *,
    cost: Callable | None = None,
    solver: diffrax.AbstractSolver = SOLVER,
    rtol: float | None = None,
) -> FunctionalError:
    """The error of loss(y at ts) + ∫ cost dt for a numerical solution of y' = f(t, y, args).

    Identity: J(y) - J(ỹ) = -∫ λᵀ (ỹ' - f(t, ỹ)) dt, to first order in the error, λ the adjoint solution.

    Args:
      f: (t, y, args) ↦ y'.
      solution: of `diffrax.diffeqsolve(..., saveat=SaveAt(dense=True))`, with t0 < t1. It allocates for
        its max_steps, and so much is gone through here: give it few.
      loss: ys ↦ a number, ys the states at ts with a leading axis of m.
      ts: (m,), times between t0 and t1, increasing.
      cost: (t, y, args) ↦ a number that is integrated over time; none by default.
      solver, rtol: of the adjoint; by default Tsit5, for a stiff problem `diffrax.Kvaerno5()`, and
        eps^0.45, 1e-7 for double precision.

    Returns:
      value: J of the numerical solution. estimate: of what is missing. corrected: their sum.
      times, contributions: ends of the intervals and what they contribute to the estimate: steps of
        the solver, cut at ts. Zero-length intervals fill the arrays.
      successful: the adjoint was found, and ts are times of the solution. NaN if not.

    Errors: of second order in the error of the solution. An estimate is as good as first order is: not for
      chaotic solutions over long times. Cost: about five times the solution.
    Source: Becker and Rannacher, Acta Numerica 10 (2001) 1; Cao and Petzold, SIAM J. Sci. Comput. 26 (2004).
    """
    path = solution.interpolation
    if path is None:
        raise ValueError(
            "functional_error: the solution has no interpolation; solve with saveat=SaveAt(dense=True)"
        )
    ts = jnp.asarray(ts)
    if ts.ndim != 1:
        raise ValueError(f"functional_error: ts must be times (m,), got shape {ts.shape}")
    path, args, ts = constant((path, args, ts))
    ys = jax.vmap(path.evaluate)(ts)
    value, slopes = jax.value_and_grad(loss)(ys)
    problem = _Problem(f, cost, path, args)
    grid, jumps, flat = _grid(path, ts, ys, slopes)
    scale = jnp.maximum(jnp.abs(jumps).max(), problem.largest_slope(grid, flat))
    scale = jnp.where(scale > 0, scale, 1)
    digits = float(jnp.finfo(scale.dtype).eps) ** 0.45 if rtol is None else rtol
    controller = diffrax.PIDController(rtol=digits, atol=digits)

    def interval(carry, ends):
        weight, okay = carry
        left, right, jump = ends
        weight = weight + jump
        parts, weight, found = problem.interval(left, right, weight, flat, solver, controller)
        return (weight, okay & found), parts

    start = (jnp.zeros_like(jumps[0]), solution.result == diffrax.RESULTS.successful)
    ends = (grid[:-1], grid[1:], jumps[1:] / scale.astype(jumps.dtype))
    problem = eqx.tree_at(lambda p: p.cost_scale, problem, scale)
    (_, okay), (costs, contributions) = lax.scan(interval, start, ends, reverse=True)
    okay = okay & (path.direction > 0) & jnp.all((ts >= path.t0) & (ts <= path.t1))
    value = value + costs.sum()
    contributions = scale * contributions
    okay = okay & jnp.isfinite(contributions).all()
    contributions = only_if(okay, contributions)
    estimate = contributions.sum()
    return FunctionalError(value, estimate, value + estimate, grid[1:], contributions, okay)


class _Problem(eqx.Module):
    """Field, cost, numerical solution: one interval of the adjoint."""

    f: Callable
    cost: Callable | None
    path: diffrax.DenseInterpolation
    args: Any
    cost_scale: Any = 1.0

    def running(self, t, y):
        """c(t, y)."""
        return jnp.zeros_like(t) if self.cost is None else self.cost(t, y, self.args)

    def largest_slope(self, grid, flat):
        """Of what the integral makes of λ: max |c_y| times the time."""
        if self.cost is None:
            return jnp.zeros_like(grid[0])
        slopes = jax.vmap(lambda t: flat(jax.grad(self.running, 1)(t, self.path.evaluate(t))))
        return jnp.abs(slopes(grid)).max() * (grid[-1] - grid[0])

    def adjoint(self, t, weight, unravel):
        """-f_yᵀ λ - c_y."""
        # A stage of a solver may be beyond the end by rounding, where the interpolation is of nothing.
        y = self.path.evaluate(jnp.clip(t, self.path.t0, self.path.t1))
        _, pull = jax.vjp(lambda y: self.f(t, y, self.args), y)
        (product,) = pull(unravel(weight))
        slope = jax.grad(self.running, 1)(t, y)
        return jax.tree.map(
            lambda p, c: -p - c / jnp.asarray(self.cost_scale, c.dtype), product, slope
        )

    def interval(self, left, right, weight, flat, solver, controller):
        """∫ c dt and -∫ λᵀ r dt, λ at the left end, and whether it was found."""

        def field(t, weight, _):
            return flat(self.adjoint(t, weight, flat.back))

        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            solver,
            right,
            left,
            None,
            weight,
            stepsize_controller=controller,
            saveat=diffrax.SaveAt(t1=True, dense=True),
            max_steps=_MAX_STEPS,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        )
        x, w = (a.astype(left.dtype) for a in np.polynomial.legendre.leggauss(_NODES))
        nodes = left + (right - left) * (x + 1) / 2

        weights: Any = solution.interpolation
        end: Any = solution.ys

        def at(t):
            y = self.path.evaluate(t)
            rate, wanted = flat(self.path.derivative(t)), flat(self.f(t, y, self.args))
            product = (weights.evaluate(t) * (wanted - rate)).sum().real
            return self.running(t, y), product

        values = jax.vmap(at)(nodes)
        empty = right <= left
        sums = [jnp.where(empty, 0, (w * v).sum() * (right - left) / 2) for v in values]
        okay = empty | (solution.result == diffrax.RESULTS.successful)
        return tuple(sums), jnp.where(empty, weight, end[-1]), okay


class _Flat(eqx.Module):
    """A pytree of the shape of y as a vector, and back."""

    back: Callable

    def __call__(self, tree):
        return jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(tree)])


def _grid(path, ts, ys, slopes):
    """Accepted steps and save times in order, and ∂L/∂y at each, zero at steps."""
    first = jax.tree.map(lambda y: y[0], ys)
    _, back = ravel_pytree(first)
    flat = _Flat(back)
    steps = jnp.where(jnp.arange(len(path.ts)) < path.ts_size, path.ts, path.t1)
    jumps = jax.vmap(flat)(slopes)
    grid = jnp.concatenate([steps, ts])
    jumps = jnp.concatenate([jnp.zeros((len(steps), jumps.shape[1]), jumps.dtype), jumps])
    order = jnp.argsort(grid)
    return grid[order], jumps[order], flat

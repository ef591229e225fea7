"""Optax's transforms, run to a minimum inside jit.

The loop stops where the gradient is small in units of f alone,

    max_i |g_i| (|y_i| + 0.1)  ≤  tol · s,        s = the largest of |f| and the left side seen so far:

a step by a number's own size would change f by tol s at most. In bounds that step ends at the bound;
with a projection g is the projected gradient y - P(y - g), and on a manifold its tangent part. No s is
right for all f: where f vanishes at its minimum |f| alone is never reached, where f is huge at the start
s is. So the certificate has the last word (`_search`).

Derivatives are those of the equation that holds at the minimum (`_feasible`), and not of the loop.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import optimistix as optx
from jaxtyping import Array, PyTree

from .._core._constant import constant
from ._apart import raise_if
from ._attach import attach
from ._certificate import Certificate
from ._compiled import check_count, compiled
from ._equation import Equation, equation, varying_as
from ._feasible import Feasible, everywhere, in_bounds, on_manifold, projected
from ._linear import linear_solve
from ._optax_step import NAME, Loop, Run
from ._progress import Line
from ._search import STILL, search
from ._solution import Solution, check_polish, result_of
from ._solvers import default_tolerance
from ._vector import unknown


class REASON(eqx.Enumeration):
    """Why a loop of `run_optax` ended: `solution.stats["reason"]`."""

    converged = ""
    vanished = (
        "The steps of the optimiser vanished before the gradient did: a learning rate that decays to zero "
        "decays too early, or is too small; so is one of a wrong lower bound of f. If the gradient does not "
        "vanish at a minimum in bounds, pass lower, upper or project; if the step is scaled (Adam) and "
        "projected, try without the scale."
    )
    max_steps = (
        "The optimiser took max_steps without coming to a minimum. Larger steps, more of them, or a "
        "learning rate that decays, where the iterates go to and fro."
    )
    diverged = "The function or its gradient stopped being finite on the way. Smaller steps help."
    nan_start = "The function or its gradient is not finite at the start."


@compiled
def run_optax(
    fn: Callable,
    optimiser: optax.GradientTransformation,
    y0: PyTree,
    args: Any = None,
    *,
    has_aux: bool = False,
    lower: PyTree = None,
    upper: PyTree = None,
    project: Callable | None = None,
    manifold: PyTree = None,
    tol: float | None = None,
    max_steps: int = 10_000,
    throw: bool = True,
    key: Array | None = None,
    polish: int = 1,
    on_singular: str = "nan",
    progress: bool = False,
) -> Solution:
    """A minimum of fn(y, args) by any transform of optax, certified, with derivatives of every order.

    Identity: dy = -F_y⁻¹ F_θ dθ with F = ∇f, or what is 0 at a minimum with constraints (`_feasible`).

    Args:
      fn: (y, args) ↦ a real number; with has_aux (number, aux).
      optimiser: of optax, or with its two functions. Its update gets, of `value`, `grad`, `value_fn`,
        `obj_fn` (y ↦ number), `grad_fn` (y, ... ↦ gradient), `hvp` (v ↦ Hessian times v) and `key`, what
        it takes. What it has in common with y has y's structure; complex numbers are vectors of reals.
      y0: the start; `optax.LookaheadParams.init_synced(y0)` for `optax.lookahead`.
      lower, upper: as in `constrained_minimise`. The optimiser's gradient is 0 where it pushes a number
        against its bound.
      project: y ↦ the nearest point of a set, as in `optax.projections`; it may close over parameters.
        Made for plain gradient steps; a step with another scale in each number (Adam) may rest
        elsewhere, and then this is no success.
      manifold: `Sphere()`, `Stiefel()`, `SPD()`, or a pytree of them like y0.
      tol: gradient times size of y, over f, where the certificate is asked first; √ε by default.
      key: of jax.random, for optimisers that ask for one; another is made of it in each step.
      polish: Newton steps in the end, taken if they make the residual smaller. max_steps, throw,
        on_singular, progress: as in `minimise`.

    Returns:
      a `Solution`, successful only if its certificate says stationary: no saddle. It measures in |y| + 0.1:
      what is far smaller wants another unit. `stats` has num_steps, the reason why the loop ended
      (`REASON`), and with bounds the `ActiveSet`; derivatives are NaN where a bound is weakly active, and
      with project those of the piece that y is in. `state` is the optimiser's. Without success value is
      the point of the least fn that was seen, polished. aux is differentiable.

    Errors: ε κ(F_y) in y and its derivatives where the certificate's gradient_error says so.
    Cost: a gradient in each step; polish + 2 Hessians with their SVDs whenever the gradient is small,
      and as many more for their units with project.
    Source: Parikh and Boyd, Foundations and Trends in Optimization 1 (2014) 127, section 4.2.
    """
    if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
        raise TypeError(
            f"{NAME}: optimiser must be of optax, with init and update, got {type(optimiser).__name__}; "
            "for a solver of optimistix use minimise"
        )
    y0 = unknown(y0, NAME)
    pair = isinstance(y0, optax.LookaheadParams)
    objective = equation(fn, y0.slow if pair else y0, args, NAME, has_aux=has_aux)
    if objective.rows != 1:
        raise ValueError(
            f"{NAME}: fn must return one real number, got {objective.rows}; for a mean over data, "
            "average in fn"
        )
    check_polish(polish, NAME)
    check_count(max_steps, 1, f"{NAME}: max_steps is a number of steps")
    solve = linear_solve(None, on_singular, frozenset(), NAME)
    y0 = constant(varying_as(y0, objective.parameters))
    place = _feasible(objective, y0.slow if pair else y0, lower, upper, project, manifold)
    line = Line(NAME, progress)
    line.begin()
    key = jax.random.key(0) if key is None else key
    loop = Loop(objective, optimiser, place, y0, key, line)
    run = loop.start(default_tolerance(y0) if tol is None else tol)
    run, (x, certificate, active) = constant(search(loop, run, place, max_steps, polish))
    attached = attach(x, place.smooth(active), solve)
    reason = _reason(run, certificate, max_steps)
    stats = {"num_steps": run.steps, "reason": reason}
    solution = Solution(
        value=objective.unknowns.unpack(attached),
        result=_result(reason, certificate),
        aux=objective.aux(attached, objective.parameters),
        stats=stats if active is None else {**stats, "active_set": active},
        state=run.memory,
        certificate=certificate,
    )
    line.end(run.steps, certificate)
    return raise_if(solution, reason, ~certificate.stationary) if throw else solution


def _result(reason: REASON, certificate: Certificate) -> optx.RESULTS:
    RESULTS = optx.RESULTS
    out_of_steps = reason == REASON.max_steps
    late = RESULTS.where(out_of_steps, RESULTS.nonlinear_max_steps_reached, RESULTS.successful)
    return result_of(late, certificate)


def _feasible(objective: Equation, y, lower, upper, project, manifold) -> Feasible:
    bounds = None if lower is None and upper is None else (lower, upper)
    given = [bounds is not None, project is not None, manifold is not None]
    if sum(given) > 1:
        raise ValueError(
            f"{NAME}: bounds, project and manifold exclude each other; bounds can be a part of project"
        )
    if any(given) and any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(y)):
        raise ValueError(f"{NAME}: constraints are on real numbers; split y0 into its two parts")
    if bounds is not None:
        return in_bounds(objective, y, lower, upper, NAME)
    if project is not None:
        return projected(objective, y, project, NAME)
    if manifold is not None:
        return on_manifold(objective, y, manifold, NAME)
    return everywhere(objective)


def _reason(run: Run, certificate: Certificate, max_steps: int) -> REASON:
    choose = REASON.where
    reason = choose(run.still >= STILL, REASON.vanished, REASON.max_steps)
    broken = choose(jnp.isfinite(run.value), REASON.diverged, REASON.nan_start)
    reason = choose(run.finite, reason, broken)
    return choose(certificate.stationary, REASON.converged, reason)

"""An optimiser's steps, repeated until the certificate says that there is a minimum.

A stretch ends where the gradient is small in units of f (`_run_optax`), which proves nothing; so there
the certificate is asked, with the Hessian, and where it does not say stationary, the tolerance falls by
100 and the same loop goes on. It ends without a minimum if the steps vanish (128 changes below ε in a
row, so that a warm-up from 0 is none; steps that only gather gradients do not count), f is not finite, or
steps run out.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
from jax import lax
from jaxtyping import Array, PyTree

from .._core._constant import constant, sealed
from ._certificate import Certificate
from ._equation import Equation, varying_as
from ._feasible import Feasible, everywhere, traced
from ._optax_step import Loop, Run
from ._progress import Line
from ._solvers import default_tolerance
from .newton import scale_by_trust_region

STILL = 128  # changes below ε in a row
_TIGHTER = 0.01  # of the tolerance, where the certificate does not agree


def descend(
    found: optx.Solution,
    y: PyTree,
    y0: PyTree,
    objective: Equation,
    max_steps: int | None,
    polish: int,
    line: Line,
) -> tuple[optx.Solution, Array, Certificate]:
    """What Newton's method in a trust region makes of the y found, or of y0 if that is lower.

    It leaves saddles, and goes on where a quasi-Newton method's differences of gradients are of rounding.
    Returns `found` with its steps added, the vector and its certificate.
    """

    def f(y):
        return objective.F(objective.unknowns.pack(y), constant(objective.parameters))[0]

    y0, y = varying_as(constant((y0, y)), objective.parameters)
    lower = f(y) <= f(y0)
    y = jax.tree.map(lambda a, b: jnp.where(lower, a, b), y, y0)
    place = everywhere(objective)
    newton = optax.chain(scale_by_trust_region(), optax.scale(-1.0))
    loop = Loop(objective, newton, place, y, jax.random.key(0), line)
    run = loop.start(default_tolerance(y))
    most = np.iinfo(np.int32).max if max_steps is None else max_steps
    # The certificate first agrees about its tolerance away; a step of Newton's squares that.
    run, (x, certificate, _) = constant(search(loop, run, place, most, polish + 1))
    stats = {**found.stats, "num_steps": found.stats["num_steps"] + run.steps}
    found = optx.Solution(found.value, found.result, found.aux, stats, found.state)
    return found, x, certificate


def search(loop: Loop, run: Run, place: Feasible, max_steps: int, polish: int):
    """Run until the certificate says stationary, or the run cannot go on: the run, and what was found."""
    step = constant(traced(loop.step, run))

    def go_on(run):
        return run.finite & (run.still < STILL) & (run.steps < max_steps)

    def stretch(run):
        run = run._replace(small=jnp.zeros_like(run.small))
        run = lax.while_loop(lambda run: go_on(run) & ~run.small, lambda run: step(run), run)
        found = place.certify(loop.vector(run.best), polish)
        return run._replace(tol=run.tol * _TIGHTER), found

    def unfinished(carry):
        run, (_, certificate, _) = carry
        return (run.steps == 0) | (go_on(run) & ~certificate.stationary)

    stretch = traced(stretch, run)
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), stretch.out_struct[1])
    first = varying_as((run, nothing), loop.parameters)

    def whole(stretch, first):
        return lax.while_loop(unfinished, lambda carry: stretch(carry[0]), first)

    return sealed(whole, stretch, first)

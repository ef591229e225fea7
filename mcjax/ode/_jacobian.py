"""The Jacobian of a solve in its parameters, for Gauss-Newton and Levenberg-Marquardt."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ._backward import says_accuracy
from ._forward_sensitivity import ForwardSensitivity
from ._gauss import GaussAdjoint
from ._replay import ReplayAdjoint
from ._saved import at_times

_SMALL = 50


class _Seen:
    """What a trace of the solve has shown: its states, and what continuous adjoints need of it."""

    states = 0
    at_times = True
    controlled = True


class _Measure(diffrax.ForwardMode):
    seen: _Seen = eqx.field(static=True)

    def loop(self, *, init_state, saveat, stepsize_controller, **kwargs):
        size = sum(jnp.size(y) for y in jax.tree.leaves(init_state.y))
        self.seen.states = max(self.seen.states, size)
        self.seen.at_times &= at_times(saveat)
        self.seen.controlled &= says_accuracy(stepsize_controller)
        return super().loop(
            init_state=init_state, saveat=saveat, stepsize_controller=stepsize_controller, **kwargs
        )


def jacobian(solve):
    """The Jacobian of `solve(params, *args, adjoint=...)` in params, its adjoint chosen by size.

    Identity: J = dy(t_k)/dp, as `jax.jacfwd` and `jax.jacrev` lay it out.

    Args:
      solve: a function of a pytree of arrays that calls `diffrax.diffeqsolve(..., adjoint=adjoint)` and
        returns arrays, residuals for instance.

    Returns:
      A function of (params, *args). States + parameters below 50: y and S together
      (`ForwardSensitivity`), so J is as accurate as y. Above: column by column through `ReplayAdjoint`
      where parameters are fewer than outputs, otherwise row by row through `GaussAdjoint`. What those
      do not do, SaveAt(steps=...) and for `GaussAdjoint` steps that no tolerance controls, is done by
      `ReplayAdjoint`.

    A least-squares solver that takes products with J itself, as optimistix does, needs only
    `adjoint=ForwardSensitivity()` in its residual.

    Cost: of one solve for n (1 + P) unknowns; above 50, of P pushes or one backward solve an output.
    """

    def evaluate(params, *args):
        seen = _Seen()
        out = jax.eval_shape(lambda p: solve(p, *args, adjoint=_Measure(seen)), params)
        shapes = jax.eval_shape(lambda: params)
        parameters, outputs = (sum(x.size for x in jax.tree.leaves(z)) for z in (shapes, out))
        small = seen.states + parameters < _SMALL and seen.at_times
        derivative = jax.jacfwd if small or parameters <= outputs else jax.jacrev
        adjoint = ForwardSensitivity() if small else ReplayAdjoint()
        if derivative is jax.jacrev and seen.at_times and seen.controlled:
            adjoint = GaussAdjoint()
        return derivative(lambda p: solve(p, *args, adjoint=adjoint))(params)

    return evaluate

"""The Jacobian of a solve in its parameters, for Gauss-Newton and Levenberg-Marquardt."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ._backward import says_accuracy
from ._field import check_field
from ._forward_sensitivity import ForwardSensitivity
from ._gauss import GaussAdjoint
from ._replay import ReplayAdjoint
from ._saved import check_saveat

_SMALL = 50


class _Seen:
    """What a trace of the solve has shown: its states, and what continuous adjoints need of it."""

    states = 0
    continuous = True
    controlled = True


class _Measure(diffrax.ForwardMode):
    seen: _Seen = eqx.field(static=True)

    def loop(self, **kwargs):
        size = sum(jnp.size(y) for y in jax.tree.leaves(kwargs["init_state"].y))
        self.seen.states = max(self.seen.states, size)
        self.seen.continuous &= _is_continuous(kwargs["terms"], kwargs["event"], kwargs["saveat"])
        self.seen.controlled &= says_accuracy(kwargs["stepsize_controller"])
        return super().loop(**kwargs)


def _is_continuous(terms, event, saveat):
    """Whether the adjoints that solve an equation of their own take this solve."""
    try:
        check_field("", terms, event)
        check_saveat("", saveat)
    except (ValueError, NotImplementedError):
        return False
    return True


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
      do not do, noise, events without a root finder, SaveAt of steps and of states of the solver, and
      for `GaussAdjoint` steps that no tolerance controls, is done by `ReplayAdjoint`.

    A least-squares solver that takes products with J itself, as optimistix does, needs only
    `adjoint=ForwardSensitivity()` in its residual.

    Cost: of one solve for n (1 + P) unknowns; above 50, of P pushes or one backward solve an output.
    """

    def evaluate(params, *args):
        for x in jax.tree.leaves(params):
            if not eqx.is_array_like(x):
                raise TypeError(
                    f"jacobian: params has a leaf of type {type(x).__name__}, which is no array. Pass the "
                    "first part of eqx.partition(params, eqx.is_inexact_array), and combine both in the solve"
                )
            if jnp.iscomplexobj(x):
                raise TypeError(
                    "jacobian: params are complex; split them into real and imaginary parts, and join "
                    "both in the solve"
                )
        seen = _Seen()
        out = jax.eval_shape(lambda p: solve(p, *args, adjoint=_Measure(seen)), params)
        shapes = jax.eval_shape(lambda: params)
        parameters, outputs = (sum(x.size for x in jax.tree.leaves(z)) for z in (shapes, out))
        small = seen.states + parameters < _SMALL and seen.continuous
        derivative = jax.jacfwd if small or parameters <= outputs else jax.jacrev
        adjoint = ForwardSensitivity() if small else ReplayAdjoint()
        if derivative is jax.jacrev and seen.continuous and seen.controlled:
            adjoint = GaussAdjoint()
        return derivative(lambda p: solve(p, *args, adjoint=adjoint))(params)

    return evaluate

"""Pseudo-transient continuation: a root of F as the steady state of y' = -F(y).

Implicit Euler with one Newton step a time step,

    (I/δ + J) s = -F,        δ⁺ = δ ‖F‖ / ‖F⁺‖.

Small δ follows the flow, from wherever it starts; as F falls δ grows (switched evolution relaxation),
and the step becomes Newton's. It ends at the first root that the flow meets and that attracts it: one
where the eigenvalues of J have positive real parts. F and -F have the same roots; the flow of one
leaves where that of the other ends.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, Bool, PyTree, Scalar

from ._vector import packing


class _State(NamedTuple):
    rate: Scalar  # 1/δ
    least: Scalar  # and its bound
    size: Scalar  # ‖F‖
    error: Scalar
    settled: Bool[Array, ""]
    result: optx.RESULTS


class PseudoTransient(optx.AbstractRootFinder):
    """Pseudo-transient continuation, a root finder for `root` and optimistix's.

    rtol, atol, norm: stop where a step is shorter than atol + rtol |y|, and Newton's: |s|/δ ≤ ‖F‖/2.
    linear_solver: of lineax, for (I/δ + J) s = -F.
    delta0: the first δ. None: (1 + ‖y‖)/‖F‖, in which the flow moves y by its own size.

    δ is at most delta0/√ε, so that a singular J is damped to the end. The flow pairs each equation with
    an unknown, so fn returns what is like y, in this order; for a root that repels it, pass -fn.

    Source: Kelley and Keyes, SIAM J. Numer. Anal. 35 (1998) 508.
    """

    rtol: float
    atol: float
    norm: Callable[[PyTree], Scalar] = optx.max_norm
    linear_solver: lx.AbstractLinearSolver = lx.AutoLinearSolver(well_posed=None)
    delta0: float | None = None

    def __check_init__(self):
        if isinstance(self.delta0, int | float) and not self.delta0 > 0:
            raise ValueError(f"PseudoTransient: delta0 is positive, or None, got {self.delta0!r}")

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        """No step yet."""
        infinity = jnp.full_like(packing(y, "PseudoTransient").pack(y)[0], jnp.inf)
        return _State(
            infinity, infinity, infinity, infinity, jnp.array(False), optx.RESULTS.successful
        )

    def step(self, fn, y, args, options, state, tags):
        """One linearisation of F and one linear solve."""
        unknowns = packing(y, "PseudoTransient")

        def vector_fn(x):
            value, aux = fn(unknowns.unpack(x), args)
            return packing(value, "PseudoTransient").pack(value).astype(x.dtype), aux

        x = unknowns.pack(y)
        F, push, aux = jax.linearize(vector_fn, x, has_aux=True)
        size = _length(F)
        rate, least = self._rate(state, x, size)
        shifted = lx.FunctionLinearOperator(lambda v: rate * v + push(v), jax.eval_shape(lambda: x))
        solution = lx.linear_solve(shifted, -F, self.linear_solver, throw=False)
        s = solution.value
        error = self.norm(s / (self.atol + self.rtol * jnp.abs(x)))
        settled = rate * _length(s) <= size / 2
        result = optx.RESULTS.promote(solution.result)
        return unknowns.unpack(x + s), _State(rate, least, size, error, settled, result), aux

    def _rate(self, state, x, size):
        """1/δ, at first and after."""
        first = (
            size / (1 + _length(x)) if self.delta0 is None else jnp.ones_like(size) / self.delta0
        )
        fresh = jnp.isinf(state.rate)
        least = jnp.where(fresh, first * jnp.finfo(x.dtype).eps ** 0.5, state.least)
        grown = jnp.where(fresh, first, state.rate * (size / jnp.where(fresh, 1, state.size)))
        return jnp.maximum(grown, least), least

    def terminate(self, fn, y, args, options, state, tags):
        """Whether the last step was small, and Newton's."""
        failed = state.result != optx.RESULTS.successful
        return failed | (state.settled & (state.error < 1)), state.result

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        """Nothing more."""
        return y, aux, {}


def _length(v):
    return jnp.sqrt((v * v).sum())

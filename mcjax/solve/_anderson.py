"""Anderson acceleration of a fixed-point iteration x ↦ T(x).

With f = T(x) - x, and columns ΔX, ΔF for the last few changes of x and f,

    γ = argmin ‖f - ΔF γ‖,        x⁺ = x + f - (ΔX + ΔF) γ:

the secant step that makes f zero as far as the memory spans, which is GMRES where T is affine.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, PyTree, Scalar

from ._compiled import check_count, whole
from ._vector import packing


class _Memory(NamedTuple):
    x: Array
    f: Array
    dX: Array
    dF: Array
    step: Array
    error: Scalar


class Anderson(optx.AbstractFixedPointSolver):
    """Anderson acceleration, a fixed-point solver for `fixed_point` and optimistix's.

    rtol, atol, norm: stop where T(x) - x is smaller than atol + rtol |x|.
    memory: how many changes are kept. 0 is plain iteration.

    Source: Walker and Ni, SIAM J. Numer. Anal. 49 (2011) 1715.
    """

    rtol: float
    atol: float
    norm: Callable[[PyTree], Scalar] = optx.max_norm
    memory: int = eqx.field(default=5, static=True, converter=whole)

    def __check_init__(self):
        check_count(self.memory, 0, "Anderson: memory is a number of changes")

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        """An empty memory."""
        n, dtype = (vector := packing(y, "Anderson").pack(y)).size, vector.dtype
        empty = jnp.zeros((n, self.memory), dtype)
        zero = jnp.zeros_like(vector)
        return _Memory(zero, zero, empty, empty, jnp.array(0), jnp.array(jnp.inf, dtype))

    def step(self, fn, y, args, options, state, tags):
        """One evaluation of T and one least-squares problem of the memory's width."""
        p = packing(y, "Anderson")
        value, aux = fn(y, args)
        x = p.pack(y)
        f = p.pack(value) - x
        fresh = state.step > 0
        dX = _push(state.dX, jnp.where(fresh, x - state.x, 0))
        dF = _push(state.dF, jnp.where(fresh, f - state.f, 0))
        change = (dX + dF) @ _least_squares(dF, f) if self.memory else jnp.zeros_like(x)
        moved = x + f - jnp.where(jnp.isfinite(change).all(), change, 0)
        error = self.norm(f / (self.atol + self.rtol * jnp.abs(x)))
        return p.unpack(moved), _Memory(x, f, dX, dF, state.step + 1, error), aux

    def terminate(self, fn, y, args, options, state, tags):
        """Whether the last T(x) - x was small."""
        return state.error < 1, optx.RESULTS.successful

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        """Nothing more."""
        return y, aux, {}


def _push(columns, new):
    return jnp.concatenate([columns[:, 1:], new[:, None]], 1) if columns.shape[1] else columns


def _least_squares(dF, f):
    """The least γ, columns in units of their lengths, directions below √ε of the longest left out."""
    length = jnp.sqrt((dF**2).sum(0))
    unit = dF / jnp.where(length > 0, length, 1)[None, :]
    gamma = jnp.linalg.lstsq(unit, f, rcond=float(jnp.finfo(f.dtype).eps ** 0.5))[0]
    return jax.lax.stop_gradient(gamma) / jnp.where(length > 0, length, 1)

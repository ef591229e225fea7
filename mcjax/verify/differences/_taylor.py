"""The Taylor test: what a derivative leaves of f falls as the next power of the step.

|f(x + hv) - f(x) - h Dv| falls as h² if D is the derivative of f, and with h² H[v, v]/2 taken off as h³ if
H is the second. It sees a wrong derivative as a slope of 1 or 2, and needs none but the one under test.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ._arguments import direction, floating
from ._line import moved, natural_step, units, wide
from ._noise_level import every_entry

_STEPS = 2.0 ** -np.arange(2, 27)
_TOLERANCE = 0.2
_CLEAR = 1e3  # remainders this many times above rounding are clear of it
_FITTED = 5  # steps


@dataclass(frozen=True)
class TaylorTest:
    """Remainders after the first and the second derivative at every step, and their slopes.

    A slope is infinite where the remainder is rounding at every step: f is linear, or quadratic.
    """

    steps: np.ndarray
    remainders: tuple[np.ndarray, np.ndarray]
    slopes: tuple[float, float]

    @property
    def ok(self) -> bool:
        """Are the slopes 2 and 3, or more?"""
        first, second = self.slopes
        return first >= 2 - _TOLERANCE and second >= 3 - _TOLERANCE

    def __str__(self):
        first, second = (_said(s) for s in self.slopes)
        return (
            f"Taylor test: slopes {first} (2) and {second} (3): {'right' if self.ok else 'WRONG'}"
        )


def taylor_test(
    f: Callable, x, v=None, derivative: Callable | None = None, hessian: Callable | None = None
) -> TaylorTest:
    """Do a first and a second derivative of f at x along v leave remainders of slopes 2 and 3?

    Args:
        v: by default a direction that moves every entry by its own size.
        derivative: (x, v) ↦ D f(x)[v], a pytree like f(x); by default jax.jvp.
        hessian: (x, v) ↦ D² f(x)[v, v]; by default jax.jvp of jax.jvp.

    26 evaluations of f, on the host. Errors are the largest over all outputs.
    """
    x, v = direction(x, every_entry(floating(x)) if v is None else v)
    first = _flat((derivative or _jvp(f))(x, v))
    second = _flat((hessian or _jvp(lambda y: _jvp(f)(y, v)))(x, v))
    at = f(x)
    eps = max(units(jax.tree.leaves((x, at))))
    size = natural_step(x, v)
    h = (size * _STEPS)[:, None]
    at = _flat(at)
    with np.errstate(all="ignore"):
        rest = np.stack([_flat(f(moved(x, v, t))) for t in h[:, 0]]) - at - h * first
        both = [np.abs(r).max(1) for r in (rest, rest - h**2 / 2 * second)]
        rounding = eps * (np.abs(at).max() + size * np.abs(first).max())
    return TaylorTest(
        _STEPS, (both[0], both[1]), (_slope(both[0], rounding), _slope(both[1], rounding))
    )


def _jvp(f):
    """(x, v) ↦ D f(x)[v] by JAX, with v in the types of x."""

    def jvp(x, v):
        x = jax.tree.map(jnp.asarray, x)
        v = jax.tree.map(lambda a, b: jnp.asarray(b, a.dtype), x, v)
        return jax.jvp(f, (x,), (v,))[1]

    return jvp


def _flat(tree):
    return np.concatenate([wide(y).ravel() for y in jax.tree.leaves(tree)])


def _slope(remainder, rounding):
    """Of the smallest steps whose remainder is clear of rounding."""
    clear = np.flatnonzero((remainder > _CLEAR * rounding) & np.isfinite(remainder))[-_FITTED:]
    if len(clear) < 2:
        return np.inf
    return float(np.polyfit(np.log(_STEPS[clear]), np.log(remainder[clear]), 1)[0])


def _said(slope):
    return "exact" if np.isinf(slope) else f"{slope:.2f}"

"""How noisy is a function? Hamming's table of differences, as Moré and Wild use it.

The differences of a smooth function at equally spaced points fall with their order, those of noise grow:
the variance of Δᵏ of noise of variance σ² is (2k)!/(k!)² σ². So σ_k² = (k!)²/(2k)! mean (Δᵏ)² settles at σ²
as soon as k is so high that nothing smooth is left. The first k is taken at which three σ_k agree to
a factor of four and Δᵏ changes its sign. Spacings are tried from small to large, until less than
half of the values are alike.

Source: Moré and Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011) 1292.
"""

from collections.abc import Callable
from math import comb

import jax
import numpy as np

from ._arguments import direction, floating
from ._line import Line, namespace, natural_step, units, wide

_POINTS = np.arange(-4.0, 5.0)
_SPACINGS = 2.0 ** np.arange(8, 33, 6)  # in units of ε |x|
_LEVELS = 6


def noise(f: Callable, x, v=None):
    """The absolute noise of every entry of f at x, a pytree like the output: a standard deviation.

    Rounding, a solver that stops early, single precision inside: whatever sets f apart from a smooth
    function along v, by default a direction that moves every entry by its own size. 46 evaluations
    of f. Works in jit and vmap.
    """
    x, v = direction(x, every_entry(floating(x)) if v is None else v)
    line = Line(f, x, v, lambda x: True)
    xp = line.xp
    with np.errstate(all="ignore"):
        eps = max(units(jax.tree.leaves(x)) + line.units)
        size = natural_step(x, v, xp) * eps
        spacings = _SPACINGS[_SPACINGS * eps < 0.1]
        grid = (spacings[:, None] * _POINTS).ravel()
        rows = line(size * xp.asarray(grid, dtype=xp.result_type(float)))
        levels = [_level(y.reshape(len(spacings), len(_POINTS), *y.shape[1:])) for y in rows]
    return line.tree.unflatten(levels)


def every_entry(x):
    """The direction that moves every entry of x by its own size, up and down in turn."""
    xp = namespace(x)

    def entry(a):
        size = xp.abs(wide(a, xp))
        signs = (-1.0) ** np.arange(np.size(a)).reshape(np.shape(a))
        return xp.where(size > 0, size, 1.0) * signs

    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(entry, x)


def _level(values):
    """σ from values (spacings, points, ...): of the first spacing with an answer, or the least bound."""
    xp = values.__array_namespace__()
    with jax.numpy_dtype_promotion("standard"):
        found = [_at_spacing(y) for y in values]
    level = xp.stack([bound for _, bound in found]).min(0)
    for sigma, _ in reversed(found):
        level = xp.where(xp.isfinite(sigma), sigma, level)
    return level


def _at_spacing(y):
    """σ, NaN where the table does not settle, and a bound for it: σ and what is left of f."""
    xp = y.__array_namespace__()
    sigmas, signs, table = [], [], y
    for k in range(1, _LEVELS + 1):
        table = table[1:] - table[:-1]
        sigmas.append(xp.sqrt((xp.abs(table) ** 2).mean(0) / comb(2 * k, k)))
        signs.append((table.real.min(0) < 0) & (table.real.max(0) > 0))
    alike = (xp.abs(y[1:] - y[:-1]) == 0).sum(0) * 2 >= len(y)
    sigma = xp.full_like(sigmas[0], xp.nan)
    for k in reversed(range(_LEVELS - 2)):
        three = xp.stack(sigmas[k : k + 3])
        settled = (three.max(0) <= 4 * three.min(0)) & signs[k] & ~alike
        sigma = xp.where(settled, sigmas[k], sigma)
    return sigma, xp.where(alike & (sigmas[0] > 0), xp.inf, sigmas[-1])

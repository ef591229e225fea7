"""The derivative of a function of one number, and along a direction."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ._arguments import direction, floors, inside, known_method, number
from ._complex_step import complex_step
from ._estimate import Estimate
from ._line import namespace, sample
from ._table import extrapolate

_COLUMNS = {"richardson": 7, "central": 1, "complex step": 7}
# One operation for vmap, which would else compile hundreds; and one trace for all outputs of a shape.
_compiled = jax.jit(extrapolate, static_argnums=(1, 3))


def derivative(
    f: Callable, x, *, order: int = 1, method: str = "richardson", domain=None, noise=0.0
) -> Estimate:
    """The first or second derivative of f, a function of one real or complex number.

    f maps a number to a pytree of arrays, and needs no derivative rule: on the host it may be any
    function at all, in jit and vmap it is traced. About 90 evaluations of f, in the type of x.

    Args:
        order: 1 or 2.
        method: "richardson" extrapolates central differences; "central" is the best of them
            as they are, and its bar; "complex step" is Im f(x + ih)/h with h = 1e-100, right to the
            last digits where f is analytic, which is tested first.
        domain: (low, high), or a predicate of x, where f may be evaluated. Differences are one-sided
            where they must be: at the edge they are the one-sided derivative. Where f is NaN
            counts as outside.
        noise: what is known of the absolute error of f, as of a solver that stops early: a number,
            or a pytree like the output. What can be measured need not be given.

    An entry that has no derivative, or none that differences can see, has an infinite bar and a
    status that says why. f must keep three digits: sin(1e13 x) is taken for noise.
    """
    if order not in (1, 2):
        raise ValueError(
            f"order: expected 1 or 2, got {order}; take the derivative of a derivative"
        )
    return along(f, *direction(number(x), 1.0), order, method, domain, noise)


def jvp(
    f: Callable, x, v, *, method: str = "richardson", domain=None, noise: Any = 0.0
) -> Estimate:
    """The derivative of f at x along v: pytrees of arrays of one structure.

    About 90 evaluations of f. The steps are relative to the size of x along v; v is not normalised.
    See `derivative` for the arguments. For complex x, f is taken to be holomorphic along v.
    """
    return along(f, *direction(x, v), 1, method, domain, noise)


def along(f, x, v, order, method, domain, noise) -> Estimate:
    """The first or second derivative of t ↦ f(x + t v) at 0."""
    known_method(method)
    samples, tree = sample(f, x, v, inside(domain, x))
    known = floors(noise, tree)
    entries = [
        (_compiled if namespace(s.at) is jnp else extrapolate)(s, order, floor, _COLUMNS[method])
        for s, floor in zip(samples, known, strict=True)
    ]
    estimate = Estimate(*(tree.unflatten(list(part)) for part in _columns(entries)))
    if method != "complex step":
        return estimate
    if order != 1:
        raise ValueError("complex step: has first derivatives only; use method='richardson'")
    return complex_step(f, x, v, samples, estimate)


def _columns(entries):
    return zip(*entries, strict=True) if entries else ((), (), ())

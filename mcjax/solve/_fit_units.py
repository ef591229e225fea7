"""Residuals and parameters of a fit in units of their own, powers of two: χ² and JᵀJ are sums of squares."""

import jax
import jax.numpy as jnp

from .._core._constant import constant
from .._core._matmul import norm
from .._core._power_of_two import power_of_two
from ._equation import Equation


def of_size_one(residuals: Equation, y) -> tuple[Equation, jax.Array]:
    """r and y in the power of two next to the largest y, whose exponent is the last parameter.

    A solver's absolute tolerance is meant in it, and squares stay in range.
    """
    exponent = _exponent(jnp.abs(constant(y)).max())

    def F(p, parameters):
        *rest, exponent = parameters
        return residuals.F(p, tuple(rest)) * power_of_two(-exponent, p.dtype)

    scaled = residuals._replace(F=F, parameters=(*residuals.parameters, exponent))
    return scaled, constant(y) * power_of_two(-exponent, y.dtype)


def in_units(residuals: Equation, p, y) -> Equation:
    """r/s as a function of q = p/unit, unit_j = s/‖J_j‖; the last two parameters are the exponents."""
    residuals, y = of_size_one(residuals, y)
    p, parameters = constant((p, residuals.parameters))
    r, J = residuals.F(p, parameters), jax.jacfwd(residuals.F)(p, parameters)
    floor = jnp.finfo(p.dtype).eps ** 0.5 * jnp.sqrt((y**2).mean())
    s = _exponent(jnp.maximum(norm(r[None])[0, 0] / len(r) ** 0.5, floor))
    unit = s - _exponent(norm(J.T[:, None])[:, 0, 0])

    def F(q, parameters):
        *rest, unit, s = parameters
        return residuals.F(q * power_of_two(unit, q.dtype), tuple(rest)) * power_of_two(-s, q.dtype)

    return residuals._replace(
        F=F, aux=lambda q, parameters: None, parameters=(*residuals.parameters, unit, s)
    )


def unit_of(problem: Equation, dtype):
    """The unit of q, of a problem made by `in_units`."""
    return power_of_two(problem.parameters[-2], dtype)


def _exponent(size):
    """The power of two next to a size; 0 for 0 and what is not finite."""
    usable = (size > 0) & jnp.isfinite(size)
    return jnp.round(jnp.log2(jnp.where(usable, size, 1))).astype(jnp.int32)

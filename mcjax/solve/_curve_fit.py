"""Nonlinear fits: r_pᵀ r = 0 for whitened residuals r = L⁻¹ (f(x, p) - y), in units of their own.

χ² has a unit, and so has each p_j: at the p that a solver found, with J = r_p and s the size of r,

    q_j = p_j ‖J_j‖ / s,    r / s,

make the diagonal of the Gauss-Newton matrix 1. There q is counted in standard errors (those without
correlations), which is what the certificate's tolerances ask of a unit. Units are powers of two, kept
as integers: exact, and without derivative.

The solver is Levenberg and Marquardt's, whose damping has a unit too: it runs in the parameters' own
units and in those of |p0|, and the lower χ² counts. With bounds it sees unbounded variables t (James and
Roos, Comput. Phys. Commun. 10 (1975) 343),

    p = l + (u - l) (1 + sin t)/2,    p = l + w (√(1 + t²) - 1),    p = u - w (√(1 + t²) - 1),

and Newton's method on the conditions of `_kkt` settles what is at a bound, which sin t alone would not.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import lax
from jax.core import Tracer
from jaxtyping import PyTree

from .._core._constant import constant
from .._core._matmul import matmul
from ..linalg import qr
from ._apart import apart
from ._certificate import STATUS, Certificate, certify
from ._compiled import whole
from ._constrained import finish
from ._equation import Equation, equation, normal_equation
from ._fit_result import (
    Fit,
    Noise,
    callable_pytree,
    check_counts,
    covariance,
    data_of,
    jacobian_and_factor,
    noise_of,
)
from ._fit_units import in_units, of_size_one, unit_of
from ._kkt import KKT, Point, system
from ._linear import linear_solve
from ._solution import attached, check_polish
from ._vector import arrays, on_its_mesh


def curve_fit(
    f: Callable,
    xdata: PyTree,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    *,
    bounds: tuple = (-np.inf, np.inf),
    solver: Any = None,
    max_steps: int | None = 2048,
    throw: bool = True,
    polish: int = 1,
    on_singular: str = "nan",
) -> Fit:
    """Parameters p that minimise χ² = Σ ((f(x, *p) - y)/sigma)²: SciPy's `curve_fit`, certified.

    Identity: dp = -H⁻¹ d(Jᵀ r), J = r_p, H = Jᵀ J + Σ rᵢ ∇²rᵢ: not the Gauss-Newton part alone. With active
    bounds, that of the conditions of a constrained minimum.

    Args:
      f: (x, *p) ↦ values of ydata's shape. It may close over parameters.
      xdata: an array, or any pytree for f; ydata: (m,). Integers become floating point.
      p0: (n,); None: ones, or the middle of the bounds, n from f's signature.
      sigma: None, a standard deviation, m of them (∞ leaves a datum out), or an (m, m) covariance matrix, of
        which the lower triangle is read.
      absolute_sigma: False: sigma is known up to a factor, which pcov gets from χ²/(m - n).
      bounds: (lower, upper), numbers or (n,) each; differentiable.
      solver: a least-squares solver or minimiser of optimistix; None: Levenberg-Marquardt to ε^(3/4).
      max_steps, throw: as in `optimistix.least_squares`. throw=False: see `result`; for vmap.
      polish: Newton steps with H after the solver. With bounds it is up to 8.
      on_singular: of `attach_implicit`.

    Returns:
      a `Fit`: `popt, pcov = curve_fit(...)`, and χ², errors, intervals, bands, certificate. All of it has
      jvp, vjp and second derivatives in ydata, sigma, xdata, bounds and what f closes over; NaN where
      a bound is weakly active.

    Errors: ε κ(J) in p where r is small; ε κ(H) in derivatives where certificate.gradient_error says so.
    Cost: the solver's, twice, and polish + 2 Hessians; a QR of J.
    Source: Nocedal and Wright, Numerical Optimization (2006), chapter 10; Bates and Watts, Nonlinear
    Regression Analysis (1988), chapter 2.
    """
    y = data_of(ydata, "curve_fit")
    lower, upper = _bounds(bounds)
    p0 = _start(f, p0, lower, upper, y.dtype)
    check_counts(y.size, p0.size, "curve_fit")
    x = jax.tree.map(lambda a: _inexact(a, y.dtype), _array_or_pytree(xdata))
    noise = noise_of(sigma, y, "curve_fit")
    bounded = None
    if not (_all(lower, -np.inf) and _all(upper, np.inf)):
        bounded = tuple(_fit_bound(b, p0) for b in (lower, upper))
    options = (solver, whole(max_steps), throw, whole(polish), on_singular, bool(absolute_sigma))
    return _curve_fit(callable_pytree(f), x, y, p0, noise, bounded, options)


@eqx.filter_jit
def _curve_fit(f, x, y, p0, noise: Noise, bounded, options) -> Fit:
    solver, max_steps, throw, polish, on_singular, absolute_sigma = options

    def residual(p, data):
        x, y, noise = data
        value = jnp.asarray(f(x, *p))
        if value.shape != y.shape:
            raise ValueError(
                f"curve_fit: f(xdata, *p) must have the shape of ydata, {y.shape}, got {value.shape}"
            )
        return noise.whiten(value.astype(y.dtype) - y)

    def residuals_of(start, data):
        return equation(residual, constant(start[0]), data, "curve_fit")

    data, start = arrays((x, y, noise)), (p0, bounded, noise.whiten(y))
    residuals = residuals_of(start, data)
    tol = float(jnp.finfo(y.dtype).eps) ** 0.75
    solver = optx.LevenbergMarquardt(tol, tol) if solver is None else solver
    search = partial(_search, max_steps=max_steps)
    found = apart(search, residuals, residuals_of, solver, start, data, "curve_fit")
    problem = in_units(residuals, found.value, noise.whiten(y))
    unit = unit_of(problem, y.dtype)
    q = found.value / unit
    if bounded is None:
        check_polish(polish, "curve_fit")
        solve = linear_solve(None, on_singular, frozenset(), "curve_fit")
        normal = normal_equation(problem)
        q, certificate = certify(normal, q, polish, minimum=True)
        certificate = _unless_offset(certificate, problem, q)
        solution = attached(found, q, certificate, normal, solve, throw, None)
        active = None
    else:
        kkt = KKT(_half_square(problem), lower=bounded[0] / unit, upper=bounded[1] / unit)
        q = jnp.clip(q, constant(kkt.lower), constant(kkt.upper))
        parts = system(kkt, q, problem.parameters, "curve_fit")
        none = jnp.zeros(0, q.dtype)
        solution = finish(
            parts, Point(q, none, none), problem.parameters, on_singular, throw, found.stats
        )
        active = solution.active
    popt = solution.value * unit
    if active is not None and bounded is not None:
        popt = popt + constant(_settled(popt, active, *bounded) - popt)
    r, J, R = jacobian_and_factor(lambda p: residuals.F(p, residuals.parameters), popt)
    chi2 = (r**2).sum()
    pcov, R = covariance(J, R, chi2, absolute_sigma)
    return Fit(
        popt,
        pcov,
        chi2,
        solution.certificate,
        solution.result,
        active,
        found.stats["num_steps"],
        f,
        R,
        noise.of_one(y),
        y.size - p0.size,
        absolute_sigma,
    )


def _unless_offset(certificate: Certificate, problem: Equation, q) -> Certificate:
    """Not stationary where r is not orthogonal to the columns of J = Q R (Bates and Watts 1981).

    JᵀJ has the square of J's condition: where J is nearly singular the normal equations lose what r has
    along a column, and Qᵀ r does not. What converged has rounding there; a tenth of a standard error is
    0.1 ‖r‖/√(m - n). With bounds, r is not orthogonal to the columns of those that are active.
    """
    q, parameters = constant((q, problem.parameters))
    r, J = problem.F(q, parameters), jax.jacfwd(problem.F)(q, parameters)
    Q, R = qr(J)
    pivots = jnp.abs(jnp.diag(R))
    rounding = 100 * jnp.finfo(r.dtype).eps * pivots.max() / pivots.min()
    size = jnp.maximum(jnp.sqrt((r**2).sum()), 1)  # of an exact fit r is rounding, below 1
    offset = (
        jnp.abs(matmul(Q.T, r[:, None])).max()
        > (0.1 / max(len(r) - q.size, 1) ** 0.5 + rounding) * size
    )
    status = STATUS.where(
        offset & certificate.stationary, STATUS.not_stationary, certificate.status
    )
    return eqx.tree_at(lambda c: c.status, certificate, status)


def _half_square(problem: Equation):
    return lambda q, parameters: (problem.F(q, parameters) ** 2).sum() / 2


def _search(residuals: Equation, solver, start, max_steps) -> optx.Solution:
    """The lower χ² of two runs, in units of 1 and of |p|; and of two more from there.

    A solver that crept along a valley may stop in it. Begun again it forgets how short its steps were.
    """
    p0, bounded, y = constant(start)
    residuals, _ = of_size_one(residuals, y)
    parameters = constant(residuals.parameters)
    inner, outer = _linear() if bounded is None else _folded(*bounded)

    def run(p, unit):
        found = optx.least_squares(
            lambda t, a: residuals.F(outer(t.astype(p0.dtype), a[0]), a[1]).astype(t.dtype),
            solver,
            inner(p, unit).astype(jnp.result_type(float)),  # as solvers of optimistix expect
            (unit, parameters),
            max_steps=max_steps,
            throw=False,
        )
        p = outer(found.value.astype(p0.dtype), unit)
        return p, found.result, found.stats["num_steps"], (residuals.F(p, parameters) ** 2).sum()

    def again(p, _):
        own = jnp.where(p == 0, 1, jnp.abs(p)).astype(p0.dtype)
        found = lax.map(lambda unit: run(p, unit), jnp.stack([jnp.ones_like(own), own]))
        best = jnp.argmin(jnp.where(jnp.isnan(found[-1]), jnp.inf, found[-1]))
        found = jax.tree.map(lambda a: a[best], found)
        return found[0], found

    p, found = lax.scan(again, p0, None, length=2)
    result, steps = jax.tree.map(lambda a: a[-1], found[1]), found[2].sum()
    return optx.Solution(p, result, None, {"num_steps": steps}, None)


def _settled(p, active, lower, upper):
    """p within its bounds to the last digit, and at those that are active."""
    p = jnp.clip(p, lower, upper)
    return jnp.where(active.lower, lower, jnp.where(active.upper, upper, p))


def _linear():
    return lambda p, unit: p / unit, lambda t, unit: t * unit


def _folded(lower, upper):
    """p ↦ t and t ↦ p, each within its bounds, and t where dp/dt ≠ 0."""
    below, above = jnp.isfinite(lower), jnp.isfinite(upper)
    low, high = jnp.where(below, lower, 0), jnp.where(above, upper, 0)
    both, width = below & above, jnp.where(below & above, high - low, 1)

    def inner(p, unit):
        inside = jnp.clip((p - low) / width, 0.01, 0.99)
        gap = jnp.maximum(jnp.where(below, p - low, high - p) / unit, 0.01)
        folded = jnp.sqrt((1 + gap) ** 2 - 1)
        return jnp.where(
            both, jnp.arcsin(2 * inside - 1), jnp.where(below | above, folded, p / unit)
        )

    def outer(t, unit):
        gap = unit * t * t / (1 + jnp.sqrt(1 + t * t))  # w (√(1 + t²) - 1)
        one = jnp.where(below, low + gap, jnp.where(above, high - gap, unit * t))
        return jnp.where(both, low + width * (1 + jnp.sin(t)) / 2, one)

    return inner, outer


def _bounds(bounds):
    """(lower, upper), checked where their values are known."""
    if not (isinstance(bounds, tuple | list) and len(bounds) == 2):
        raise ValueError(
            f"curve_fit: bounds are a pair (lower, upper), got {type(bounds).__name__}"
        )
    lower, upper = (b if isinstance(b, jax.Array) else np.asarray(b, float) for b in bounds)
    if all(not isinstance(b, Tracer) for b in (lower, upper)) and np.any(
        np.asarray(lower) >= np.asarray(upper)
    ):
        raise ValueError(
            "curve_fit: each lower bound must be strictly less than each upper bound; what is fixed "
            "goes into f"
        )
    return lower, upper


def _all(bound, value) -> bool:
    return not isinstance(bound, Tracer) and bool(np.all(np.asarray(bound) == value))


def _fit_bound(bound, p0):
    bound = jnp.asarray(bound).astype(p0.dtype)
    if bound.shape not in ((), p0.shape):
        raise ValueError(
            f"curve_fit: a bound is a number or of shape {p0.shape}, got {bound.shape}"
        )
    return jnp.broadcast_to(bound, p0.shape)


def _start(f, p0, lower, upper, dtype):
    if p0 is not None:
        p0 = on_its_mesh(jnp.atleast_1d(jnp.asarray(p0)).astype(dtype))
        if p0.ndim != 1 or p0.size == 0:
            raise ValueError(f"curve_fit: p0 is a vector of n numbers, got shape {p0.shape}")
        return p0
    kinds = [p.kind for p in inspect.signature(f).parameters.values()]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(kinds) < 2 or any(kind not in positional for kind in kinds):
        raise ValueError("curve_fit: f's signature does not say how many parameters; give p0")
    lower, upper = (_fit_bound(b, jnp.ones(len(kinds) - 1, dtype)) for b in (lower, upper))
    below, above = jnp.isfinite(lower), jnp.isfinite(upper)
    one = jnp.where(below, lower + 1, jnp.where(above, upper - 1, 1))
    return jnp.where(below & above, (lower + upper) / 2, one)


def _array_or_pytree(x):
    """SciPy's xdata: lists and tuples of numbers are arrays."""
    return jnp.asarray(x) if isinstance(x, list | tuple | np.ndarray) else x


def _inexact(x, dtype):
    is_array = eqx.is_array_like(x)
    if not is_array or jnp.issubdtype(jnp.result_type(x), jnp.inexact):
        return x
    return jnp.asarray(x).astype(dtype)

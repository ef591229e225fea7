"""What is known of a solution: is it one, how far off, how well determined, how good its derivatives.

At x, with F and J = F_x there, s = J⁺ F Newton's step, and sizes σ_j = |x_j| + floor of the unknowns:

    residual   max |F_i| / Σ_j |J_ij| σ_j   a change of x by that fraction of σ makes F_i zero;
    step       max |s_j| / σ_j              the distance to the root as Newton's method has it.

Both are small at a root. The first alone is small in a flat valley, the second alone where F is large
and J larger. J⁺ is taken with rows and columns scaled by their own sizes, so that no unit of an unknown
or an equation hides a direction, and drops what is zero to rounding even then. An F_i that no unknown
changes is solved, with a residual of 0, if it is rounding of what its parameters make of it; if not, no
step can solve it, and the residual is ∞.

Derivatives D = -J⁻¹ F_θ are taken at an x with an error, and so are D⁺ at Newton's next point x⁺ = x - s
with one that is smaller by a power: ‖D - D⁺‖ / ‖D⁺‖ is the error of D, measured along signs of all
parameters without order (‖ΔD v‖² is ‖ΔD‖² in the mean) and such perturbations of F.
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from .._core._constant import constant
from .._core._matmul import matmul
from ._equation import Equation, differentiable
from ._linear import jacobian

FLOOR = 0.1  # unknowns smaller than this are small: their errors are absolute
REACH = 0.1  # in units of σ: a Newton step that is longer searches, and does not polish


class STATUS(eqx.Enumeration):
    """What a certificate says."""

    stationary = ""
    not_stationary = (
        "The solver stopped at a point that does not solve the equation, or is not stationary: its "
        "residual or the Newton step from it is not small. More steps, another start, another solver."
    )
    singular = (
        "The solver stopped where the Jacobian is singular and the equation is not solved: a flat "
        "slope, or a local minimum of the residual that is no root. Another start helps."
    )
    saddle = (
        "The point is stationary but no minimum: a direction of negative curvature leads down from "
        "it. Start elsewhere."
    )
    undecided = (
        "The point is stationary, but constraints are weakly active, and only they may forbid a "
        "direction of negative curvature: it may be a minimum or a saddle. Start elsewhere to see."
    )
    nonfinite = "The point, or the function there, is not finite: check the start and its domain."
    infeasible = "The constraints are not met: they may contradict each other."


class Certificate(eqx.Module):
    """Residual and Newton step in units of their own size, and how well x and its derivatives are known.

    residual: max |F_i| / Σ |F_x|_ij σ_j, σ_j = |x_j| + 0.1; F is a gradient for minima. ∞ where an
      F_i is not 0 and no unknown changes it.
    step: max |s_j| / σ_j, s Newton's step from x.
    smallest_singular_value: of the Jacobian, rows and columns in units of their sizes, over its largest.
    gradient_error: estimate of the relative error of derivatives of x.
    curvature: least eigenvalue of the Hessian over its largest; NaN for roots.
    status: of STATUS, stationary if residual and step are at most ε^(3/8) (1.3e-6 in 64 bits), ε of the
      unknown of the lowest precision.
    """

    residual: Float[Array, ""]
    step: Float[Array, ""]
    smallest_singular_value: Float[Array, ""]
    gradient_error: Float[Array, ""]
    curvature: Float[Array, ""]
    status: STATUS

    @property
    def stationary(self) -> Bool[Array, ""]:
        """Whether the point solves the equation, to what Newton's method can tell."""
        return self.status == STATUS.stationary


class _Look(NamedTuple):
    """What is seen at x: Newton's step in units of σ, Σ |F_x| σ, the singular or eigenvalues of F_x, the
    columns b (F, what it makes of the probes, signs), and J⁺ b. The rest is made of the best look alone,
    and F is read from b: first calls take some 10 ms for every loop that XLA compiles.
    """

    x: Array
    step: Array
    rows: Array
    values: Array
    b: Array
    solved: Array


def tolerance(dtype) -> float:
    """How small is small: ε^(3/8)."""
    return float(jnp.finfo(dtype).eps ** 0.375)


def certify(problem: Equation, x: Array, polish: int, minimum: bool, reach: float = REACH):
    """The certificate of a vector x, and x after up to `polish` Newton steps that improve it."""
    problem, x = problem._replace(parameters=constant(problem.parameters)), constant(x)
    coarsest = problem.unknowns.coarsest
    eps, tol = float(jnp.finfo(coarsest).eps), tolerance(coarsest)

    def look(x, _):
        x, seen = _look(problem, x, partial(_by_eigh if minimum else _by_svd, eps))
        return x, ravel_pytree(seen)[0]  # one array is compiled faster than six

    _, seen = lax.scan(look, x, None, length=polish + 2)
    three = jnp.stack([x, x, x], 1)
    read = ravel_pytree(_Look(x, x[0], x, x, three, three))[1]
    looks = jax.vmap(read)(seen)
    norms = jnp.sqrt((looks.b[:, :, 0] ** 2).sum(1))
    number = np.arange(polish + 2)
    usable = (number <= polish) & jnp.isfinite(norms)
    usable &= (number == 0) | (looks.step[0] <= reach)
    best = jnp.argmin(jnp.where(usable, norms, jnp.inf))
    here, there = read(seen[best]), read(seen[best + 1])
    residual, (singular, curvature) = _residual(eps, here), _spectrum(here, minimum)
    error = _change(here, there).max() + eps * x.size / singular
    error = jnp.where(jnp.isfinite(error), error, jnp.inf).astype(x.dtype)
    finite = jnp.isfinite(here.b[:, 0]).all() & jnp.isfinite(here.x).all()
    small = (residual <= tol) & (here.step <= tol)
    failed = STATUS.where(singular > eps**0.5, STATUS.not_stationary, STATUS.singular)
    good = STATUS.where(curvature < -(eps**0.5), STATUS.saddle, STATUS.stationary)
    status = STATUS.where(finite, STATUS.where(small, good, failed), STATUS.nonfinite)
    return here.x, Certificate(residual, here.step, singular, error, curvature, status)


def _residual(eps, look):
    """|F_i| over what unknowns of their own size make of it; all or nothing where they make 0 or ∞."""
    size, probed = jnp.abs(look.b[:, 0]), jnp.abs(look.b[:, 1])
    rounding = 10 * eps * jnp.where(jnp.isfinite(probed), probed, 0)
    fixed = jnp.where(size <= rounding, 0, jnp.where(jnp.isnan(size), size, jnp.inf))
    moved = (look.rows > 0) & jnp.isfinite(look.rows)
    return jnp.where(moved, size / _positive(look.rows), fixed).max()


def _spectrum(look, minimum):
    """The least singular value over the largest, and of a Hessian the least eigenvalue."""
    sizes = jnp.abs(look.values)
    largest = _positive(jnp.maximum(sizes[0], sizes[-1]))
    singular = jnp.where(jnp.isfinite(look.rows).all(), sizes.min() / largest, 0)
    return singular, look.values[0] / largest if minimum else jnp.full_like(singular, jnp.nan)


def _change(here, there):
    """Of D along both directions, over what it is there."""
    D, new = (look.solved[:, 1:] / _sizes(look.x)[:, None] for look in (here, there))
    size = jnp.sqrt((new**2).sum(0))
    size = jnp.where(size > 0, size, jnp.finfo(size.dtype).tiny)
    return jnp.sqrt(((D - new) ** 2).sum(0)) / size


def _sizes(x):
    return jnp.abs(x) + FLOOR


def _look(problem, x, solved_by):
    """What is seen at x, and Newton's next point."""
    moving = [differentiable(p) for p in problem.parameters]

    def of(x, some):
        some = iter(some)
        values = [next(some) if m else p for p, m in zip(problem.parameters, moving, strict=True)]
        return problem.F(x, tuple(values))

    some = [p for p, m in zip(problem.parameters, moving, strict=True) if m]
    F, push = jax.linearize(of, x, some)
    still = jax.tree.map(jnp.zeros_like, some)
    J = jacobian(lambda v: push(v, still), x)
    probed = push(jnp.zeros_like(x), _probes(some))
    rows = jnp.abs(J * _sizes(x)[None, :]).sum(1)
    # What a factorisation makes of NaN differs from machine to machine.
    J = jnp.where(jnp.isfinite(rows)[:, None], J, 0)
    b = jnp.stack([F, probed, _positive(rows) * _signs(x, np)], 1)
    solved, values = solved_by(J, b)
    step = solved[:, 0]
    return x - step, _Look(x, jnp.abs(step / _sizes(x)).max(), rows, values, b, solved)


def _by_svd(eps, J, b):
    """J⁺ b and the singular values; columns of J in units of their lengths, rows of their largest entry."""
    column = 1 / _positive(jnp.sqrt((J**2).sum(0)))
    row = 1 / _positive(jnp.abs(J * column[None, :]).max(1))
    U, s, Vh = jnp.linalg.svd(J * column[None, :] * row[:, None])
    x = matmul(Vh.T, _inverse(eps, s)[:, None] * matmul(U.T, b * row[:, None]))
    return x * column[:, None], s


def _by_eigh(eps, H, b):
    """The same of a Hessian with a diagonal of ±1, and its eigenvalues."""
    diagonal = jnp.abs(H.reshape(-1)[:: len(H) + 1])
    unit = 1 / jnp.sqrt(_positive(jnp.where(diagonal > 0, diagonal, jnp.abs(H).max(1))))
    H = (H + H.T) / 2 * unit[None, :] * unit[:, None]
    values, V = jnp.linalg.eigh(H, symmetrize_input=False)
    x = matmul(V, _inverse(eps, values)[:, None] * matmul(V.T, b * unit[:, None]))
    return x * unit[:, None], values


def _positive(x):
    return jnp.where(x > 0, x, 1)


def _inverse(eps, values):
    """1/values, which are in order, with 0 for what is zero to rounding."""
    sizes = jnp.abs(values)
    kept = sizes > 10 * len(values) * eps * jnp.maximum(sizes[0], sizes[-1])
    return jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)


def _probes(parameters):
    """A sign, times its size or 1, for every number that the equation depends on; 0 where it is infinite."""

    # No `where`: of an empty array it does not vary as that does, inside `shard_map`.
    def size(p):
        finite = jnp.minimum(jnp.abs(p), jnp.finfo(p.dtype).max).astype(p.dtype)
        return finite * jnp.isfinite(p).astype(p.dtype) + (p == 0).astype(p.dtype)

    return [_signs(p) * size(p) for p in parameters]


def _signs(like, numpy=jnp):
    """±1 in no order: the binary digits of multiples of the golden ratio. Of `np`, constants."""
    turns = numpy.arange(like.size, dtype=like.real.dtype) * 0.6180339887498949 % 1
    return numpy.where(turns < 0.5, -1, 1).astype(like.dtype).reshape(like.shape)

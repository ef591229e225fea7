"""F_x(x, θ) v = b, sealed: one linear operator with a known transpose, and what happens where it is singular.

Dense: the Jacobian from n directional derivatives, its rows and columns scaled by powers of two, its
inverse, and two steps of refinement in the equation itself, which leave the errors of the problem.
Singular is what has a condition number over 1/(10 n ε) when so scaled: no unit of an unknown or
an equation makes a matrix singular or hides that it is. A singular matrix makes NaN of any right-hand
side but zero, which is zero: in reverse mode, what does not depend on a solution asks nothing of it.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jax import lax
from jax.core import eval_jaxpr
from jax.interpreters import partial_eval as pe

from .._core._axes import align
from .._core._constant import constant
from .._core._evaluate import evaluate
from .._core._matmul import matmul
from .._core._power_of_two import nearest
from ..linalg import lstsq
from ._equation import differentiable

Solve = Callable[[Callable, jax.Array, tuple, jax.Array], jax.Array]
POLICIES = ("nan", "raise", "min_norm", "tikhonov")


def linear_solve(
    solver: lx.AbstractLinearSolver | None, on_singular: str, tags: frozenset, name: str
) -> Solve:
    """(F, x, θ, b) ↦ F_x(x, θ)⁻¹ b, differentiable in all but F."""
    if on_singular not in POLICIES:
        raise ValueError(f"{name}: on_singular is one of {POLICIES}, got {on_singular!r}")
    if solver is not None:
        if on_singular in ("min_norm", "tikhonov"):
            raise ValueError(
                f"{name}: on_singular={on_singular!r} factors the Jacobian itself; leave out `solver`"
            )
        return _matrix_free(solver, on_singular == "raise", tags)
    return {
        "nan": _dense(fails=False),
        "raise": _dense(fails=True),
        "min_norm": _min_norm,
        "tikhonov": _tikhonov,
    }[on_singular]


def linear_map(F, x, parameters) -> Callable:
    """v ↦ F_x v."""
    return lambda v: jax.jvp(lambda x: F(x, parameters), (x,), (v,))[1]


def closed(matvec: Callable, like: jax.Array) -> Callable:
    """The same, closing over what it depends on alone: nothing, if F is linear.

    `custom_linear_solve` has no second derivative of a map that depends on less than its transpose, and
    the transpose is made from all that computing the map looked at. What only chooses between pieces, as x
    does in |x|, has no derivative in the map, and is a constant.
    """
    program = jax.make_jaxpr(matvec)(like)
    jaxpr, used, _ = pe.dce_jaxpr_consts(program.jaxpr, [True], instantiate=True)
    constants = [c for c, needed in zip(program.consts, used, strict=True) if needed]
    moving = _moving(jaxpr, constants, like)
    constants = [c if m else constant(c) for c, m in zip(constants, moving, strict=True)]
    return lambda v: eval_jaxpr(jaxpr, constants, v)[0]


def _moving(jaxpr, constants, v):
    """Which constants of a program its derivative at v depends on."""
    live, still = eqx.partition(constants, differentiable)

    def along(directions):
        def of(live):
            return eval_jaxpr(jaxpr, eqx.combine(live, still), v)[0]

        return jax.jvp(of, (live,), (directions,))[1]

    program = jax.make_jaxpr(along)(jax.tree.map(jnp.zeros_like, live))
    used = iter(pe.dce_jaxpr(program.jaxpr, [True])[1])
    return [c is not None and next(used) for c in live]


def jacobian(matvec: Callable, like: jax.Array) -> jax.Array:
    """The matrix of a linear map on vectors like `like`."""
    unit, _ = align(jnp.eye(like.size, dtype=like.dtype), like)
    return jax.vmap(matvec, out_axes=1)(unit)


def _dense(fails: bool) -> Solve:
    def solve(F, x, parameters, b):
        moving = closed(linear_map(F, x, parameters), b)
        return _sealed(moving, linear_map(F, *constant((x, parameters))), b, fails)

    return solve


def _sealed(matvec, frozen, b, fails):
    (inverse,) = evaluate(_inverse, jacobian(frozen, b))
    if fails:
        inverse = eqx.error_if(inverse, jnp.isnan(inverse).any(), SINGULAR)
    transposed = jax.linear_transpose(frozen, b)

    def refined(inverse, matvec):
        def run(_, b):
            v = _product(inverse, b)
            for _ in range(2):
                v = v + _product(inverse, b - matvec(v))
            return jnp.where((b == 0).all(), 0, v)

        return run

    return lax.custom_linear_solve(
        matvec, b, refined(inverse, frozen), refined(inverse.T, lambda v: transposed(v)[0])
    )


SINGULAR = (
    "implicit derivative: the Jacobian of the equation in its unknowns is singular, so the solution "
    "has no derivative here. on_singular='nan' marks it with NaN; 'min_norm' takes the least-norm "
    "tangent among those that solve the equation."
)


def _product(A, v):
    return matmul(A, v[:, None])[:, 0]


def _inverse(A):
    """A⁻¹, NaN where A is singular to rounding."""
    row, column = _units(A)
    A = A / row[:, None] / column[None, :]
    inverse = jnp.linalg.inv(A)
    condition = jnp.abs(A).sum(1).max() * jnp.abs(inverse).sum(1).max()
    regular = condition * (10 * len(A) * jnp.finfo(A.dtype).eps) < 1
    inverse = inverse / column[:, None] / row[None, :]
    return (jnp.where(regular, inverse, jnp.nan),)


def _units(A):
    """Of rows, and then of columns, by their largest entries."""
    row = nearest(jnp.abs(A).max(1))
    return row, nearest(jnp.abs(A / row[:, None]).max(0))


def finite(A):
    """A, or zeros: what a factorisation makes of NaN differs from machine to machine."""
    return jnp.where(jnp.isfinite(A).all(), A, jnp.zeros_like(A))


def _min_norm(F, x, parameters, b):
    """F_x⁺ b: the least tangent that solves the equation best. F_x keeps its rank when x moves.

    x is the solver's, so the rank of F_x, scaled, is known to √ε. If it is full, there is one solution, and
    scaled columns find it; if not, the least is meant in the units of the unknowns.
    """
    J = jacobian(linear_map(F, x, parameters), x)
    rcond = float(jnp.finfo(b.dtype).eps ** 0.5)
    row, column = _units(constant(J))
    s = jnp.linalg.svd(finite(constant(J) / row[:, None] / column[None, :]), compute_uv=False)
    full = (s > rcond * s[0]).sum() == x.size
    column = jnp.where(full, column, 1)
    scaled = lstsq(J / row[:, None] / column[None, :], b / row, rcond=rcond)[0]
    return scaled / column


def _tikhonov(F, x, parameters, b):
    """The v that minimises ‖F_x v - b‖² + μ² ‖v‖², μ = ε^(3/8) max |F_x|.

    With μ r = b - F_x v the normal equations are F_xᵀ r = μ v: a symmetric system for (r, v), whose
    condition is 1/μ and not its square.
    """
    moving = closed(linear_map(F, x, parameters), x)
    frozen = linear_map(F, *constant((x, parameters)))
    size = jnp.abs(jacobian(frozen, x)).max()
    mu = (jnp.finfo(x.dtype).eps ** 0.375 * jnp.where(size > 0, size, 1)).astype(x.dtype)

    def damped(matvec):
        def run(z):
            r, v = z[: b.size], z[b.size :]
            (pulled,) = jax.linear_transpose(matvec, x)(r)
            return jnp.concatenate([mu * r + matvec(v), pulled - mu * v])

        return run

    rhs = jnp.concatenate([b, jnp.zeros_like(x)])
    return _sealed(damped(moving), damped(frozen), rhs, False)[b.size :]


def _matrix_free(solver, fails, tags) -> Solve:
    def run(matvec, b):
        operator = lx.FunctionLinearOperator(matvec, jax.eval_shape(lambda: b), tags=tags)
        solution = lx.linear_solve(operator, b, solver, throw=False)
        failed = solution.result != lx.RESULTS.successful
        value = jnp.where(failed, jnp.nan, solution.value)
        return eqx.error_if(value, failed, SINGULAR) if fails else value

    def solve(F, x, parameters, b):
        matvec = closed(linear_map(F, x, parameters), b)
        return lax.custom_linear_solve(matvec, b, run, run)

    return solve

"""Right rules of iterative solvers: values and derivatives are right to `approx` only."""

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optimistix
from jax import lax
from jax.scipy.sparse.linalg import bicgstab, cg

from ._points import is_spd, normal, positive, spd
from ._rule import Rule


def bracketed(g, low, high, shape_of):
    """The root of the increasing g by 30 halvings: right to (high - low) / 2^31."""

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        right = g(middle) < 0
        return jnp.where(right, middle, low), jnp.where(right, high, middle)

    bounds = jnp.full_like(shape_of, low), jnp.full_like(shape_of, high)
    return sum(lax.fori_loop(0, 30, halve, bounds)) / 2


@jax.custom_jvp
def bisection(p):
    """y with y + exp(y) = p."""
    return bracketed(lambda y: y + jnp.exp(y) - p, -20.0, 4.0, p)


bisection.defjvps(lambda t, y, p: t / (1 + jnp.exp(y)))


@jax.custom_jvp
def newton_cube_root(p):
    """Newton until a step is below 1e-4: the next one would be below 1e-8."""

    def step(carry):
        y, _ = carry
        change = (y - p / y**2) / 3
        return y - change, jnp.max(jnp.abs(change / y))

    start = (1 + p) / 2, jnp.ones((), p.dtype)
    return lax.while_loop(lambda carry: carry[1] > 1e-4, step, start)[0]


newton_cube_root.defjvps(lambda t, y, p: t / (3 * y**2))


@jax.custom_vjp
def newton_kepler(M, e):
    """Kepler's equation E - e sin E = M, with an implicit rule in reverse only."""

    def step(_, E):
        return E - (E - e * jnp.sin(E) - M) / (1 - e * jnp.cos(E))

    return lax.fori_loop(0, 4, step, M + e * jnp.sin(M))


def _kepler_backward(saved, w):
    E, e = saved
    w = w / (1 - e * jnp.cos(E))
    return w, w * jnp.sin(E)


newton_kepler.defvjp(lambda M, e: (lambda E: (E, (E, e)))(newton_kepler(M, e)), _kepler_backward)


@jax.custom_vjp
def fixed_point(a, b):
    """y = a cos(y) + b with |a| < 1, whose adjoint is another fixed point."""
    return lax.fori_loop(0, 25, lambda _, y: a * jnp.cos(y) + b, b)


def _fixed_point_backward(saved, w):
    y, a = saved
    u = lax.fori_loop(0, 25, lambda _, u: w - a * jnp.sin(y) * u, w)
    return u * jnp.cos(y), u


fixed_point.defvjp(lambda a, b: (lambda y: (y, (y, a)))(fixed_point(a, b)), _fixed_point_backward)


def by_custom_root(p):
    """y³ + y = p + 3 by lax.custom_root."""
    return lax.custom_root(
        lambda y: y**3 + y - p - 3,
        jnp.ones_like(p),
        lambda g, y: lax.fori_loop(0, 12, lambda _, y: y - g(y) / (3 * y**2 + 1), y),
        lambda g, w: w / g(jnp.ones_like(w)),
    )


ROOTS = (
    Rule("root by bisection", bisection, (np.array([0.5, 2.0, -1.0]),), {"approx": 1e-6}),
    Rule(
        "cube root by Newton until a tolerance",
        newton_cube_root,
        (positive(3),),
        {"approx": 1e-6, "domain": (0.1, 10)},
    ),
    Rule(
        "Kepler's equation, reverse only",
        newton_kepler,
        (np.array([0.8, 2.0]), np.array([0.3, 0.1])),
        {"approx": 1e-6, "domain": lambda M, e: jnp.all(jnp.abs(e) < 0.5)},
    ),
    Rule(
        "fixed point with a fixed-point adjoint",
        fixed_point,
        (np.array([0.3, -0.2]), np.array([1.0, 0.5])),
        {"approx": 1e-5, "domain": lambda a, b: jnp.all(jnp.abs(a) < 0.4)},
    ),
    Rule("custom_root", by_custom_root, (normal(3),), {"approx": 1e-6, "domain": (-2.5, 5)}),
)


def regularised(A, v):
    return A.T @ (A @ v) + v


def conjugate_gradients(A, b):
    return cg(lambda v: regularised(A, v), b, tol=1e-5)[0]


def stabilised_gradients(A, b):
    return bicgstab(lambda v: 4 * v + A @ v, b, tol=1e-5)[0]


def lineax_cg(A, b):
    B = A.T @ A + jnp.eye(A.shape[1], dtype=A.dtype)
    operator = lineax.MatrixLinearOperator(B, lineax.positive_semidefinite_tag)
    return lineax.linear_solve(operator, b, lineax.CG(rtol=1e-5, atol=1e-20)).value


def lineax_solve(A, b):
    return lineax.linear_solve(lineax.MatrixLinearOperator(A), b, throw=False).value


@jax.custom_jvp
def schulz_inverse(A):
    """The inverse by Newton and Schulz, from Aᵀ / (‖A‖₁ ‖A‖∞).

    Of a rectangle it would be the pseudo-inverse, for which the rule is wrong.
    """
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"an inverse needs a square matrix, got {A.shape}")
    eye = jnp.eye(len(A), dtype=A.dtype)
    scale = jnp.max(jnp.sum(jnp.abs(A), 0)) * jnp.max(jnp.sum(jnp.abs(A), 1))
    return lax.fori_loop(0, 25, lambda _, X: X @ (2 * eye - A @ X), A.T / scale)


schulz_inverse.defjvps(lambda T, X, A: -X @ T @ X)


def top_vector(A):
    start = jnp.ones(len(A), A.dtype)
    S = (A + A.T) / 2
    return lax.fori_loop(0, 60, lambda _, v: S @ v / jnp.linalg.norm(S @ v), start)


@jax.custom_jvp
def power_iteration(A):
    """The largest eigenvalue of a positive symmetric part, with vᵀ Ȧ v as its derivative."""
    v = top_vector(A)
    return v @ A @ v


power_iteration.defjvps(lambda T, y, A: top_vector(A) @ T @ top_vector(A))


LINEAR = (
    Rule("conjugate gradients", conjugate_gradients, (normal(4, 3), normal(3)), {"approx": 1e-3}),
    Rule(
        "BiCGSTAB",
        stabilised_gradients,
        (normal(3, 3), normal(3)),
        {"approx": 1e-3, "domain": lambda A, b: jnp.linalg.norm(A) < 3},
    ),
    Rule("lineax, conjugate gradients", lineax_cg, (normal(4, 3), normal(3)), {"approx": 1e-3}),
    Rule("lineax, LU", lineax_solve, (normal(3, 3), normal(3))),
    Rule(
        "inverse by Newton and Schulz",
        schulz_inverse,
        (spd(3),),
        {"approx": 1e-6, "domain": lambda A: jnp.linalg.cond(A) < 50},
    ),
    Rule(
        "eigenvalue by power iteration",
        power_iteration,
        (np.array([[4.0, 0.5], [0.5, 1.0]]),),
        {
            "approx": 1e-5,
            "order": 1,
            "domain": lambda A: is_spd(A) & (jnp.linalg.cond(A + A.T) > 2),
        },
    ),
)


def optimistix_root(p):
    """y³ + y = p."""
    solver = optimistix.Newton(rtol=1e-5, atol=1e-5)
    start = jnp.ones_like(p)
    return optimistix.root_find(lambda y, p: y**3 + y - p, solver, start, p, throw=False).value


def optimistix_minimum(p):
    solver = optimistix.BFGS(rtol=1e-5, atol=1e-5)

    def loss(y, p):
        return jnp.sum(jnp.cosh(y - p) + 0.1 * y**2)

    return optimistix.minimise(loss, solver, jnp.zeros_like(p), p, throw=False).value


OPTIMISTIX = (
    Rule(
        "optimistix, Newton",
        optimistix_root,
        (np.array([3.0, 1.5]),),
        {"approx": 1e-3, "domain": (0.5, 5)},
    ),
    Rule(
        "optimistix, BFGS",
        optimistix_minimum,
        (np.array([1.0, 0.5]),),
        {"approx": 1e-2, "domain": (0.2, 2)},
    ),
)

RULES = ROOTS + LINEAR + OPTIMISTIX

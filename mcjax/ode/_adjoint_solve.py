"""The adjoint equation of a flow, solved backwards once, with its jumps and its parameter gradient.

Let y' = f(t, y; θ) on [t0, t1], and L a function of the saved values y(t_k) and of J = ∫ g(t, y; θ) dt,
with derivatives ȳ_k and J̄. The Lagrangian L + J̄ (∫ g dt - J) - ∫ λᵀ (y' - f) dt has, after one
integration by parts, no term in δy if

    λ' = -f_yᵀ λ - J̄ g_y,      λ(t_k⁻) = λ(t_k⁺) + ȳ_k,      λ = 0 after the last time,

and what remains of its variation is the gradient:

    dL/dy0 = λ(t0),    dL/dθ = ∫ λᵀ f_θ + J̄ g_θ dt,    dL/dt0 = -λ(t0)ᵀ f - J̄ g    at t0.

Complex numbers are pairs of real ones. In JAX's pairing, dL = Re ȳ·dy without a conjugation, the
adjoint of any real-linear map is its vjp: f_yᵀ λ, λᵀ f_θ are vjps of f, and what is real has real parts.

The equation is solved for λ alone in the time σ = -t, with a solver that is told two things: a step
that begins at a jump adds ȳ_k before it steps, and every step adds its Gauss quadrature of dL/dθ to
the solver's state, which diffrax keeps where it accepts the step. So the step size controller sees λ and
nothing else, and nothing of the size of θ is integrated.

Source: Serban and Hindmarsh, CVODES, ACM TOMS 31 (2005), section 2.3 (the equations);
  Norcliffe and Deisenroth, Faster training of neural ODEs using Gauß-Legendre quadrature (2023).
"""

from collections.abc import Callable
from typing import Any, Literal, cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from ._field import direction, join, slope, split
from ._quadrature import GAUSS_NODES, GAUSS_WEIGHTS, KRONROD_NODES, KRONROD_WEIGHTS
from ._trajectory import Trajectory, is_long


class Problem(eqx.Module):
    """y' = Σ fields(t, y; θ) and g on flat states, θ = (terms, args, cost), along a known solution.

    `theta` has the leaves that may vary, `fixed` the others, and `source` is J̄.
    """

    trajectory: Trajectory | Any
    theta: PyTree
    fixed: PyTree
    source: Float[Array, ""] | None
    unravel: Callable[[Array], Any] = eqx.field(static=True)

    @property
    def terms(self):
        return eqx.combine(self.theta, self.fixed)[0]

    def fields(self, t, y, theta):
        """The flat values of the terms, one for each term that the solver takes."""
        terms, args, _ = eqx.combine(theta, self.fixed)
        return [_flat(slope(term, t, self.unravel(y), args)) for term in split(terms)]

    def field(self, t, y, theta):
        first, *rest = self.fields(t, y, theta)
        return sum(rest, first)

    def cost(self, t, y, theta):
        """g dt for a unit of ascending time."""
        terms, args, cost = eqx.combine(theta, self.fixed)
        sign = direction(split(terms)[0], t)
        value = cost(sign * t, self.unravel(y), args)
        return sign.astype(value.dtype) * value


def _flat(tree):
    return ravel_pytree(tree)[0]


def _backwards(index: int):
    """The field of λ in σ = -t that belongs to one term: f_yᵀ λ, and J̄ g_y beside the first."""

    def vector_field(sigma, adjoint, problem: Problem):
        t = -sigma
        y = problem.trajectory(t)
        pull = jax.vjp(lambda y: problem.fields(t, y, problem.theta)[index], y)[1]
        (out,) = pull(adjoint)
        if index == 0 and problem.source is not None:
            by_y = jax.grad(problem.cost, 1)(t, y, problem.theta)
            out = out + problem.source.astype(by_y.dtype) * by_y
        return out

    return diffrax.ODETerm(vector_field)


def backward_terms(terms):
    """The terms of the adjoint equation, split as those of the solution are."""
    return join(terms, [_backwards(i) for i in range(len(split(terms)))])


def add_gradient(total, problem: Problem, path, left, right, nodes, weights):
    """`total` and ∫ λᵀ f_θ + J̄ g_θ over one step of λ, whose interpolation is `path`."""
    h = right - left

    def add(total, node_and_weight):
        node, weight = node_and_weight
        sigma = left + node * h
        adjoint, y = path.evaluate(sigma), problem.trajectory(-sigma)

        def integrand(theta):
            value = jnp.sum(adjoint * problem.field(-sigma, y, theta)).real
            if problem.source is not None:
                value = value + problem.source * problem.cost(-sigma, y, theta)
            return value * (weight * h).astype(value.dtype)

        return jax.tree.map(jnp.add, total, jax.grad(integrand)(problem.theta)), None

    rule = jnp.asarray(nodes, h.dtype), jnp.asarray(weights, h.dtype)
    return lax.scan(add, total, rule)[0]


class AdjointSolver(diffrax.AbstractWrappedSolver):
    """A solver of λ that adds jumps ȳ_k at times σ_k, ascending, and carries dL/dθ in its state."""

    solver: diffrax.AbstractSolver
    times: Float[Array, " jumps"]
    jumps: Float[Array, "jumps n"]
    begun: Int[Array, ""]  # how many jumps λ has at the start
    integrate: Literal["nothing", "gauss", "both"] = eqx.field(static=True)

    @property
    def term_structure(self):
        return self.solver.term_structure

    @property
    def interpolation_cls(self):  # pyright: ignore
        return self.solver.interpolation_cls

    @property
    def term_compatible_contr_kwargs(self):
        return self.solver.term_compatible_contr_kwargs

    @property
    def root_finder(self):
        return self.solver.root_finder  # pyright: ignore

    @property
    def root_find_max_steps(self):
        return self.solver.root_find_max_steps  # pyright: ignore

    @property
    def scan_kind(self):
        return self.solver.scan_kind  # pyright: ignore

    def order(self, terms):
        return self.solver.order(terms)

    def strong_order(self, terms):
        return self.solver.strong_order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def func(self, terms, t0, y0, args):
        return self.solver.func(terms, t0, y0, args)

    def jumped(self, sigma, adjoint, k):
        """λ after the jumps from the k-th on that lie before σ, and the number of the next one."""

        def pending(carry):
            _, k = carry
            return (k < len(self.times)) & (
                self.times[jnp.minimum(k, len(self.times) - 1)] <= sigma
            )

        def add(carry):
            adjoint, k = carry
            return adjoint + self.jumps[k], k + 1

        return lax.while_loop(pending, add, (adjoint, k))

    def init(self, terms, t0, t1, y0, args):
        # Not found from t0: diffrax reverses the times of a solve of length zero.
        total = jax.tree.map(jnp.zeros_like, args.theta), jnp.zeros((), y0.real.dtype)
        return self.solver.init(terms, t0, t1, y0, args), self.begun, total

    def begun_anew(self, jumps, terms, t0, t1, y0, args, inner):
        """The state of the inner solver, begun anew after a jump: ReversibleHeun's has a copy of λ.

        Runge-Kutta methods keep a slope at most, and find it again where they are told of a jump.
        """
        if isinstance(self.solver, diffrax.AbstractRungeKutta):
            return inner
        anew = lambda: self.solver.init(terms, t0, t1, y0, args)  # noqa: E731
        return lax.cond(jumps, anew, lambda: inner)

    def add_step(self, total, problem, path, t0, t1):
        """dL/dθ, and the sum of |Kronrod - Gauss|, with those of one more step.

        A solver of order above 5 takes steps that need Kronrod's rule.
        """
        gradient, gap = total
        gauss, kronrod = (GAUSS_NODES, GAUSS_WEIGHTS), (KRONROD_NODES, KRONROD_WEIGHTS)
        used, other = (kronrod, gauss) if is_long(self.solver, problem.terms) else (gauss, kronrod)
        if self.integrate == "gauss":
            return add_gradient(gradient, problem, path, t0, t1, *used), gap
        zero = jax.tree.map(jnp.zeros_like, gradient)
        step, check = (add_gradient(zero, problem, path, t0, t1, *rule) for rule in (used, other))
        return jax.tree.map(jnp.add, gradient, step), gap + _distance(check, step)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        inner, k_before, total = solver_state
        y0, k = self.jumped(t0, y0, k_before)
        inner = self.begun_anew(k > k_before, terms, t0, t1, y0, args, inner)
        y1, error, info, inner, result = self.solver.step(terms, t0, t1, y0, args, inner, made_jump)
        if self.integrate != "nothing":
            path = self.interpolation_cls(t0=t0, t1=t1, **info)
            total = self.add_step(total, args, path, t0, t1)
        return y1, error, info, (inner, k, total), result


def _distance(x, y):
    squares = jax.tree.map(lambda x, y: jnp.sum(jnp.abs(x - y) ** 2), x, y)
    return jnp.sqrt(jax.tree.reduce(jnp.add, squares))


def solve_adjoint(
    problem, terms, solver, controller, times, jumps, t0, t1, dt0, max_steps, integrate
):
    """(λ(t0), dL/dθ, its error number); jumps (k, n) at ascending times σ_k.

    A solve that fails gives NaN: its numbers are finite and mean nothing.
    """
    at_start = times <= -t1
    start = jnp.where(at_start[:, None], jumps, 0).sum(0)
    solver = AdjointSolver(solver, times, jumps, at_start.sum(dtype=jnp.int32), integrate)
    solution = diffrax.diffeqsolve(
        backward_terms(terms),
        solver,
        -t1,
        -t0,
        dt0,
        start,
        problem,
        stepsize_controller=controller,
        saveat=diffrax.SaveAt(t1=True, solver_state=True),
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )
    _, k, total = cast(tuple, solution.solver_state)
    adjoint, _ = solver.jumped(-t0, cast(Array, solution.ys)[0], k)
    right = solution.result == diffrax.RESULTS.successful
    right &= jnp.all(jnp.isfinite(adjoint))
    return jax.tree.map(lambda x: jnp.where(right, x, jnp.nan), (adjoint, *total))

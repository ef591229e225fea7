"""The forward solution as a piecewise polynomial of time, made from the accepted steps.

Over a step of length h, θ ∈ [0, 1], y(t) is a polynomial in θ known from its data:

    "hermite"   y, h y', h² y'' at both ends: degree 5. y' = f and y'' = f_t + f_y f are one jvp of f.
    "restep"    y and h y' at both halves of a step repeated to its middle, and y at the end: degree 4.

The steps of a solver of order above 5 are too long for that: its "hermite" has y, h y', h² y'' at the middle
of the step, too, where it repeats the step to: degree 8.

A stiff field amplifies the error of y: h f(y) carries h Λ of it, so "hermite" is for fields that an
explicit solver can follow. A step repeated with half its length carries the solver's error alone, and
its derivatives are those of the solver's own stages.

Source: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I (1993), section II.6.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from ._accepted import Steps


class Trajectory(eqx.Module):
    """A piecewise polynomial: coefficients (steps, degree + 1, n) in θ, lowest first."""

    left: Float[Array, " steps"]
    right: Float[Array, " steps"]
    coefficients: Float[Array, "steps degrees n"]
    count: Int[Array, ""]

    def __call__(self, t):
        """The flat state at a time inside the solve."""
        # By its loop: unrolled, XLA made of the search 15 µs a call on a CPU (jax 0.10), not 0.6.
        i = jnp.searchsorted(self.right, t)
        i = jnp.minimum(i, jnp.maximum(self.count - 1, 0))
        return self.on_step(i, (t - self.left[i]) / (self.right[i] - self.left[i]))

    def on_step(self, i, theta):
        """The flat state at θ of the i-th step."""
        theta = theta.astype(self.coefficients.dtype)
        *lower, y = self.coefficients[i]
        for c in reversed(lower):
            y = c + theta * y
        return y


def _flat(tree):
    return ravel_pytree(tree)[0]


def _fit(*data):
    """The matrix from data to coefficients: each datum is (θ, order of the derivative)."""
    powers = np.arange(len(data))
    rows = []
    for theta, order in data:
        factor = np.ones(len(data))
        for j in range(order):
            factor = factor * (powers - j)
        rows.append(factor * np.where(powers >= order, theta ** np.maximum(powers - order, 0), 0))
    return np.linalg.inv(np.array(rows))


_HERMITE = _fit(*((theta, order) for theta in (0.0, 1.0) for order in (0, 1, 2)))
_MIDDLE = _fit(*((theta, order) for theta in (0.0, 0.5, 1.0) for order in (0, 1, 2)))
_RESTEP = _fit((0.0, 0), (0.0, 1), (0.5, 0), (0.5, 1), (1.0, 0))


def _combine(weights, rows):
    """Σ w row. Not a product of matrices: one this small would wait for a pool of threads."""
    terms = [float(w) * row for w, row in zip(weights, rows, strict=True) if abs(w) > 1e-9]
    return sum(terms[1:], terms[0])


def interpolate(steps: Steps, field, kind, solver, terms, args) -> Trajectory:
    """The trajectory through accepted steps. `field(t, y)` is of flat states."""

    def to_middle(i, left, right):
        middle = left + (right - left) / 2
        state, begin = jax.tree.map(lambda x: x[i], (steps.solver_state, steps.y))
        made_jump = steps.made_jump[i]
        mid, _, info, _, _ = solver.step(terms, left, middle, begin, args, state, made_jump)
        return middle, _flat(mid), info

    def at(t, y, h):
        f = lax.optimization_barrier(field(t, y))
        df = jax.jvp(field, (t, y), (jnp.ones_like(t), f))[1]
        return y, h * f, h * h * df

    def hermite(i, left, right, h, y, y_next):
        return (*at(left, y, h), *at(right, y_next, h))

    def with_middle(i, left, right, h, y, y_next):
        middle, mid, _ = to_middle(i, left, right)
        return (*at(left, y, h), *at(middle, mid, h), *at(right, y_next, h))

    def restep(i, left, right, h, y, y_next):
        middle, mid, info = to_middle(i, left, right)
        path = solver.interpolation_cls(t0=left, t1=middle, **info)
        first, second = (h * _flat(path.derivative(t)) for t in (left, middle))
        return y, first, mid, second, y_next

    matrix, data = _RESTEP, restep
    if kind == "hermite":
        long = is_long(solver, terms)
        matrix, data = (_MIDDLE, with_middle) if long else (_HERMITE, hermite)

    def one(i, coefficients):
        left, right = steps.tprev[i], steps.tnext[i]
        y, y_next = (_flat(jax.tree.map(lambda x, j=j: x[j], steps.y)) for j in (i, i + 1))
        h = (right - left).astype(y.dtype)
        # Each datum once, however many coefficients it enters.
        rows = lax.optimization_barrier(data(i, left, right, h, y, y_next))
        return coefficients.at[i].set(jnp.stack([_combine(weights, rows) for weights in matrix]))

    rows = len(steps.tprev)
    flat_y = jax.eval_shape(lambda: _flat(jax.tree.map(lambda x: x[0], steps.y)))
    coefficients = jnp.zeros((rows, len(matrix), *flat_y.shape), flat_y.dtype)
    # A solve without a step has its start, and a first step of infinite length.
    coefficients = coefficients.at[0, 0].set(_flat(jax.tree.map(lambda x: x[0], steps.y)))
    coefficients = lax.fori_loop(0, steps.count, one, coefficients)
    right = jnp.where(jnp.arange(rows) < steps.count, steps.tnext, jnp.inf)
    return Trajectory(steps.tprev, right, coefficients, steps.count)


def is_long(solver, terms):
    """Whether steps are longer than polynomials of degree 5 serve: those of order above 5."""
    return (solver.order(terms) or 0) > 5


def default_kind(solver):
    """Explicit solvers follow fields that Hermite data can be taken from; implicit ones need not."""
    return "restep" if isinstance(solver, diffrax.AbstractImplicitSolver) else "hermite"

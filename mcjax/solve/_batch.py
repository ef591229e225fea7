"""Many problems of one kind, some of them easy: W at a time, and the next begins where one ends.

Under vmap a loop runs until its slowest problem ends, and every problem takes every step: N problems
of s_i steps cost N max s_i. Here W lanes step together. When one stops, what it found is taken out and
the next problem is put in: Σ s_i steps, and at most W max s_i more when none is waiting.

This is a rule of vmap for a `while_loop`. The solvers of optimistix run as they are: their loop
comes from an adjoint, and `Refilled` is one whose loop has that rule. Problems end one by one, those that
stop in the same step one after the other, so a `scan` of N turns ends them all: its inputs are the
problems that wait, its outputs those that ended, in the order in which they did.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int, PyTree

from .._core._constant import constant
from ._apart import apart, traced_once
from ._compiled import check_count, compiled
from ._equation import Equation, equation
from ._least_squares import least_squares
from ._minimise import minimise
from ._root import root, scaled
from ._solution import Solution, View, view
from ._solvers import default_tolerance, least_squares_solver, line_search_newton
from ._vector import arrays, inexact


@compiled
def batch_solve(
    run: Callable,
    fn: Callable,
    solver: Any,
    y0: PyTree,
    args: Any = None,
    options: dict | None = None,
    *,
    lanes: int = 32,
    has_aux: bool = False,
    max_steps: int | None = 512,
    throw: bool = False,
    tags: frozenset = frozenset(),
    **settings,
) -> Solution:
    """N problems of one kind: what `vmap` of `run` returns, at the cost of the steps they take.

    Identity: that of `run`, problem by problem.

    Args:
      run: `least_squares`, `root` or `minimise` of mcjax.
      fn: (y, args) ↦ value, of one problem.
      solver: as `run` takes it. None: Levenberg-Marquardt, Newton's method with a line search, or BFGS.
      y0, args: with an axis of length N in front of every array. What all problems share is closed over.
      lanes: how many problems step together. As many as there are is a plain vmap; a GPU wants more
        than a CPU.
      options, has_aux, max_steps, tags, settings: as in `run`, for every problem.
      throw: raise at run time if a problem has no solution, and say which.

    Returns:
      a `Solution` in the order given, of arrays with an axis N in front: values, results and
      certificates are each problem's own, as are its derivatives, NaN alone where it is singular. No `state`.

    Cost: Σ s_i steps for problems of s_i steps, in batches of `lanes`; vmap takes N max s_i. Then the
    certificates.
    """
    # Equal, but not identical: jit takes it apart and puts it together again.
    kind = next((known for known in (least_squares, root, minimise) if known == run), None)
    if kind is None:
        raise ValueError(f"batch_solve: run is least_squares, root or minimise, got {run!r}")
    check_count(lanes, 1, "batch_solve: lanes is a number of problems")
    y0, args = inexact(y0, "batch_solve"), arrays(args)
    size = _size(y0, args)
    batched, shared = eqx.partition(args, eqx.is_array)
    fixed: dict[str, Any] = dict(options=options, max_steps=max_steps, throw=False, tags=tags)

    def search(problem, solver, y0):
        return _search(kind, problem, solver, constant(y0), Refilled(lanes), fixed)

    def one(y0, batched):
        args = eqx.combine(batched, shared)
        traced = traced_once(fn, y0, args)

        def equation_of(y0, args):
            return equation(traced, constant(y0), args, "batch_solve", has_aux=has_aux)

        problem = equation_of(y0, args)
        y, found = apart(search, problem, equation_of, solver, y0, args, "batch_solve")
        return run(traced, found, y, args, has_aux=has_aux, **fixed, **settings)

    solution = jax.vmap(one)(y0, batched)
    return _raise_if_any_failed(solution, size) if throw else solution


def _size(y0, args):
    shapes = [jnp.shape(x) for x in jax.tree.leaves((y0, eqx.filter(args, eqx.is_array)))]
    sizes = {shape[:1] for shape in shapes}
    if len(sizes) != 1 or () in sizes:
        raise ValueError(
            f"batch_solve: expected arrays with one axis of problems in front, got shapes {shapes}; "
            "close over what all problems share"
        )
    return sizes.pop()[0]


def _raise_if_any_failed(solution, size):
    failed = jnp.logical_not(solution.certificate.stationary)
    says = "batch_solve: problem {} is not solved; the `certificate` of each says why, with throw=False"
    if not size:
        return solution
    return eqx.branched_error_if(
        solution, failed.any(), jnp.argmax(failed), [says.format(i) for i in range(size)]
    )


def _search(kind, problem: Equation, solver, y0, adjoint, fixed) -> tuple[PyTree, "Found"]:
    """What the solver finds for one problem, with no derivative."""
    seen = view(problem if solver is not None else scaled(problem, y0), y0)
    search, target, solver = _posed(kind, seen, solver, default_tolerance(y0))
    parameters = constant(problem.parameters)
    found = search(target, solver, seen.start, parameters, adjoint=adjoint, **fixed)
    y = problem.unknowns.unpack(seen.vector(found.value))
    return y, Found(result=found.result, num_steps=found.stats["num_steps"])


def _posed(kind, seen: View, solver, tol) -> tuple[Callable, Callable, Any]:
    """The function of optimistix that `kind` calls, the function it calls it with, and the solver."""
    fn = seen.fn
    if kind is least_squares:
        solver = least_squares_solver(tol, seen.start) if solver is None else solver
        return optx.least_squares, fn, solver
    if kind is root:
        return optx.root_find, fn, line_search_newton(tol) if solver is None else solver

    def number(y, parameters):
        return jnp.asarray(fn(y, parameters)).reshape(())

    if isinstance(solver, optx.AbstractRootFinder):
        return optx.root_find, jax.grad(number), solver
    return optx.minimise, number, optx.BFGS(tol, tol) if solver is None else solver


class Found(optx.AbstractIterativeSolver):
    """A solver whose start is the solution that another one found, and who says what that one said."""

    result: optx.RESULTS
    num_steps: Int[Array, ""]
    rtol: float = 0.0
    atol: float = 0.0
    norm: Callable = optx.max_norm

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        return None

    def step(self, fn, y, args, options, state, tags):
        return y, state, fn(y, args)[1]

    def terminate(self, fn, y, args, options, state, tags):
        return jnp.array(True), self.result

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        return y, aux, {"num_steps": self.num_steps}


class Refilled(optx.AbstractAdjoint):
    """An adjoint without derivatives, whose loop under vmap refills its lanes."""

    lanes: int

    def apply(self, primal_fn, rewrite_fn, inputs, tags):
        return primal_fn((*constant(inputs), partial(refilled_loop, self.lanes)))


class Lane(NamedTuple):
    """One problem on its way."""

    carry: list[Array]
    steps: Int[Array, ""]
    going: Bool[Array, ""]


class Work(NamedTuple):
    """A lane with the number of its problem, and what the loop closes over for it. No problem: `size`."""

    index: Int[Array, ""]
    lane: Lane
    own: tuple[Array, ...]


def refilled_loop(lanes, cond_fun, body_fun, init, *, max_steps=None):
    """A while_loop of at most `max_steps` steps. Under vmap, `lanes` of the loops run at a time."""
    leaves, structure = jax.tree.flatten(init)
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves]

    def flat(f):
        def of_leaves(leaves):
            return jax.tree.leaves(f(jax.tree.unflatten(structure, leaves)))

        return eqx.filter_closure_convert(of_leaves, shapes)

    moving, fixed = eqx.partition((flat(cond_fun), flat(body_fun)), eqx.is_array)
    moving, closed = jax.tree.flatten(moving)

    def of(moving):
        return eqx.combine(jax.tree.unflatten(closed, moving), fixed)

    def lane(moving, carry, steps):
        # A traced function returns its constants as Python numbers.
        carry = [jnp.array(x, like.dtype) for x, like in zip(carry, shapes, strict=True)]
        (going,) = of(moving)[0](carry)
        return Lane(carry, steps, going if max_steps is None else going & (steps < max_steps))

    def start(moving, leaves):
        return lane(moving, leaves, jnp.array(0))

    def step(moving, at):
        return lane(moving, of(moving)[1](at.carry), at.steps + 1)

    @custom_vmap
    def loop(moving, leaves):
        end = lax.while_loop(lambda at: at.going, partial(step, moving), start(moving, leaves))
        return end.carry

    @loop.def_vmap
    def refill(size, batched, moving, leaves):
        axes = [0 if b else None for b in batched[0]]
        leaves = [
            x if b else jnp.broadcast_to(x, (size, *like.shape))
            for x, like, b in zip(leaves, shapes, batched[1], strict=True)
        ]
        begun = jax.vmap(start, (axes, 0))(moving, leaves)
        steps = jax.vmap(step, (axes, 0))
        if size <= lanes:
            ended = lax.while_loop(
                lambda at: at.going.any(), lambda at: _where(at.going, steps(moving, at), at), begun
            ).carry
        else:
            ended = _one_after_the_other(lanes, size, steps, moving, axes, begun)
        return ended, [True] * len(leaves)

    return jax.tree.unflatten(structure, loop(moving, leaves))


def _one_after_the_other(lanes, size, steps, moving, axes, begun):
    """The carries of `size` loops when they end, of which `lanes` run at a time."""
    own = tuple(x for x, axis in zip(moving, axes, strict=True) if axis is not None)
    all_of_them = Work(jnp.arange(size), begun, own)
    first = jax.tree.map(lambda x: x[:lanes], all_of_them)
    later = jax.tree.map(lambda x: jnp.roll(x, -lanes, 0), all_of_them)
    later = later._replace(index=jnp.where(later.index < lanes, size, later.index))

    def end_one(work, following):
        some = iter(work.own)
        moving_ = [x if a is None else next(some) for x, a in zip(moving, axes, strict=True)]

        def stopped(at):
            return jnp.logical_not(at.going) & (work.index < size)

        at = lax.while_loop(
            lambda at: jnp.logical_not(stopped(at).any()), partial(steps, moving_), work.lane
        )
        which = jnp.argmax(stopped(at))
        ended = jax.tree.map(lambda x: _row(x, which), (work.index, at.carry))
        put = partial(_with_row, which)
        return jax.tree.map(put, work._replace(lane=at), following), ended

    _, (index, ended) = lax.scan(end_one, first, later)
    in_order = jnp.argsort(index)
    return jax.tree.map(lambda x: x[in_order], ended)


def _row(x, i):
    return lax.dynamic_index_in_dim(x, i, keepdims=False)


def _with_row(i, x, row):
    return lax.dynamic_update_index_in_dim(x, row, i, 0)


def _where(going, new, old):
    def select(a, b):
        return jnp.where(going.reshape(going.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(select, new, old)

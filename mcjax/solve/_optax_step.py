"""One step of an optax transform: where it wants the gradient, what else it asks for, where it arrives.

Most optimisers want ∇f at their parameters, and those are the iterate. Two of optax are not so:

    lookahead       parameters (fast, slow): ∇f at fast, the iterate is slow;
    schedule_free   ∇f at y = (1 - β) z + β x, the iterate is x, an average (`schedule_free_eval_params`).

An update names what else it asks for, or takes all and passes it on. So all is offered, and what is
refused by name is left out. `value_fn` ends where a step would, in the set: line searches see that.

A compiled loop needs arrays of the same types before and after a step. One abstract step says what they
are after it; the state is cast to what holds both.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree
from optax.contrib import ScheduleFreeState, schedule_free_eval_params

from .._core._constant import constant
from ._certificate import FLOOR
from ._equation import Equation, varying_as
from ._feasible import Feasible, plus, traced
from ._progress import Line
from ._solution import view_of_leaves

NAME = "run_optax"
_REFUSED = r"(?:unexpected keyword|multiple values for) argument '(\w+)'"


class Run(NamedTuple):
    """What the loop carries: `params` and `memory` of the optimiser, the best y seen and its value."""

    params: PyTree
    memory: PyTree
    best: PyTree
    value: Array
    scale: Array
    tol: Array
    steps: Array
    still: Array
    small: Array
    finite: Array


class Loop:
    """One step of an optimiser: where it wants the gradient, what else it asks for, where it arrives."""

    def __init__(
        self, objective: Equation, optimiser, place: Feasible, y0: PyTree, key, line: Line
    ):
        seen = view_of_leaves(objective, y0.slow if isinstance(y0, optax.LookaheadParams) else y0)
        self.vector = seen.vector
        self.optimiser, self.place, self.key, self.line = optimiser, place, constant(key), line
        self.parameters = constant(objective.parameters)

        def f(y):
            return jnp.asarray(seen.fn(_like(y, seen.start), self.parameters)).reshape(())

        self.f, self.grad = f, jax.grad(f)
        self.start_at = seen.start
        if isinstance(y0, optax.LookaheadParams):
            self.params = optax.LookaheadParams(
                *(place.enter(view_of_leaves(objective, y).start) for y in y0)
            )
        else:
            self.params = place.enter(seen.start)

    def start(self, tol) -> Run:
        """Before the first step, in the types that a step leaves."""
        memory = traced(self.optimiser.init, self.params)(self.params)
        memory = constant(jax.tree.map(jnp.asarray, memory))
        self.read = _reading(memory, self.params)
        zero = jnp.zeros((), jax.eval_shape(self.f, self.start_at).dtype)
        none, no = jnp.zeros((), int), jnp.zeros((), bool)
        best = self.read.wanted(self.params)
        run = Run(self.params, memory, best, zero + jnp.inf, zero, zero + tol, none, none, no, ~no)
        after = traced(lambda run: self.tell(run, *self.look(run.params)[:2]), run).out_struct
        run = run._replace(memory=_settled(memory, after[1]))
        self.like = run = varying_as(run, self.parameters)
        return run

    def look(self, params):
        """f and ∇f where the optimiser wants them."""
        y = self.read.wanted(params)
        return *jax.value_and_grad(self.f)(y), y

    def step(self, run: Run) -> Run:
        """Look at the point that is reached, and make a step from there."""
        value, grad, y = self.look(run.params)
        shown = self.read.shown(run.memory, run.params)
        if shown is not y:
            shown = self.place.enter(_like(shown, y))
        at, slope = (value, grad) if shown is y else jax.value_and_grad(self.f)(shown)
        pull = self.vector(self.place.slope(shown, slope))
        size = (jnp.abs(pull) * self._sizes(shown)).max().astype(at.dtype)
        finite = jnp.isfinite(value) & jnp.isfinite(at) & jnp.isfinite(size)
        scale = jnp.maximum(run.scale, jnp.maximum(jnp.abs(at), size))
        small = size <= run.tol * scale
        better = finite & (small | (at <= run.value))
        updates, memory = self.tell(run, value, grad)
        params = self._moved(run.params, updates)
        change = jnp.abs(self.vector(self.read.wanted(params)) - self.vector(y))
        self.line.step(at, change)
        still = (change <= jnp.finfo(change.dtype).eps * self._sizes(y)).all()
        new = Run(
            params,
            memory,
            jax.tree.map(lambda a, b: jnp.where(better, a, b), shown, run.best),
            jnp.where(better, at, run.value),
            scale,
            run.tol,
            run.steps + 1,
            jnp.where(still, run.still + _counts(memory), 0),
            small,
            finite,
        )
        return varying_as(_like(new, self.like), self.parameters)

    def tell(self, run: Run, value, grad):
        """The optimiser's update and memory after it."""
        y, f, move = self.read.wanted(run.params), self.f, self.place.move
        pull = self.place.pull(y, grad)

        def value_fn(y_new, obj_fn=None, grad_fn=None, hvp=None, key=None):
            # Line searches insist that it takes all that they do not.
            if move is plus:
                return f(y_new)
            return f(move(y, jax.tree.map(lambda a, b: a - b, _like(y_new, y), y)))

        offers = {
            "value": value,
            "grad": pull,
            "value_fn": value_fn,
            "obj_fn": f,
            "grad_fn": lambda y, *_: self.grad(y),
            "hvp": lambda v: jax.jvp(self.grad, (y,), (_like(v, y),))[1],
            "key": jax.random.fold_in(self.key, run.steps),
        }
        updates, memory = _ask(self.optimiser.update, (pull, run.memory, run.params), offers)
        if jax.tree.map(jnp.shape, updates) != jax.tree.map(jnp.shape, run.params):
            raise ValueError(
                f"{NAME}: the updates of the optimiser are not like y0; a transform whose "
                "parameters are not the iterate needs a loop of its own, and attach_implicit"
            )
        return updates, memory

    def _moved(self, params, updates):
        if isinstance(params, optax.LookaheadParams):
            return optax.LookaheadParams(*map(self.place.move, params, updates))
        return self.place.move(params, updates)

    def _sizes(self, y):
        return jnp.abs(self.vector(y)) + FLOOR


def _ask(update: Callable, inputs: tuple, offers: dict):
    """update(*inputs, **offers) without the offers that it refuses by name."""
    offers = dict(offers)
    while True:
        try:
            return update(*inputs, **offers)
        except TypeError as error:
            refused = re.search(_REFUSED, str(error))
            if refused is None or offers.pop(refused[1], None) is None:
                raise


class _Reading(NamedTuple):
    """Of the optimiser's parameters: where it wants the gradient, and the point that they stand for."""

    wanted: Callable[[PyTree], PyTree]
    shown: Callable[[PyTree, PyTree], PyTree]


def _reading(memory, params) -> _Reading:
    kinds = (ScheduleFreeState, optax.LookaheadState)
    found = _states(memory, kinds)
    if len(found) > 1:
        raise ValueError(f"{NAME}: one schedule_free or lookahead at most, got {len(found)}")
    ahead = bool(found) and isinstance(found[0], optax.LookaheadState)
    if ahead != isinstance(params, optax.LookaheadParams):
        raise ValueError(
            f"{NAME}: optax.lookahead has two sets of parameters; start with "
            "y0 = optax.LookaheadParams.init_synced(y0), and use that for lookahead alone"
        )
    if ahead:
        return _Reading(lambda params: params.fast, lambda _, params: params.slow)
    if found:
        return _Reading(
            lambda params: params,
            lambda memory, params: schedule_free_eval_params(_states(memory, kinds)[0], params),
        )
    return _Reading(lambda params: params, lambda _, params: params)


def _states(memory, kinds):
    leaves = jax.tree.leaves(memory, is_leaf=lambda s: isinstance(s, kinds))
    return [s for s in leaves if isinstance(s, kinds)]


def _counts(memory):
    """1; 0 if the step was one of `optax.MultiSteps` that only adds to its gradient."""
    gathered = [s.mini_step for s in _states(memory, optax.MultiStepsState)]
    return (jnp.stack(gathered) == 0).all().astype(int) if gathered else 1


def _settled(memory, after):
    """The memory in types that hold it before a step and after: an integer that becomes a float is one."""
    shapes = ((jax.tree.structure(m), jax.tree.map(lambda x: x.shape, m)) for m in (memory, after))
    if len({str(s) for s in shapes}) > 1:
        raise ValueError(
            f"{NAME}: the state of the optimiser changes its structure or shapes in a step, which a "
            "compiled loop cannot; make it in `init` as `update` returns it"
        )

    def cast(a, b):
        return a if a.dtype == b.dtype else a.astype(jnp.promote_types(a.dtype, b.dtype))

    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(cast, memory, after)


def _like(tree, types):
    """The arrays of a tree in the types of another."""
    return jax.tree.map(
        lambda x, t: x if getattr(x, "dtype", None) == t.dtype else jnp.asarray(x).astype(t.dtype),
        tree,
        types,
    )

"""The accepted steps of a diffrax solve, recorded while diffrax takes them.

To use it, from within the `loop` of an `AbstractAdjoint` (self), with the keywords that `loop` got:

    final_state, stats, steps = record(self._loop, capacity, **keywords)

`steps` holds the n = `steps.count` accepted steps in its first n rows, and then what follows them:

    tprev[i], tnext[i]           the step i ran from tprev[i] to tnext[i], direction-normalised times
    y[i], solver_state[i]        what `solver.step` was given; row n is what the solve ended with
    made_jump[i]                 also given to `solver.step`
    saved[i]                     for every SubSaveAt with ts, in order of the tree's leaves: how many
                                 of its ts had been saved before step i (row n: in the whole solve)

so that `solver.step(terms, tprev[i], tnext[i], y[i], args, solver_state[i], made_jump[i])` is step i
again, digit for digit. Rows after n are zero. Restoring the solver's state matters: re-initialising it
is far from the step that was taken where the problem is stiff.

`steps.seen` is what `watch` made of every step that was tried, rejected ones too.

Nothing here is meant to be transposed: loops are plain. The recording loop writes the state before a
step into row `num_accepted_steps`, so a rejected step is overwritten by the one that replaces it.
"""

from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_plain_loop = partial(eqxi.while_loop, kind="lax")
LOOPS = dict(inner_while_loop=_plain_loop, outer_while_loop=_plain_loop)  # without a reverse mode


class Steps(eqx.Module):
    """The first `count` rows are steps, row `count` is the end of the solve."""

    count: Int[Array, ""]
    tprev: Float[Array, " rows"]
    tnext: Float[Array, " rows"]
    y: Any
    solver_state: Any
    made_jump: Bool[Array, " rows"]
    saved: list[Int[Array, " rows"]]
    seen: Any


def record(
    loop, capacity: int, *, solver, init_state, saveat, max_steps, watch=None, seen=None, **keywords
) -> tuple[Any, Any, Steps]:
    """Run `loop` (`AbstractAdjoint._loop`), and return (final_state, stats, Steps).

    A solve that needs more than `capacity` accepted steps ends as one that reached max_steps. Before each
    step that is tried `seen` becomes watch(state, seen).
    """
    row = _row(init_state)
    rows = jax.tree.map(lambda x: jnp.zeros((capacity + 1, *jnp.shape(x)), jnp.result_type(x)), row)
    steps: Any = None

    def outer_while_loop(cond, body, state, *, max_steps, buffers):
        nonlocal steps

        def go_on(carry):
            return cond(carry[0]) & (carry[0].num_accepted_steps < capacity)

        def step(carry):
            state, rows, seen = carry
            seen = seen if watch is None else watch(state, seen)
            return body(state), write(rows, state.num_accepted_steps, _row(state)), seen

        state, rows_, seen_ = eqxi.while_loop(
            go_on,
            step,
            (state, rows, seen),
            max_steps=max_steps,
            buffers=lambda carry: [*buffers(carry[0]), carry[1]],
            kind="lax",
        )
        tprev, tnext, *rest = write(rows_, state.num_accepted_steps, _row(state))
        steps = Steps(state.num_accepted_steps, tprev, tnext, *rest, seen=seen_)
        return state

    final_state, stats = loop(
        solver=with_scan_kind(solver, "lax"),
        init_state=init_state,
        saveat=saveat,
        max_steps=max_steps,
        **LOOPS | {"outer_while_loop": outer_while_loop},
        **keywords,
    )
    return final_state, stats, steps


def write(rows, i, row, where: Any = True):
    """Put `row` into row i of every buffer or array."""
    return jax.tree.map(lambda x, buffer: eqxi.buffer_at_set(buffer, i, x, pred=where), row, rows)


def _row(state):
    row = state.tprev, state.tnext, state.y, state.solver_state, state.made_jump, saved(state)
    return jax.tree.map(jnp.asarray, row)


def saved(state):
    """How many of the ts of every SubSaveAt have been saved."""
    leaves = jax.tree.leaves(state.save_state, is_leaf=lambda x: hasattr(x, "saveat_ts_index"))
    return [leaf.saveat_ts_index for leaf in leaves]


def with_scan_kind(solver, kind):
    """The solver with the loop over its stages of the given kind, unless the user chose one.

    "lax" has forward mode, "checkpointed" reverse mode, and "bounded" has both.
    """
    runge_kutta = (diffrax.AbstractRungeKutta, diffrax.AbstractSRK)

    def choose(node):
        if isinstance(node, runge_kutta) and node.scan_kind is None:
            return eqx.tree_at(lambda s: s.scan_kind, node, kind, is_leaf=lambda x: x is None)
        return node

    return jax.tree.map(choose, solver, is_leaf=lambda x: isinstance(x, runge_kutta))

"""What `SaveAt` asks for, put together from the states after the accepted steps.

The recorded solve saves plain states at the times ts. The functions `fn` of SubSaveAt, the ends and the
steps are evaluated outside of it, by ordinary JAX on quantities whose derivatives are known.
"""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp


def is_sub(x: Any) -> bool:
    return isinstance(x, diffrax.SubSaveAt)


def refuse(name: str, saveat, terms, event):
    """Raise for what an adjoint that replays steps cannot do."""
    if saveat.dense:
        raise ValueError(
            f"{name}: SaveAt(dense=True) has no derivative here; save at the times that are needed, "
            "SaveAt(ts=...), or use diffrax.RecursiveCheckpointAdjoint"
        )
    if any(s.steps and s.ts is not None for s in jax.tree.leaves(saveat.subs, is_leaf=is_sub)):
        raise ValueError(
            f"{name}: SubSaveAt with both ts and steps; ask for them in two, "
            "SaveAt(subs=[SubSaveAt(ts=...), SubSaveAt(steps=...)])"
        )
    if event is not None and event.root_finder is not None:
        raise ValueError(
            f"{name}: an event that a root finder locates; use mcjax.ode.hybrid_solve, or "
            "diffrax.DirectAdjoint"
        )
    unsafe = lambda x: isinstance(x, diffrax.UnsafeBrownianPath)  # noqa: E731
    if any(map(unsafe, jax.tree.leaves(terms, is_leaf=unsafe))):
        raise ValueError(
            f"{name}: UnsafeBrownianPath draws other noise when a step is taken again; "
            "use diffrax.VirtualBrownianTree"
        )


def plain_saveat(saveat, init_state):
    """A SaveAt of the states at the times ts alone, and its empty output."""
    kind = lambda x: hasattr(x, "saveat_ts_index")  # noqa: E731
    times = [s.ts for s in jax.tree.leaves(saveat.subs, is_leaf=is_sub) if s.ts is not None]
    outputs = jax.tree.leaves(init_state.save_state, is_leaf=kind)

    def empty(ts):
        fill = lambda y: jnp.full((len(ts), *y.shape), jnp.inf, y.dtype)  # noqa: E731
        return type(outputs[0])(
            ts=jnp.full(ts.shape, jnp.inf, ts.dtype),
            ys=jax.tree.map(fill, init_state.y),
            save_index=0,
            saveat_ts_index=0,
        )

    subs = [diffrax.SubSaveAt(ts=ts) for ts in times]
    return diffrax.SaveAt(subs=subs), [empty(ts) for ts in times]


class Solved(eqx.Module):
    """A solve's end (t, y), its states (rows) and their times, and the states at the times ts."""

    count: jax.Array
    end: tuple
    boundaries: jax.Array
    ys: Any
    outputs: list
    saved: list


def assemble(saveat, init_state, args, t0, t1, solved: Solved):
    """The save_state of the final state, differentiable."""
    outputs = iter(zip(solved.outputs, solved.saved, strict=True))

    def one(sub, empty):
        fn = lambda t, y: sub.fn(t, y, args)  # noqa: E731
        ts, ys, index = empty.ts, empty.ys, 0
        if sub.t0:
            ts, ys = _put(ts, ys, 0, t0, fn(t0, init_state.y))
            index = 1
        if sub.ts is not None:
            states, saved = next(outputs)
            k = jnp.arange(len(sub.ts))
            reached = (k < saved) | (t0 == t1)
            there = _times_states(fn, sub.ts, states, reached, init_state.y)
            ts, ys = _put_where(ts, ys, index + k, reached, *there)
            index = index + reached.sum()
        if sub.steps:
            k = jnp.arange(1, (len(ts) - index) // 1 + 1) * sub.steps
            reached = k <= solved.count
            row = jnp.minimum(k, solved.count)
            states = jax.tree.map(lambda y: y[row], solved.ys)
            there = _times_states(fn, solved.boundaries[row], states, reached, init_state.y)
            ts, ys = _put_where(ts, ys, index + k // sub.steps - 1, reached, *there)
            index = index + reached.sum()
        if sub.t1:
            end = solved.end[0], fn(*solved.end)
            due = jnp.array(True) if not sub.steps else solved.count % sub.steps != 0
            at = jnp.minimum(index, len(ts) - 1)
            old = jax.tree.map(lambda x: x[at], (ts, ys))
            ts, ys = _put(ts, ys, at, *_choose(due, end, old))
            index = index + due.astype(int)
        return eqx.tree_at(lambda s: (s.ts, s.ys, s.save_index), empty, (ts, ys, index))

    return jax.tree.map(one, saveat.subs, init_state.save_state, is_leaf=is_sub)


def _times_states(fn, ts, states, reached, y0):
    """The times and fn of the states there; of y0 where the solve did not get that far."""
    here = jax.vmap(lambda ok, y: _choose(ok, y, y0))(reached, states)
    return ts, jax.vmap(fn)(ts, here)


def _put(ts, ys, i, t, y):
    return ts.at[i].set(t), jax.tree.map(lambda ys, y: ys.at[i].set(y), ys, y)


def _put_where(ts, ys, i, reached, t, y):
    old = jax.tree.map(lambda x: x[i], (ts, ys))
    return _put(ts, ys, i, *jax.vmap(_choose)(reached, (t, y), old))


def _choose(which, x, y):
    return jax.tree.map(lambda x, y: jnp.where(which, x, y), x, y)

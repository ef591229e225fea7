"""What a solve saves, as one function of its save times.

A continuous adjoint sees the saved values as y(t_k) at times that are arguments. So the solve saves y
itself, at t0, at ts and at t1 of every part of `SaveAt`; `fn` of SaveAt, and the times, are applied to
that outside of the rule, where JAX differentiates them.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ._save import is_sub

PLAIN = diffrax.SubSaveAt(t1=True).fn


def _is_save(x):
    return hasattr(x, "saveat_ts_index")


def at_times(saveat):
    """Whether all that is saved is values at given times."""
    subs = jax.tree.leaves(saveat.subs, is_leaf=is_sub)
    return not (saveat.dense or any(s.steps for s in subs) or not subs)


def check_saveat(name, saveat):
    if not at_times(saveat):
        raise NotImplementedError(
            f"{name} differentiates values at given times, SaveAt(t0=, t1=, ts=), and not those that "
            "SaveAt(steps=...) or SaveAt(dense=True) keep. Save at ts, or use mcjax.ode.ReplayAdjoint()."
        )
    if saveat.solver_state or saveat.controller_state or saveat.made_jump:
        raise NotImplementedError(
            f"{name} has no derivative of solver_state, controller_state or made_jump. Save at t1 and "
            "begin the next solve anew, or use mcjax.ode.ReplayAdjoint()."
        )


def save_times(saveat, t0, t1):
    """The times of each part of SaveAt, in the order in which diffrax saves them."""

    def times(sub):
        parts = [t0[None]] * sub.t0 + ([] if sub.ts is None else [sub.ts]) + [t1[None]] * sub.t1
        return jnp.concatenate(parts)

    return [times(sub) for sub in jax.tree.leaves(saveat.subs, is_leaf=is_sub)]


def plain_saves(saveat, init_state):
    """The same SaveAt for y itself, and a state with room for it."""

    def room(sub, save):
        ys = jax.tree.map(
            lambda y: jnp.full((*save.ts.shape, *y.shape), jnp.inf, y.dtype), init_state.y
        )
        return eqx.tree_at(lambda s: s.ys, save, ys, is_leaf=lambda x: x is None)

    saves = jax.tree.map(room, saveat.subs, init_state.save_state, is_leaf=is_sub)
    plain = jax.tree.map(
        lambda sub: eqx.tree_at(lambda s: s.fn, sub, PLAIN), saveat.subs, is_leaf=is_sub
    )
    return (
        eqx.tree_at(lambda s: s.subs, saveat, plain),
        eqx.tree_at(lambda s: s.save_state, init_state, saves),
    )


def saved_values(state):
    """The values that a state has saved, one pytree for each part of SaveAt."""
    return [s.ys for s in jax.tree.leaves(state.save_state, is_leaf=_is_save) if _is_save(s)]


def apply_saved(saveat, final_state, times, ys, y0, args):
    """`final_state` with the saved times and values replaced by those that carry derivatives."""
    parts = iter(zip(times, ys, strict=True))

    def put(sub, save):
        t, y = next(parts)
        filled = jnp.isfinite(save.ts)

        def keep(y, other):
            return jnp.where(filled.reshape(-1, *[1] * (y.ndim - 1)), y, other)

        def empty(y):
            return jnp.full((), jnp.inf, y.dtype)  # as diffrax fills integers and booleans, too

        if sub.fn is not PLAIN:
            # An unused slot is infinite, and `fn` of that need not have a derivative.
            y = jax.tree.map(keep, y, y0)
            values = jax.vmap(sub.fn, (0, 0, None))(t, y, args)
            y = jax.tree.map(lambda y: keep(y, empty(y)), values)
        t = jnp.where(filled, t, save.ts)
        return eqx.tree_at(lambda s: (s.ts, s.ys), save, (t, y), is_leaf=lambda x: x is None)

    saves = jax.tree.map(put, saveat.subs, final_state.save_state, is_leaf=is_sub)
    return eqx.tree_at(lambda s: s.save_state, final_state, saves)

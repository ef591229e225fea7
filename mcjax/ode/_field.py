"""The vector fields of diffrax terms, in the time in which diffrax solves: it ascends."""

from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax


def check_field(name, terms, event):
    """Raise for what is not the flow of an ODE over a given time."""
    leaves = terms.terms if isinstance(terms, diffrax.MultiTerm) else [terms]
    if not all(isinstance(getattr(x, "term", x), diffrax.ODETerm) for x in leaves):
        raise ValueError(
            f"{name} differentiates the flow of an ODE: every term must be an ODETerm, alone or in a "
            "MultiTerm. Use mcjax.ode.ReplayAdjoint() for SDEs, `.to_ode()` for a smooth control."
        )
    if event is not None:
        raise NotImplementedError(
            f"{name} does not differentiate events. Use mcjax.ode.hybrid_solve."
        )


def hoist(terms, t, y, args):
    """The terms with what their vector fields close over made part of their pytree."""

    def convert(term):
        if not isinstance(term, diffrax.ODETerm):
            return term
        return diffrax.ODETerm(eqx.filter_closure_convert(term.vector_field, t, y, args))

    return jax.tree.map(convert, terms, is_leaf=lambda x: isinstance(x, diffrax.ODETerm))


def fenced(terms):
    """The terms with vector fields that the compiler does not merge with what is around them.

    It would evaluate what a field is given anew for every value that depends on it: for a Laplacian
    three times, for its derivative's nine, which makes gradients a quarter slower (jax 0.12, CPU).
    """

    def fence(term):
        if not isinstance(term, diffrax.ODETerm):
            return term
        return diffrax.ODETerm(_Fenced(term.vector_field))

    return jax.tree.map(fence, terms, is_leaf=lambda x: isinstance(x, diffrax.ODETerm))


class _Fenced(eqx.Module):
    field: Callable

    def __call__(self, t, y, args):
        return lax.optimization_barrier(self.field(t, lax.optimization_barrier(y), args))


def split(terms):
    """The terms that the solver takes one by one: IMEX solvers take several."""
    return terms.terms if isinstance(terms, diffrax.MultiTerm) else (terms,)


def join(like, terms):
    """Terms in the form that the solver takes, which is that of `like`."""
    return diffrax.MultiTerm(*terms) if isinstance(like, diffrax.MultiTerm) else terms[0]


def slope(term, t, y, args):
    """dy/dt of one term in ascending time."""
    return term.vf_prod(t, y, args, direction(term, t))


def direction(term, t):
    """1 or -1, the control of a term over a unit of ascending time: user's time is that times t."""
    return term.contr(jnp.zeros_like(t), jnp.ones_like(t))

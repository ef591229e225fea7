"""A function without its derivative rules: the plain program, for JAX to differentiate by itself.

A rule replaces the derivative of a program that JAX can usually differentiate anyway. The program is
in the jaxpr, beside the rule, so leaving the rule out gives a reference that the rule did not make.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

_PLAIN_CALLS = ("pjit", "jit", "closed_call")
_BODY = ("call_jaxpr", "call", "fun_jaxpr")  # where a decorated call keeps its program


@dataclass(frozen=True)
class WithoutRules:
    """f of a list of arrays, with every custom_jvp, custom_vjp and custom_vmap rule left out."""

    f: Callable

    def __call__(self, leaves):
        return _run(jax.make_jaxpr(self.f)(leaves), leaves)


def tangents_by_term(f: Callable, leaves, v):
    """For every operand of every operation of f without its rules: a name, and J v without it.

    What a forgotten term of a product or chain rule leaves of a derivative: JAX's own derivative of
    the plain program with one operand held constant.
    """
    program = jax.make_jaxpr(f)(leaves)
    terms = _Operands(None)
    _run(program, leaves, terms)
    for i, name in enumerate(terms.names):
        yield name, jax.jvp(lambda x, i=i: _run(program, x, _Operands(i)), (leaves,), (v,))[1]


class _Operands:
    """Counts the operands that have a derivative as a program runs, and holds one of them constant."""

    def __init__(self, constant: int | None):
        self.constant, self.names = constant, []

    def __call__(self, eqn, args):
        return [self._operand(eqn, i, a) for i, a in enumerate(args)]

    def _operand(self, eqn, i, a):
        if isinstance(eqn.invars[i], Literal) or not jnp.issubdtype(
            jnp.result_type(a), jnp.inexact
        ):
            return a
        self.names.append(f"operand {i} of `{eqn.primitive.name}`")
        return jax.lax.stop_gradient(a) if len(self.names) - 1 == self.constant else a


def has_rules(f: Callable, leaves) -> bool:
    """Is there a rule to leave out?"""
    return _decorated(jax.make_jaxpr(f)(leaves).jaxpr)


def _decorated(jaxpr) -> bool:
    return any(_is_rule(e) or any(map(_decorated, _inner(e))) for e in jaxpr.eqns)


def uses(jaxpr, name: str) -> bool:
    """Does a program have an operation of this name?"""
    return any(
        e.primitive.name == name or any(uses(j, name) for j in _inner(e)) for e in jaxpr.eqns
    )


def _is_rule(eqn):
    return eqn.primitive.name.startswith(("custom_jvp_call", "custom_vjp_call", "custom_vmap_call"))


def _inner(eqn):
    """The jaxprs among the parameters of an operation."""
    leaves = jax.tree.leaves(dict(eqn.params), is_leaf=_is_program)
    return [getattr(p, "jaxpr", p) for p in leaves if _is_program(p)]


def _is_program(p):
    return isinstance(p, ClosedJaxpr | Jaxpr)


def _run(program: ClosedJaxpr, args, see=None):
    """Interpret a program; a call with a rule is replaced by what it calls.

    `see` is shown the operands of every operation, and may change them.
    """
    known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known |= dict(zip(program.jaxpr.invars, args, strict=True))

    def read(var):
        return var.val if isinstance(var, Literal) else known[var]

    for eqn in program.jaxpr.eqns:
        out = _operation(eqn, list(map(read, eqn.invars)), see)
        known |= dict(zip(eqn.outvars, out, strict=True))
    return list(map(read, program.jaxpr.outvars))


def _operation(eqn, args, see):
    if _is_rule(eqn):
        return _run(next(eqn.params[key] for key in _BODY if key in eqn.params), args, see)
    if see and eqn.primitive.name in _PLAIN_CALLS:
        return _run(eqn.params["jaxpr"], args, see)
    args = see(eqn, args) if see else args
    if not any(map(_decorated, _inner(eqn))):
        return _bind(eqn, eqn.params, args)
    return _bind(eqn, {k: _plain(v) for k, v in eqn.params.items()}, args)


def _bind(eqn, params, args):
    out = eqn.primitive.bind(*args, **params)
    return out if eqn.primitive.multiple_results else [out]


def _plain(parameter):
    """A parameter of a loop, branch or call, with the rules in it left out."""
    if isinstance(parameter, tuple):
        return tuple(map(_plain, parameter))
    if isinstance(parameter, ClosedJaxpr):
        return _without(parameter)
    if isinstance(parameter, Jaxpr):
        return _without(ClosedJaxpr(parameter, ())).jaxpr
    return parameter


def _without(program: ClosedJaxpr) -> ClosedJaxpr:
    return jax.make_jaxpr(lambda *args: _run(program, args))(*_inputs(program.jaxpr))


def _inputs(jaxpr):
    return [
        jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype, weak_type=v.aval.weak_type)
        for v in jaxpr.invars
    ]

"""One entry of the test set: a function, where it is taken, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import numpy as np


@dataclass(frozen=True)
class Rule:
    name: str
    f: Callable
    args: tuple  # float64 and complex128 are cast to 32 bits for the second run
    options: dict = field(default_factory=dict)  # of check: reference, domain, approx, order
    parts: tuple[str, ...] = ()  # wrong rules only
    diagnosis: str = ""  # wrong rules only
    double_only: bool = False  # meaningless in float32; the rule says why


def wrong(*args, parts, diagnosis="", double_only=False, **options):
    """Decorator: the function is a wrong rule, tried at args; its name tells the fault."""

    def as_rule(f):
        name = f.__name__.replace("_", " ")
        return Rule(name, f, args, options, parts, diagnosis, double_only)

    return as_rule


def with_jvp(f, rule):
    """f with a derivative rule: rule(primals, tangents) is (value, tangent)."""
    with_rule = jax.custom_jvp(lambda *args: f(*args))  # JAX gives rules the defaults of f too
    with_rule.defjvp(rule)
    return with_rule


def with_vjp(f, fwd, bwd):
    """f with a derivative rule: fwd(*args) is (value, residuals), bwd(residuals, g) cotangents."""
    with_rule = jax.custom_vjp(lambda *args: f(*args))
    with_rule.defvjp(fwd, bwd)
    return with_rule


def tangent_of(f):
    """Decorator: f whose tangent is the function of (*primals, *tangents)."""

    def with_tangent(tangent):
        def rule(primals, tangents):
            return with_rule(*primals), tangent(*primals, *tangents)

        with_rule = with_jvp(f, rule)
        with_rule.__name__ = tangent.__name__
        return with_rule

    return with_tangent


def cotangent_of(f):
    """Decorator: f whose cotangents, a tuple, are the function of (*args, g)."""

    def with_cotangent(cotangents):
        def fwd(*args):
            return f(*args), args

        def bwd(args, g):
            return cotangents(*args, g)

        with_rule = with_vjp(f, fwd, bwd)
        with_rule.__name__ = cotangents.__name__
        return with_rule

    return with_cotangent


def in_precision(args, dtype):
    """The arguments with double precision cast to that of dtype; all else as it is."""

    def cast(leaf):
        types = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
        if isinstance(leaf, float):
            return np.float32(leaf)
        known = isinstance(leaf, np.ndarray | np.generic) and leaf.dtype in types
        return leaf.astype(types[leaf.dtype]) if known else leaf

    return args if dtype == "float64" else jax.tree.map(cast, args)

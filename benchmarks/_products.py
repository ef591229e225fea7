"""Counting matrix products as they are executed, by walking a jaxpr with real numbers in it.

Loops run as often as the data ask for, and only the branch taken is counted. A product or a
factorisation of the same operands counts once, and what no output needs not at all, since XLA drops
both. The unit is one product of two n x n matrices, n³ multiply-adds: the product of a matrix and a
vector is 1/n. Factorisations are named; solves with them are not counted.
"""

from collections import Counter
from functools import partial
from math import prod

import jax
from jax.core import eval_jaxpr
from jax.extend.core import ClosedJaxpr, Literal
from jax.interpreters.partial_eval import dce_jaxpr

from mcjax._core import _evaluate, _potential
from mcjax.linalg.equations import _root

FACTORISATIONS = {"lu", "cholesky", "qr", "geqrf", "eigh", "eig", "svd", "schur"}
SEALED = {  # the primitives of mcjax: what they evaluate, given their parameters
    _potential.derivative_p.name: lambda devices, **params: partial(_potential._evaluate, **params),
    _evaluate.evaluate_p.name: lambda devices, **params: _evaluate._mapped(**params),
    _root.root_p.name: lambda devices, algorithm, tangent: algorithm,
}
MOST_EQUATIONS = 5_000  # sequential algorithms walk n² steps; their count is not worth the wait


def count_products(function, *args):
    """Such as "7.1 + lu", or None where the count would take too long."""
    count = Counter()
    try:
        _call(jax.make_jaxpr(function)(*args), jax.tree.leaves(args), count, {})
    except _TooLongError:
        return None
    n3 = args[0].shape[-1] ** 3
    names = [
        f"{k} {name}" if (k := count[name]) > 1 else name for name in FACTORISATIONS & {*count}
    ]
    return " + ".join([f"{count['multiply-adds'] / n3:.3g}", *sorted(names)])


class _TooLongError(Exception):
    pass


def _call(closed, args, count, seen):
    jaxpr, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *args], strict=True))

    def read(atom):
        literal = isinstance(atom, Literal)
        return jax.numpy.asarray(atom.val, atom.aval.dtype) if literal else env[atom]

    for equation in jaxpr.eqns:
        count["equations"] += 1
        if count["equations"] > MOST_EQUATIONS:
            raise _TooLongError
        values = _step(equation, [read(x) for x in equation.invars], count, seen)
        env.update(zip(equation.outvars, values, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _step(equation, args, count, seen):
    name, params = equation.primitive.name, equation.params
    if name in SEALED:
        return _call(jax.make_jaxpr(SEALED[name](**params))(*args), args, count, seen)
    if name == "while":
        return _while(args, count, **params)
    if name == "cond":
        index, *args = args
        return _call(params["branches"][int(index)], args, count, seen)
    if name == "scan":
        return _scan(equation, args, count)
    if name == "custom_linear_solve":
        lengths = list(params["const_lengths"])
        start = sum(lengths[:2])
        solve = [*args[start : start + lengths[2]], *args[sum(lengths) :]]
        return _call(params["jaxprs"].solve, solve, count, seen)
    if isinstance(inner := params.get("jaxpr", params.get("call_jaxpr")), ClosedJaxpr):
        return _call(inner, args, count, seen)
    key = (name, *map(id, args), str(params))
    if key in seen:
        return seen[key][1]
    if name == "dot_general":
        (contract, _), _ = params["dimension_numbers"]
        length = prod(args[0].shape[axis] for axis in contract)
        count["multiply-adds"] += equation.outvars[0].aval.size * length
    elif name in FACTORISATIONS:
        count[name] += 1
    result = equation.primitive.bind(*args, **equation.primitive.get_bind_params(params))
    result = result if equation.primitive.multiple_results else [result]
    if name == "dot_general" or name in FACTORISATIONS:
        seen[key] = args, result  # holding the operands keeps their identities theirs
    return result


def _while(args, count, cond_jaxpr, body_jaxpr, cond_nconsts, body_nconsts):
    test, body = args[:cond_nconsts], args[cond_nconsts : cond_nconsts + body_nconsts]
    state = args[cond_nconsts + body_nconsts :]
    while True:
        (going,) = eval_jaxpr(cond_jaxpr.jaxpr, cond_jaxpr.consts, *test, *state)
        if not going.any():
            return state
        moved = _call(body_jaxpr, [*body, *state], count, {})
        state = [_select(going, x, y) for x, y in zip(moved, state, strict=True)]


def _select(going, x, y):
    """Lanes of a vmap that are done stay as they are."""
    axes = tuple(range(going.ndim, x.ndim))
    return jax.numpy.where(jax.numpy.expand_dims(going, axes), x, y) if going.ndim else x


def _scan(equation, args, count):
    """Arrays of one axis more than a step takes or returns are stacked; a carry is not."""
    jaxpr, length, reverse = (equation.params[k] for k in ("jaxpr", "length", "reverse"))
    outvars = zip(equation.outvars, jaxpr.out_avals, strict=True)
    carries = sum(len(v.aval.shape) == len(aval.shape) for v, aval in outvars)
    stacked = [len(x.shape) > len(a.shape) for x, a in zip(args, jaxpr.in_avals, strict=True)]
    consts = len(args) - carries - sum(stacked)
    state, outputs = args[consts : consts + carries], []
    for i in reversed(range(length)) if reverse else range(length):
        slices = [x[i] for x in args[consts + carries :]]
        found = _call(jaxpr, [*args[:consts], *state, *slices], count, {})
        state = found[:carries]
        outputs.append(found[carries:])
    columns = zip(*(outputs[::-1] if reverse else outputs), strict=True)
    return [*state, *map(jax.numpy.stack, columns)]

"""Hypotheses about a fault, from simple to special; the first that fits all directions is taken.

With the right map D and the wrong one T, and simple changes P of an argument or an output:

    T = 0,    T = c D,    T = conj D conj,    T = D P,    T = P D,    T P = D,    T = c D P,
    T = D - (1 - c) (one term of it),    T = D R  with a diagonal R.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .._function import is_complex
from .._parts._judge import alone, times
from .._without_rules import tangents_by_term
from ..differences._line import wide
from ._changes import changes, projections
from ._factors import elementwise
from ._fault import Fault
from ._matrices import by_block, by_row, factor

_PRECISIONS = (("bfloat16", 2.0**-8), ("float16", 2.0**-11), ("float32", 2.0**-24))


def explain(fault: Fault) -> str:
    """What turns the right derivative into the wrong one, and in which argument; "" if unknown."""
    directions = _directions(fault.point)
    if not np.all(np.isfinite(_asked(fault.says, directions))):
        return "not finite"
    for hypotheses in (
        _whole,
        _conjugated,
        _swapped,
        _by_argument,
        _by_output,
        _of_blocks,
        _terms,
        _precision,
        _by_entry,
        _of_rows,
    ):
        for name in hypotheses(fault, directions):
            return name
    return ""


def _directions(p):
    """Random directions; the last differs from the first entry by entry."""
    random = np.random.default_rng(p.seed + 4)
    stretched = [(a * random.uniform(0.5, 1.5, a.shape)).astype(a.dtype) for a in p.probe.v]
    return [p.probe.v, p.probe.u, stretched]


def _asked(answer, directions) -> np.ndarray:
    return np.stack([answer(v) for v in directions])


def _truth(fault, directions, change=None):
    """The true answers, with a change of the output."""
    return _asked(
        lambda v: fault.measure(change(fault.true(v)) if change else fault.true(v)), directions
    )


def _whole(fault, directions) -> Iterator[str]:
    """T = 0 and T = c D."""
    said, true = _asked(fault.says, directions), _truth(fault, directions)
    if fault.same(said, true):
        return
    if not np.any(true):
        yield "not zero, where the derivative is zero"
    if (
        fault.same(said, 0 * said)
        or np.abs(said).max() < 1e-3 * fault.tolerance * np.abs(true).max()
    ):
        yield "missing: the derivative is zero"
    c = fault.ratio(said, true)
    if c is not None:
        yield f"{factor(c)} of the whole derivative"


def _conjugated(fault, directions) -> Iterator[str]:
    """T = conj D conj, of complex outputs: what it is multiplied with is conjugated."""
    if any(map(is_complex, fault.point.outputs)):
        turned = _truth(fault, [list(map(np.conj, v)) for v in directions], _conjugate)
        if fault.same(_asked(fault.says, directions), turned):
            yield "needless conjugate of the derivative: an adjoint in place of a transpose"


def _conjugate(arrays):
    return [np.conj(wide(a)) for a in arrays]


def _swapped(fault, directions) -> Iterator[str]:
    """Tangents or cotangents of two arguments, or of two outputs, in each other's place."""
    p = fault.point
    said = _asked(fault.says, directions)
    for i, j in _alike(p.x):
        if fault.same(said, _truth(fault, [_exchanged(v, i, j) for v in directions])):
            yield f"swapped arguments: {p.names[i]} and {p.names[j]}"
    for i, j in _alike(p.outputs):
        if fault.same(said, _truth(fault, directions, lambda y, i=i, j=j: _exchanged(y, i, j))):
            yield f"swapped outputs: {i} and {j}"


def _alike(leaves):
    """The pairs that could be confused."""
    pairs = combinations(enumerate(leaves), 2)
    return [(i, j) for (i, a), (j, b) in pairs if (a.shape, a.dtype) == (b.shape, b.dtype)]


def _exchanged(leaves, i, j):
    return _with(_with(leaves, i, leaves[j]), j, leaves[i])


def _with(leaves, i, a):
    return [a if k == i else b for k, b in enumerate(leaves)]


def _by_argument(fault, directions) -> Iterator[str]:
    """The faulty argument, found by moving each alone, and what happened to it."""
    p = fault.point
    for i, name in enumerate(p.names):
        mine = [alone(v, i) for v in directions]
        said, true = _asked(fault.says, mine), _truth(fault, mine)
        if fault.same(said, true):
            continue
        if not np.any(said):
            yield f"missing: the derivative with respect to {name} is zero"
        c = fault.ratio(said, true)
        if c is not None:
            yield f"{factor(c)} in {name}"
        yield from _changed_argument(fault, mine, i, said, true)
        yield from elementwise(fault, i, named=True)


def _changed_argument(fault, mine, i, said, true):
    p, name = fault.point, fault.point.names[i]
    both = (*changes(p.x[i]), *projections(p.x[i]))
    for what, change in both:
        moved = [_with(v, i, np.asarray(change(v[i])).astype(v[i].dtype)) for v in mine]
        changed = _truth(fault, moved)
        if fault.same(said, changed):
            yield f"{_lost(what)} of {name}"
        c = fault.ratio(said, changed)
        if c is not None:
            yield f"{_lost(what)} of {name}, and {factor(c)}"
        if fault.same(_asked(fault.says, moved), true):
            yield f"missing {what} of {name}"


def _lost(what):
    """A reversal undone twice is a reversal forgotten; a projection is one too many."""
    needless = ("symmetrisation", "lower triangle", "upper triangle", "diagonal", "real part")
    return f"needless {what}" if what in needless else f"missing {what}"


def _by_output(fault, directions) -> Iterator[str]:
    """A change of one output."""
    said = _asked(fault.says, directions)
    for k, (y, name) in enumerate(zip(fault.true(directions[0]), fault.outputs, strict=True)):
        if len(fault.outputs) > 1:
            yield from _multiplied(fault, directions, k, name)
        for what, change in (*changes(wide(y)), *projections(wide(y))):
            changed = _truth(fault, directions, lambda y, k=k, c=change: _with(y, k, c(wide(y[k]))))
            if fault.same(said, changed):
                yield f"{_lost(what)} of {name}"
            c = fault.ratio(said, changed)
            if c is not None:
                yield f"{_lost(what)} of {name}, and {factor(c)}"


def _multiplied(fault, directions, k, name):
    """One output among several is zero, or has a factor."""
    others = _truth(fault, directions, lambda y: _with(y, k, 0 * wide(y[k])))
    said, true = _asked(fault.says, directions), _truth(fault, directions)
    if fault.same(said, others):
        yield f"missing: {name} is zero"
    c = fault.ratio(said - others, true - others)
    if c is not None:
        yield f"{factor(c)} in {name}"


def _terms(fault, directions) -> Iterator[str]:
    """A term of a product or chain rule that is missing, or else has a factor."""
    if fault.order > 1:
        return
    directions = directions[:2]
    said, true = _asked(fault.says, directions), _truth(fault, directions)
    without = [_terms_along(fault.point.wide, v) for v in directions]
    factors = {}
    for name in without[0] if all(without) else ():
        term = np.stack([t - fault.measure(w[name]) for t, w in zip(true, without, strict=True)])
        c = fault.ratio(said - true, term)
        if c is not None and not fault.same(true, term):
            factors[name] = 1 + c
    if factors:
        name = min(factors, key=lambda name: abs(factors[name]) > 1e-4)
        missing = abs(factors[name]) <= 1e-4
        what = "missing term" if missing else f"{factor(factors[name])} of the term"
        yield f"{what} through {name}{_at_fault(fault, directions)}"


def _at_fault(fault, directions) -> str:
    """The one argument that is at fault, where there are several."""
    names, wrong = fault.point.names, _wrong_arguments(fault, directions)
    return f", in {names[wrong[0]]}" if len(wrong) == 1 < len(names) else ""


def _wrong_arguments(fault, directions) -> list[int]:
    found = []
    for i in range(len(fault.point.x)):
        mine = [alone(v, i) for v in directions]
        if not fault.same(_asked(fault.says, mine), _truth(fault, mine)):
            found.append(i)
    return found


def _of_blocks(fault, directions):
    return by_block(fault)


def _of_rows(fault, directions):
    return by_row(fault)


def _precision(fault, directions) -> Iterator[str]:
    """Digits of a shorter type, everywhere: an error that is another one next to it."""
    error, other = _relative_error(fault, directions), fault.elsewhere()
    if other is None or not np.any(np.isfinite(error)):
        return
    near = [times(1 + 2.0**-5, v) for v in directions]
    change = np.abs(error - _relative_error(other, near))
    if not np.any(np.isfinite(change)):
        return
    change, size, most = np.nanmedian(change), np.nanmedian(np.abs(error)), np.nanmax(np.abs(error))
    for name, unit in _PRECISIONS:
        if unit > 4 * fault.point.eps and unit / 16 < size <= most < 8 * unit and change > size / 3:
            yield f"computed in lower precision, like {name}"


def _relative_error(fault, directions):
    said, true = _asked(fault.says, directions), _truth(fault, directions)
    with np.errstate(all="ignore"):
        return (said - true) / np.abs(true)


def _by_entry(fault, directions) -> Iterator[str]:
    """Some factor of every entry, for want of anything simpler."""
    for i in _wrong_arguments(fault, directions):
        yield from elementwise(fault, i, named=False)


def _terms_along(p, v) -> dict:
    """Tangents without each term, by name; empty where autodiff of the plain program fails."""
    try:
        with p.in_precision():
            leaves, v = [np.asarray(a) for a in p.x], list(map(wide, v))
            found = tangents_by_term(p.function, leaves, v)
            return {f"{name} ({i})": y for i, (name, y) in enumerate(found)}
    except Exception:
        return {}

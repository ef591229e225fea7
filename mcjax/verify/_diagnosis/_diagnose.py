"""From the parts that failed to one sentence."""

import numpy as np

from .. import _function as route
from .._parts._judge import alone
from .._point import Point
from .._verdict import Part, compare
from ._explain import explain
from ._fault import fault_of
from ._locate import locate

_SENTENCES = {
    "dtype": "a wrong type or shape",
    "pure": "not a function of its arguments alone: the answer changes from call to call",
    "jit": "a rule that looks at more than its arguments: compiled, it is another",
    "primal": "another value than that of the function, or of its reference",
    "zeros": "not linear: the derivative along zero is not zero",
    "linear": "not linear in tangents or cotangents",
    "alone": "a symbolic zero mishandled: an argument or output alone is treated differently",
    "vmap": "wrong under vmap alone: a batch is not a loop",
    "scan": "wrong inside a scan alone",
    "checkpoint": "wrong under checkpoint alone",
}


def diagnose(p: Point, wrong: tuple[Part, ...]) -> str:
    """What the first fault looks like; "" where nothing simple explains it."""
    if not wrong:
        return ""
    try:
        sentence = _sentence(p, wrong[0])
    except Exception:  # a rule that raises where no part has asked it
        return ""
    return f"looks like: {sentence}" if sentence else ""


def _sentence(p, first):
    if first.name in _SENTENCES:
        return _SENTENCES[first.name]
    if first.only:
        return f"wrong at {_named(p, first)} alone"
    return "" if first.raised else _of_values(first.at or p, first.name)


def _named(p, part):
    """The one wrong entry, with the name of its argument or output."""
    if not part.only.startswith("["):
        return part.only
    return (
        f"{p.names[0]}{part.only}"
        if part.name in ("vjp", "hessian", "rev∘rev")
        else f"the output{part.only}"
    )


def _of_values(p, part):
    if part in ("hessian", "fwd∘fwd") and _detached(p):
        return "missing term: the derivative of the derivative is detached from its tangent or cotangent"
    fault = fault_of(p, part)
    if fault is None:
        return ""
    return _entry(_by_reverse(fault)) or explain(fault)


def _by_reverse(fault):
    """Cotangents answer for every direction at once, where there are any."""
    p = fault.point
    return fault if fault.order > 1 or p.missing(route.vjp) else fault_of(p, "vjp")


def _detached(p):
    """Is the derivative not linear for JAX, though its values are?"""
    for how, y in (
        (route.forward_over_cotangent, lambda x: p.cotangent(x, p.probe.w)),
        (route.forward_over_tangent, lambda x: p.tangent(x, p.probe.v)),
    ):
        if not p.missing(how) and compare(p.run(how, p.probe), *p.rounding(y)).verdict == "wrong":
            return True
    return False


def _entry(fault) -> str:
    """A single wrong entry, of a derivative that is linear in its direction."""
    p = fault.point
    if fault.order > 2:
        return ""
    for i, name in enumerate(p.names):
        v = alone(p.probe.v, i)
        said, true = fault.says(v), fault.measure(fault.true(v))
        if fault.same(said, true) or not np.all(np.isfinite(said - true)):
            continue
        index = locate(fault, i, v, said - true)
        if index is not None:
            at = [int(k) for k in np.unravel_index(index, p.x[i].shape)]
            return f"wrong at {name}{at} alone"
    return ""

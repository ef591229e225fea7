"""A factor that differs from entry to entry: T = D R or T = R D with a diagonal R."""

from collections.abc import Iterator

import numpy as np

from ..differences._line import wide
from ._fault import Fault

_ENTRIES = 32  # that are looked at one by one


def elementwise(fault: Fault, i: int) -> Iterator[str]:
    """What the derivative with respect to each entry of argument i is multiplied with."""
    p = fault.point
    entries, ratios = _ratios(fault, i)
    if ratios is None:
        return
    x = wide(p.x[i]).ravel()[entries]
    right = np.abs(ratios - 1) <= 10 * fault.tolerance
    if right.any() and not right.all():
        yield _some_wrong(p, i, entries, x, right, ratios)
    elif not right.any():
        yield _everywhere(fault, i, entries, x, ratios)


def _ratios(fault, i):
    """The factor of each entry, or None where the fault is not of this kind."""
    p = fault.point
    size = p.x[i].size
    entries = np.unique(np.linspace(0, size - 1, min(size, _ENTRIES)).astype(int))
    found = np.ones(len(entries), complex)
    for k, entry in enumerate(entries):
        v = [np.zeros_like(a) for a in p.x]
        v[i].reshape(-1)[entry] = p.probe.v[i].reshape(-1)[entry]
        said, true = fault.says(v), fault.measure(fault.true(v))
        size = np.vdot(true, true)
        found[k] = np.vdot(true, said) / size if size else 1.0
        if not fault.same(said, found[k] * true):
            return entries, None
    real = np.real(found)
    return entries, real if np.abs(np.imag(found)).max(initial=0) < 1e-5 else found


def _some_wrong(p, i, entries, x, right, ratios):
    name = p.names[i]
    wrong = [np.unravel_index(e, p.x[i].shape) for e in entries[~right]]
    where = ", ".join(str([int(d) for d in at]) for at in wrong[:3])
    if x.dtype.kind != "c" and len(wrong) > 1 and _separated(x[right], x[~right]):
        side = "<" if x[~right].max() < x[right].min() else ">"
        edge = (
            (x[~right].max() + x[right].min()) / 2
            if side == "<"
            else (x[~right].min() + x[right].max()) / 2
        )
        return f"wrong branch of {name}: wrong where its entries are {side} {edge:.3g}"
    kind = "missing" if not np.any(ratios[~right]) else f"wrong factor {ratios[~right][0]:.6g}"
    return f"{kind} at {name}{where}"


def _separated(a, b):
    return a.min() > b.max() or a.max() < b.min()


def _everywhere(fault, i, entries, x, ratios):
    """An elementwise factor, by name where it is a simple function of the argument or the value."""
    p = fault.point
    candidates = {
        "x": x,
        "|x|": np.abs(x),
        "x²": x**2,
        "sqrt(x)": np.sqrt(np.abs(x)),
        "sign(x)": np.sign(x),
    }
    value = p.value(p.x)
    if len(value) == 1 and value[0].shape == p.x[i].shape:
        y = wide(value[0]).ravel()[entries]
        candidates |= {"f": y, "f²": y**2, "1 - f": 1 - y, "1 + f": 1 + y, "1 - f²": 1 - y**2}
    for name, c in candidates.items():
        with np.errstate(all="ignore"):
            for what, factor in ((name, c), (f"1/({name})", 1 / c)):
                scale = ratios[0] / factor[0]
                if np.isfinite(scale) and np.allclose(ratios, scale * factor, rtol=1e-4):
                    by = "" if abs(scale - 1) < 1e-4 else f"{scale:.4g} "
                    return f"wrong elementwise factor {by}{what} in {p.names[i]}"
    return f"wrong elementwise factor in {p.names[i]}"

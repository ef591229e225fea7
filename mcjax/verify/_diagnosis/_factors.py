"""A factor that differs from entry to entry: T = D R or T = R D with a diagonal R."""

from collections.abc import Iterator

import numpy as np

from ..differences._line import wide
from ._fault import Fault

_ENTRIES = 32  # that are looked at one by one
_SMALL = 2.0**-5


def elementwise(fault: Fault, i: int, named: bool) -> Iterator[str]:
    """What the derivative with respect to each entry of argument i is multiplied with.

    Only a factor that has a name, if one is asked for: any derivative has some factor.
    """
    p = fault.point
    entries, ratios = _ratios(fault, i)
    if ratios is None:
        return
    if named and np.all(np.abs(ratios - 1) < _SMALL):
        return  # a lower precision, as likely as a factor
    x = wide(p.x[i]).ravel()[entries]
    right = np.abs(ratios - 1) <= 10 * fault.tolerance
    if right.any() and not right.all():
        yield _some_wrong(p, i, entries, x, right, ratios)
    elif not right.any() and (name := _name(p, i, entries, x, ratios)):
        yield f"wrong elementwise factor {name} in {p.names[i]}"
    elif not right.any() and not named:
        yield f"wrong elementwise factor in {p.names[i]}"


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
        found[k] = _multiple(said, true)
        if np.any(true) and not fault.same(said, found[k] * true):
            return entries, None
    real = np.real(found)
    return entries, real if np.abs(np.imag(found)).max(initial=0) < 1e-5 else found


def _multiple(said, true):
    """The c with said = c true, if there is one; infinite where there should be nothing."""
    if not np.any(true):
        return np.inf if np.any(said) else 1.0
    return np.vdot(true, said) / np.vdot(true, true)


def _some_wrong(p, i, entries, x, right, ratios):
    """Where, and by what factor: by a condition on the entries if one fits, or by their indices."""
    name, what = p.names[i], _kind(ratios[~right])
    for size, values in (("", x), ("|", np.abs(x))):
        if (side := _side(values, right)) and np.sum(~right) > 1:
            return f"wrong branch of {name}: {what} where {size}x{size} {side}"
    wrong = [np.unravel_index(e, p.x[i].shape) for e in entries[~right]]
    return f"{what} at {name}" + ", ".join(str([int(d) for d in at]) for at in wrong[:3])


def _kind(ratios) -> str:
    if not np.any(ratios):
        return "missing: zero"
    if np.all(np.isinf(ratios)):
        return "not zero"
    same = np.allclose(ratios, ratios[0], rtol=1e-4)
    return f"wrong factor {ratios[0]:.6g}" if same else "wrong elementwise factor"


def _side(values, right) -> str:
    """The inequality by which the entries that are wrong differ from those that are right."""
    if np.iscomplexobj(values):
        return ""
    low, high = values[right], values[~right]
    if low.max() < high.min():
        return f"> {(low.max() + high.min()) / 2:.3g}"
    return f"< {(high.max() + low.min()) / 2:.3g}" if high.max() < low.min() else ""


def _name(p, i, entries, x, ratios) -> str:
    """The factors as a simple function of the argument or the value; "" if they are none."""
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
                    return f"{by}{what}"
    return ""

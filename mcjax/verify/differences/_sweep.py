"""Error against step, the V-curve: what shows at a glance whether a derivative is right."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from .._plot import v_curve
from ._arguments import direction
from ._derivative import jvp
from ._line import moved, natural_step, wide


@dataclass(frozen=True)
class Sweep:
    """Steps relative to the size of x, and the relative error of central differences at each.

    A notebook shows the curve, `print` the table.
    """

    steps: np.ndarray
    errors: np.ndarray

    @property
    def best(self) -> float:
        """The step with the smallest error."""
        return float(self.steps[np.argmin(np.where(np.isfinite(self.errors), self.errors, np.inf))])

    @property
    def slopes(self) -> tuple[float, float]:
        """Of log error against log step, above and below the best step.

        2 and -1 if the derivative is right, 0 on the plateau of a wrong one; NaN where fewer than
        three steps show anything.
        """
        clear = (self.errors > 0) & (self.errors < 0.1)
        above = clear & (self.steps > 10 * self.best)
        below = clear & (self.steps < self.best / 10)
        return _slope(self.steps[above], self.errors[above]), _slope(
            self.steps[below], self.errors[below]
        )

    def __str__(self):
        rows = [f"{h:8.1e}  {error:8.1e}" for h, error in zip(self.steps, self.errors, strict=True)]
        above, below = self.slopes
        best = f"best step {self.best:.1e}, slopes {above:.2f} and {below:.2f}"
        return "\n".join(["    step     error", *rows[::4], best])

    def _repr_html_(self):
        return v_curve(self.steps, self.errors)


def step_sweep(f: Callable, x, v, derivative=None) -> Sweep:
    """Error against step: central differences of f at x along v against a `derivative`.

    A right derivative shows a V: the error falls as h² until rounding, which grows as 1/h, takes
    over. A wrong derivative shows a plateau at the size of its fault. Without a derivative, that
    by extrapolation. 103 evaluations of f, on the host.
    """
    x, v = direction(x, v)
    size = natural_step(x, v)
    exact = _flat(jvp(f, x, v).value if derivative is None else derivative)
    steps = np.logspace(-0.5, -13, 51)
    with np.errstate(all="ignore"):
        errors = [np.abs(_central(f, x, v, size * h) - exact) for h in steps]
        relative = [e.max(initial=0) / np.abs(exact).max(initial=0) for e in errors]
    return Sweep(steps, np.array(relative))


def _central(f, x, v, h):
    return (_flat(f(moved(x, v, h))) - _flat(f(moved(x, v, -h)))) / (2 * h)


def _flat(tree):
    return np.concatenate([wide(y).ravel() for y in jax.tree.leaves(tree)])


def _slope(steps, errors):
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0]) if len(steps) > 2 else np.nan

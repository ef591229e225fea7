"""A derivative, the error bar of each of its entries, and what is known of them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import jax
import numpy as np

ROUGH = 1e-3  # a bar above this part of the value


class Status(IntEnum):
    """What is known of one entry of a derivative."""

    OK = 0
    ROUGH = 1
    NOT_SMOOTH = 2
    NOT_FINITE = 3
    NOT_ANALYTIC = 4

    def __str__(self):
        return _MEANING[self]


_MEANING = {
    Status.OK: "right to its bar",
    Status.ROUGH: "right to its bar, which is above a thousandth of the value",
    Status.NOT_SMOOTH: "no derivative: the function has a kink here, or is noise alone",
    Status.NOT_FINITE: "the function is not finite here",
    Status.NOT_ANALYTIC: "no complex step: the function is not analytic, or does not take complex x",
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Estimate:
    """A derivative, and entry by entry its error bar and its `Status`: three pytrees alike.

    The truth lies within `error` of `value`. Where nothing is known the bar is infinite.
    """

    value: Any
    error: Any
    status: Any

    def __str__(self):
        leaves = zip(*map(jax.tree.leaves, (self.value, self.error, self.status)), strict=True)
        return "\n".join(_line(*leaf) for leaf in leaves)


def _line(value, error, status):
    worst = Status(int(np.max(status, initial=0)))
    if np.ndim(value) == 0:
        return f"{value:.17g} ± {error:.1e}: {worst}"
    return f"{value} ± {np.max(error, initial=0):.1e} at most: {worst}"


def judge(value, error, finite, scale):
    """The status of every entry; `scale` is the size of the derivative of an ordinary function."""
    xp = value.__array_namespace__()
    rough = error > ROUGH * xp.maximum(xp.abs(value), scale)
    status = xp.where(rough, int(Status.ROUGH), int(Status.OK))
    status = xp.where(xp.isfinite(error), status, int(Status.NOT_SMOOTH))
    return xp.where(finite, status, int(Status.NOT_FINITE))

"""What the catalogue says of one function."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A new shape costs a compilation of every route, so the full list runs at one shape a function, and
# at the others what depends on the shape or the type.
FULL = None
OTHER_SHAPES = {
    "batch": ("truth", "truth jvp", "plain", "transpose", "hessian"),
    "complex": ("truth", "truth jvp", "plain", "transpose", "hessian"),
    "singular complex": ("truth", "truth jvp", "transpose", "hessian"),
    "n = 1": ("truth", "truth jvp", "transpose"),
    "n = 32": ("plain", "jvp", "transpose"),
}


@dataclass(frozen=True)
class Case:
    """One input of a function, and the parts of the check that run there (None: all)."""

    name: str
    args: tuple[np.ndarray, ...]
    parts: tuple[str, ...] | None


@dataclass(frozen=True)
class Entry:
    """A public function with one setting of its options.

    Attributes:
      name: what the table calls it; the first word is the name in its room.
      function: of arrays alone.
      inputs: makes the named inputs.
      truth, truth_jvp: its value and derivative to full precision, for small matrices.
      reference: plain JAX with a right gradient wherever that gradient is finite.
    """

    name: str
    function: Callable
    inputs: Callable[[], dict]
    truth: Callable
    truth_jvp: Callable
    reference: Callable | None = None

    def cases(self, dtype="float64") -> list[Case]:
        """The inputs, in a precision."""
        return [
            Case(name, tuple(_cast(a, dtype) for a in _tuple(args)), OTHER_SHAPES.get(name))
            for name, args in self.inputs().items()
        ]


def _tuple(args):
    return args if isinstance(args, tuple) else (args,)


def _cast(a, dtype):
    return a.astype(np.result_type(dtype, np.complex64) if np.iscomplexobj(a) else dtype)

"""What the catalogue says of one function."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A new shape costs a compilation of every route, so the full list runs at the first input, what looks
# at numbers at others of its shape, and at other shapes what depends on the shape or the type.
_NUMBERS = (
    "truth",
    "truth jvp",
    "jvp",
    "vjp",
    "transpose",
    "hessian",
    "rev∘rev",
    "fwd∘fwd",
    "vmap",
)
_NUMBERS += ("float32",)
# The inputs are special already, and of several sizes.
_ALL = (
    *_NUMBERS,
    "dtype",
    "pure",
    "jit",
    "primal",
    "zeros",
    "linear",
    "alone",
    "scan",
    "checkpoint",
    "cuda",
)
_OTHER_SHAPES = {
    "batch": ("truth", "truth jvp", "vjp", "transpose", "hessian"),
    "complex": ("truth", "truth jvp", "vjp", "transpose", "conjugation", "hessian"),
    "singular complex": ("truth", "truth jvp", "transpose", "hessian"),
    "n = 1": ("truth", "truth jvp", "transpose"),
    "n = 32": ("vjp", "jvp", "transpose"),
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
      truth, truth_jvp: its value and derivative to full precision, for small matrices, where they
        can be had without floating point.
      reference: plain JAX with a right gradient wherever that gradient is finite.
      lowers: whether it runs on GPUs, as all do but the Schur form.
    """

    name: str
    function: Callable
    inputs: Callable[[], dict]
    truth: Callable | None = None
    truth_jvp: Callable | None = None
    reference: Callable | None = None
    lowers: bool = True

    def cases(self, dtype="float64") -> list[Case]:
        """The inputs, in a precision."""
        return [
            Case(name, tuple(_cast(a, dtype) for a in _tuple(args)), self._parts(name, i))
            for i, (name, args) in enumerate(self.inputs().items())
        ]

    def _parts(self, name, position):
        parts = _OTHER_SHAPES.get(name, _NUMBERS if position else _ALL)
        return tuple(part for part in parts if self.lowers or part != "cuda")


def _tuple(args):
    return args if isinstance(args, tuple) else (args,)


def _cast(a, dtype):
    return a.astype(np.result_type(dtype, np.complex64) if np.iscomplexobj(a) else dtype)

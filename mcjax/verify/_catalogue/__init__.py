"""Our own functions as data: for each, inputs, truths, and plain JAX that computes the same."""

from ._entry import Case, Entry
from ._linalg import ENTRIES

__all__ = ["ENTRIES", "Case", "Entry"]

"""Our own functions as data: for each, inputs, truths, and plain JAX that computes the same."""

from . import _dense, _eigenproblems, _equations, _functions, _rectangular, _spectral
from ._entry import Case, Entry

ENTRIES = (
    *_functions.ENTRIES,
    *_equations.ENTRIES,
    *_rectangular.ENTRIES,
    *_dense.ENTRIES,
    *_spectral.ENTRIES,
    *_eigenproblems.ENTRIES,
)

__all__ = ["ENTRIES", "Case", "Entry"]

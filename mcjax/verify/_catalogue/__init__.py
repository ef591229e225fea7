"""Our own functions as data: for each, inputs, truths, and plain JAX that computes the same."""

from . import (
    _dense,
    _eigenproblems,
    _equations,
    _functions,
    _ode,
    _rectangular,
    _solve,
    _spectral,
)
from ._entry import Case, Entry

ENTRIES = (
    *_functions.ENTRIES,
    *_equations.ENTRIES,
    *_rectangular.ENTRIES,
    *_dense.ENTRIES,
    *_spectral.ENTRIES,
    *_eigenproblems.ENTRIES,
    *_solve.ENTRIES,
    *_ode.ENTRIES,
)

__all__ = ["ENTRIES", "Case", "Entry"]

"""Is this derivative right? Checks of any JAX function, by definition and by difference.

``mcjax.check(f, *args)`` returns a `Report`; ``python -m mcjax verify`` runs the same check over
every function of mcjax, or over a function and an input of yours.
"""

from . import differences
from ._assert import assert_derivative
from ._check import check
from ._report import Report
from ._verdict import Part
from .differences import Estimate, Sweep, step_sweep
from .differences import jvp as difference

__all__ = [
    "Estimate",
    "Part",
    "Report",
    "Sweep",
    "assert_derivative",
    "check",
    "difference",
    "differences",
    "step_sweep",
]

"""SciPy's linear algebra, with derivatives that are right at every input where they exist.

One file is one function: its mathematics, its algorithm, its derivative.
"""

from ._expm import expm, expm_frechet
from ._funm import funm

__all__ = ["expm", "expm_frechet", "funm"]

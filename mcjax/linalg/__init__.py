"""SciPy's linear algebra, with derivatives that are right at every input where they exist.

One file is one function: its mathematics, its algorithm, its derivative.
"""

from ._det import det
from ._expm import expm, expm_frechet
from ._funm import funm
from ._logdet import logdet
from ._solve_sylvester import solve_sylvester
from ._sqrtm import sqrtm

__all__ = ["det", "expm", "expm_frechet", "funm", "logdet", "solve_sylvester", "sqrtm"]

"""SciPy's linear algebra, with derivatives that are right at every input where they exist.

One file is one function: its mathematics, its algorithm, its derivative.
"""

from .dense._det import det
from .dense._logdet import logdet
from .equations._solve_sylvester import solve_sylvester
from .functions._expm import expm, expm_frechet
from .functions._funm import funm
from .functions._sqrtm import sqrtm

__all__ = ["det", "expm", "expm_frechet", "funm", "logdet", "solve_sylvester", "sqrtm"]

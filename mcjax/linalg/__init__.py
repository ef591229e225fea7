"""SciPy's linear algebra, with derivatives that are right at every input where they exist.

One file is one function: its mathematics, its algorithm, its derivative.
"""

from .dense._det import det
from .dense._logdet import logdet
from .equations._solve_sylvester import solve_sylvester
from .functions._expm import expm, expm_frechet
from .functions._funm import funm
from .functions._sqrtm import sqrtm
from .rectangular._lstsq import lstsq
from .rectangular._orthogonal_procrustes import orthogonal_procrustes
from .rectangular._polar import polar
from .rectangular._projectors import null_projector, orth_projector
from .rectangular._svd_function import svd_function

__all__ = [
    "det",
    "expm",
    "expm_frechet",
    "funm",
    "logdet",
    "lstsq",
    "null_projector",
    "orth_projector",
    "orthogonal_procrustes",
    "polar",
    "solve_sylvester",
    "sqrtm",
    "svd_function",
]

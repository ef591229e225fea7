"""SciPy's linear algebra, with derivatives that are right at every input where they exist.

One file is one function: its mathematics, its algorithm, its derivative.
"""

from .dense._adjugate import adjugate
from .dense._charpoly import charpoly
from .dense._cholesky import cholesky
from .dense._det import det
from .dense._eigh_tridiagonal import eigh_tridiagonal
from .dense._logdet import logdet
from .dense._lu import ldl, unpivoted_lu
from .dense._norm import norm
from .dense._numerical_radius import numerical_radius
from .dense._qr import qr
from .dense._schatten_norm import ky_fan_norm, nuclear_norm, schatten_norm, spectral_norm
from .dense._solve import solve
from .equations._solve_continuous_are import solve_continuous_are
from .equations._solve_continuous_lyapunov import solve_continuous_lyapunov
from .equations._solve_discrete_are import solve_discrete_are
from .equations._solve_discrete_lyapunov import solve_discrete_lyapunov
from .equations._solve_quadratic import solve_quadratic
from .equations._solve_sylvester import solve_sylvester
from .functions._condition import expm_cond, funm_cond
from .functions._expm import expm, expm_frechet
from .functions._expm1m import expm1m
from .functions._expm_multiply import expm_multiply
from .functions._fractional_matrix_power import fractional_matrix_power
from .functions._funm import funm
from .functions._logm import log1pm, logm
from .functions._phim import phim
from .functions._signm import signm
from .functions._sqrtm import sqrtm
from .functions._trigonometric import coshm, cosm, sinhm, sinm, tanhm, tanm
from .rectangular._lstsq import lstsq
from .rectangular._orthogonal_procrustes import orthogonal_procrustes
from .rectangular._polar import polar
from .rectangular._projectors import null_projector, orth_projector
from .rectangular._svd_function import svd_function
from .spectral._best_rank import best_rank
from .spectral._eig import eig
from .spectral._eig_condition import eigvals_cond
from .spectral._eig_extremes import spectral_abscissa, spectral_radius
from .spectral._eigh import eigh
from .spectral._eigh_directional import eigh_directional
from .spectral._eigsh import eigsh
from .spectral._eigvals import eigvals
from .spectral._eigvalsh import eigvalsh
from .spectral._eigvalsh_sum import eigvalsh_sum
from .spectral._gauge_report import gauge_report
from .spectral._hessenberg import hessenberg
from .spectral._invariant_subspace import invariant_subspace
from .spectral._nonlinear_eig import nonlinear_eig
from .spectral._pca import pca
from .spectral._polyeig import polyeig
from .spectral._qz import qz
from .spectral._riesz_projector import riesz_projector
from .spectral._schur import schur
from .spectral._spectral_projector import spectral_projector
from .spectral._svd import svd
from .spectral._svd_projectors import svd_projectors
from .spectral._svds import svds
from .spectral._svdvals import svdvals
from .spectral._truncated_svd import truncated_svd

__all__ = [
    "adjugate",
    "best_rank",
    "charpoly",
    "cholesky",
    "coshm",
    "cosm",
    "det",
    "eig",
    "eigh",
    "eigh_directional",
    "eigh_tridiagonal",
    "eigsh",
    "eigvals",
    "eigvals_cond",
    "eigvalsh",
    "eigvalsh_sum",
    "expm",
    "expm1m",
    "expm_cond",
    "expm_frechet",
    "expm_multiply",
    "fractional_matrix_power",
    "funm",
    "funm_cond",
    "gauge_report",
    "hessenberg",
    "invariant_subspace",
    "ky_fan_norm",
    "ldl",
    "log1pm",
    "logdet",
    "logm",
    "lstsq",
    "nonlinear_eig",
    "norm",
    "nuclear_norm",
    "null_projector",
    "numerical_radius",
    "orth_projector",
    "orthogonal_procrustes",
    "pca",
    "phim",
    "polar",
    "polyeig",
    "qr",
    "qz",
    "riesz_projector",
    "schatten_norm",
    "schur",
    "signm",
    "sinhm",
    "sinm",
    "solve",
    "solve_continuous_are",
    "solve_continuous_lyapunov",
    "solve_discrete_are",
    "solve_discrete_lyapunov",
    "solve_quadratic",
    "solve_sylvester",
    "spectral_abscissa",
    "spectral_norm",
    "spectral_projector",
    "spectral_radius",
    "sqrtm",
    "svd",
    "svd_function",
    "svd_projectors",
    "svds",
    "svdvals",
    "tanhm",
    "tanm",
    "truncated_svd",
    "unpivoted_lu",
]

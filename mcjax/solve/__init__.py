"""x(θ) defined by an equation: roots, fixed points, minima, constrained minima, fits.

Solutions are certified, and differentiate correctly at every order.
"""

from ._active_set import ActiveSet
from ._anderson import Anderson
from ._batch import batch_solve
from ._certificate import STATUS, Certificate
from ._constrained import ConstrainedSolution, Multipliers, constrained_minimise
from ._continuation import Branch, continuation
from ._curve_fit import curve_fit
from ._deflation import roots
from ._fit_result import Fit
from ._fixed_point import fixed_point
from ._fold import FoldPoint, fold
from ._homotopy import homotopy
from ._implicit import attach_implicit, fixed_point_residual, implicit
from ._kkt import KKT
from ._kkt_attach import KKTAdjoint
from ._least_squares import least_squares
from ._linear_fit import linear_fit
from ._manifolds import SPD, Sphere, Stiefel
from ._minimise import minimise
from ._newton_history import OUTCOME, NewtonHistory, newton_history
from ._projections import (
    projection_affine,
    projection_second_order_cone,
    prox_l1,
    prox_l2,
    proximal_residual,
)
from ._pseudo_transient import PseudoTransient
from ._root import root
from ._run_optax import REASON, run_optax
from ._solution import Solution
from .newton import (
    categorical_fisher,
    fisher_vector_product,
    gaussian_fisher,
    scale_by_gauss_newton,
    scale_by_natural_gradient,
    scale_by_newton_cg,
    scale_by_trust_region,
)

__all__ = [
    "KKT",
    "OUTCOME",
    "REASON",
    "SPD",
    "STATUS",
    "ActiveSet",
    "Anderson",
    "Branch",
    "Certificate",
    "ConstrainedSolution",
    "Fit",
    "FoldPoint",
    "KKTAdjoint",
    "Multipliers",
    "NewtonHistory",
    "PseudoTransient",
    "Solution",
    "Sphere",
    "Stiefel",
    "attach_implicit",
    "batch_solve",
    "categorical_fisher",
    "constrained_minimise",
    "continuation",
    "curve_fit",
    "fisher_vector_product",
    "fixed_point",
    "fixed_point_residual",
    "fold",
    "gaussian_fisher",
    "homotopy",
    "implicit",
    "least_squares",
    "linear_fit",
    "minimise",
    "newton_history",
    "projection_affine",
    "projection_second_order_cone",
    "prox_l1",
    "prox_l2",
    "proximal_residual",
    "root",
    "roots",
    "run_optax",
    "scale_by_gauss_newton",
    "scale_by_natural_gradient",
    "scale_by_newton_cg",
    "scale_by_trust_region",
]

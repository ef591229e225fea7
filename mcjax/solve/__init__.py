"""x(θ) defined by an equation: roots, fixed points, minima, constrained minima, fits.

Solutions are certified, and differentiate correctly at every order.
"""

from ._active_set import ActiveSet
from ._anderson import Anderson
from ._batch import batch_solve
from ._certificate import STATUS, Certificate
from ._constrained import ConstrainedSolution, Multipliers, constrained_minimise
from ._curve_fit import curve_fit
from ._deflation import roots
from ._fit_result import Fit
from ._fixed_point import fixed_point
from ._implicit import attach_implicit, fixed_point_residual, implicit
from ._kkt import KKT
from ._kkt_attach import KKTAdjoint
from ._least_squares import least_squares
from ._linear_fit import linear_fit
from ._minimise import minimise
from ._newton_history import OUTCOME, NewtonHistory, newton_history
from ._projections import (
    projection_affine,
    projection_second_order_cone,
    prox_l1,
    prox_l2,
    proximal_residual,
)
from ._root import root
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
    "STATUS",
    "ActiveSet",
    "Anderson",
    "Certificate",
    "ConstrainedSolution",
    "Fit",
    "KKTAdjoint",
    "Multipliers",
    "NewtonHistory",
    "Solution",
    "attach_implicit",
    "batch_solve",
    "categorical_fisher",
    "constrained_minimise",
    "curve_fit",
    "fisher_vector_product",
    "fixed_point",
    "fixed_point_residual",
    "gaussian_fisher",
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
    "scale_by_gauss_newton",
    "scale_by_natural_gradient",
    "scale_by_newton_cg",
    "scale_by_trust_region",
]

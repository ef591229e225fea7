"""Newton's method and its relatives as optax transforms: scale, chain, clip and schedule them like others."""

from ._gauss_newton import scale_by_gauss_newton
from ._natural_gradient import (
    categorical_fisher,
    fisher_vector_product,
    gaussian_fisher,
    scale_by_natural_gradient,
)
from ._newton_cg import scale_by_newton_cg
from ._trust_region import scale_by_trust_region

__all__ = [
    "categorical_fisher",
    "fisher_vector_product",
    "gaussian_fisher",
    "scale_by_gauss_newton",
    "scale_by_natural_gradient",
    "scale_by_newton_cg",
    "scale_by_trust_region",
]

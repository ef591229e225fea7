"""Exact derivatives (`_jets`, `_truth`), matrices (`_cases`), and what every function promises."""

from ._cases import (
    GENERAL,
    SINGULAR,
    SYMMETRIC,
    gap_matrix,
    grcar,
    hidden_jordan,
    reflect,
    unitary_phases,
)
from ._gaps import GAPS, assert_right_at_gaps
from ._jets import derivative, mp
from ._promise import (
    along,
    assert_close,
    assert_lowers_for_cuda,
    assert_nan,
    assert_promise,
    assert_relative,
    judge,
    pull,
    random_like,
    rounding,
)
from ._truth import (
    hermitian,
    identity,
    true_det,
    true_expm,
    true_funm,
    true_solve,
    true_solve_sylvester,
    true_sqrtm,
)

__all__ = [
    "GAPS",
    "GENERAL",
    "SINGULAR",
    "SYMMETRIC",
    "along",
    "assert_close",
    "assert_lowers_for_cuda",
    "assert_nan",
    "assert_promise",
    "assert_relative",
    "assert_right_at_gaps",
    "derivative",
    "gap_matrix",
    "grcar",
    "hermitian",
    "hidden_jordan",
    "identity",
    "judge",
    "mp",
    "pull",
    "random_like",
    "reflect",
    "rounding",
    "true_det",
    "true_expm",
    "true_funm",
    "true_solve",
    "true_solve_sylvester",
    "true_sqrtm",
    "unitary_phases",
]

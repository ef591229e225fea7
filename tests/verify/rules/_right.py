"""All right rules: a checker that calls one of them wrong is wrong."""

from . import (
    _right_custom,
    _right_evolution,
    _right_half,
    _right_hard,
    _right_kinks,
    _right_linalg,
    _right_reverse,
    _right_smooth,
    _right_solvers,
    _right_structure,
)
from ._rule import Rule

RIGHT: tuple[Rule, ...] = (
    *_right_smooth.RULES,
    *_right_structure.RULES,
    *_right_hard.RULES,
    *_right_kinks.RULES,
    *_right_half.RULES,
    *_right_solvers.RULES,
    *_right_evolution.RULES,
    *_right_custom.RULES,
    *_right_reverse.RULES,
    *_right_linalg.RULES,
)

"""Functions whose derivative rules are right, and functions whose rules are wrong."""

from . import (
    _wrong_higher,
    _wrong_matrices,
    _wrong_special,
    _wrong_structure,
    _wrong_transforms,
    _wrong_values,
)
from ._right import RIGHT
from ._rule import Rule, in_precision

__all__ = ["RIGHT", "WRONG", "Rule", "in_precision"]

MODULES = (
    _wrong_values,
    _wrong_matrices,
    _wrong_structure,
    _wrong_transforms,
    _wrong_special,
    _wrong_higher,
)

WRONG: tuple[Rule, ...] = tuple(
    rule for module in MODULES for rule in vars(module).values() if isinstance(rule, Rule)
)

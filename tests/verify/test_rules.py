"""The checker on planted rules: it finds every wrong one, and calls no right one wrong.

The rules were written without sight of the checker. One seed here; twenty, in both precisions, with
what check_grads says of them: python -m benchmarks.checker --seeds 20
"""

import pytest

from mcjax import check

from .rules import RIGHT, WRONG, in_precision

DTYPES = ("float64", "float32")
LONG = ("diffrax, checkpointed adjoint", "JAX's matrix exponential")  # a minute to compile


def by_name(rules, share):
    """Every rule in one precision, by turns; one of `share` is for every run, the rest are slow."""
    return [
        pytest.param(
            rule,
            dtype := "float64" if rule.double_only else DTYPES[i // share % 2],
            id=f"{rule.name}-{dtype}",
            marks=(pytest.mark.slow,) if i % share or rule.name in LONG else (),
        )
        for i, rule in enumerate(rules)
    ]


@pytest.mark.parametrize("rule, dtype", by_name(WRONG, 24))
def test_wrong_rules_are_caught(rule, dtype):
    report = check(rule.f, *in_precision(rule.args, dtype), **rule.options)
    assert report.verdict == "wrong", report


@pytest.mark.parametrize("rule, dtype", by_name(RIGHT, 48))
def test_right_rules_are_not_called_wrong(rule, dtype):
    report = check(rule.f, *in_precision(rule.args, dtype), **rule.options)
    assert report.verdict != "wrong", report


def test_the_sets_are_large_and_the_same_rule_is_not_there_twice():
    assert len(WRONG) >= 60 and len(RIGHT) >= 100
    for rules in (WRONG, RIGHT):
        assert len({rule.name for rule in rules}) == len(rules)

"""For pytest: one line a rule."""

from ._check import check
from ._report import Report


def assert_derivative(f, *args, **options) -> Report:
    """`check`, and an AssertionError with the report unless the derivatives are right.

        def test_my_rule():
            assert_derivative(my_function, x, y)

    Arguments and options are those of `check`. The report names the seed of its random directions.
    """
    report = check(f, *args, **options)
    if not report.ok:
        raise AssertionError(str(report))
    return report

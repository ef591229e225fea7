"""Which cases of a test run every time."""

import pytest


def heavy_but(names, every_run):
    """The names, all but some of them for the sweep of heavy tests."""
    slow = pytest.mark.slow
    return [pytest.param(n, marks=() if n in every_run else slow) for n in names]

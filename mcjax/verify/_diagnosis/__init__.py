"""What a wrong derivative looks like: the simple change of the right one that gives it."""

from ._diagnose import diagnose

__all__ = ["diagnose"]

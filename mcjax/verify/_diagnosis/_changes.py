"""Simple changes of an array, by which right derivatives become wrong ones."""

from collections.abc import Callable, Iterator

import numpy as np

from .._function import is_complex


def changes(a) -> Iterator[tuple[str, Callable]]:
    """The changes that an array of a's shape and type allows: invertible ones, then projections."""
    square = a.ndim >= 2 and a.shape[-1] == a.shape[-2] > 1
    if square:
        yield "transpose", lambda a: a.swapaxes(-1, -2)
    if is_complex(a):
        yield "conjugate", np.conj
    if square and is_complex(a):
        yield "conjugate transpose", lambda a: a.swapaxes(-1, -2).conj()
    if a.ndim == 1 and a.size > 1:
        yield "reversal", np.flip
        yield "shift", lambda a: np.roll(a, 1)
        yield "shift back", lambda a: np.roll(a, -1)


def projections(a) -> Iterator[tuple[str, Callable]]:
    """Changes that lose something."""
    if a.ndim >= 2 and a.shape[-1] == a.shape[-2] > 1:
        yield "symmetrisation", lambda a: (a + a.swapaxes(-1, -2).conj()) / 2
        yield "lower triangle", np.tril
        yield "upper triangle", np.triu
        yield "diagonal", lambda a: a * np.eye(a.shape[-1], dtype=a.dtype)
    if is_complex(a):
        yield "real part", lambda a: a.real.astype(a.dtype)

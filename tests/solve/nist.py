"""NIST's certified nonlinear regressions: data, starts, parameters and standard deviations to 11 digits."""

import re
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

_FOLDER = Path(__file__).parents[1] / "data" / "nist"


class Set(NamedTuple):
    model: object  # (x, *b) ↦ y, of jax or NumPy
    x: np.ndarray
    y: np.ndarray
    starts: np.ndarray  # (2, n)
    b: np.ndarray
    deviations: np.ndarray
    squares: float  # Σ r²


def misra1a(x, b1, b2, xp=jnp):
    return b1 * (1 - xp.exp(-b2 * x))


def dan_wood(x, b1, b2, xp=jnp):
    return b1 * x**b2


def rat42(x, b1, b2, b3, xp=jnp):
    return b1 / (1 + xp.exp(b2 - b3 * x))


def mgh17(x, b1, b2, b3, b4, b5, xp=jnp):
    return b1 + b2 * xp.exp(-x * b4) + b3 * xp.exp(-x * b5)


def lanczos3(x, b1, b2, b3, b4, b5, b6, xp=jnp):
    return b1 * xp.exp(-b2 * x) + b3 * xp.exp(-b4 * x) + b5 * xp.exp(-b6 * x)


def kirby2(x, b1, b2, b3, b4, b5, xp=jnp):
    return (b1 + b2 * x + b3 * x * x) / (1 + b4 * x + b5 * x * x)


def thurber(x, b1, b2, b3, b4, b5, b6, b7, xp=jnp):
    above = b1 + b2 * x + b3 * x * x + b4 * x * x * x
    return above / (1 + b5 * x + b6 * x * x + b7 * x * x * x)


def gauss1(x, b1, b2, b3, b4, b5, b6, b7, b8, xp=jnp):
    first = b3 * xp.exp(-(((x - b4) / b5) ** 2))
    return b1 * xp.exp(-b2 * x) + first + b6 * xp.exp(-(((x - b7) / b8) ** 2))


def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9, xp=jnp):
    def wave(a, b, period):
        angle = 2 * xp.pi * x / period
        return a * xp.cos(angle) + b * xp.sin(angle)

    return b1 + wave(b2, b3, 12) + wave(b5, b6, b4) + wave(b8, b9, b7)


MODELS = {
    "Misra1a": misra1a,
    "DanWood": dan_wood,
    "Rat42": rat42,
    "MGH17": mgh17,
    "Lanczos3": lanczos3,
    "Kirby2": kirby2,
    "Thurber": thurber,
    "Gauss1": gauss1,
    "ENSO": enso,
}


def load(name: str) -> Set:
    """One of the sets, as published."""
    text = (_FOLDER / f"{name}.dat").read_text()
    number = r"[-+]?[\d.]+(?:E[-+]?\d+)?"
    rows = re.findall(rf"b\d+ =\s+({number})\s+({number})\s+({number})\s+({number})", text)
    table = np.array(rows, float)
    squares = re.search(rf"Residual Sum of Squares:\s+({number})", text)
    data = [line.split() for line in text.splitlines()[60:] if line.strip()]
    y, x = np.array(data, float).T
    assert squares is not None
    return Set(
        MODELS[name], x, y, table[:, :2].T, table[:, 2], table[:, 3], float(squares.group(1))
    )

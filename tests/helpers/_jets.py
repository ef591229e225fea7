"""Truth: derivatives of plain algorithms, in numbers of 60 digits.

Write ε₁, ε₂, ... for numbers with ε_i² = 0. The coefficient of ε₁...ε_k in
f(A + ε₁E₁ + ... + ε_kE_k) is D^k f(A)[E₁..E_k]: the corner block of f([[A, E], [0, A]]), nested k
times, without the zeros. `derivative` evaluates plain algorithms on arrays of such numbers (`Jet`),
whose coefficients have 60 digits. Nothing of it is shared with mcjax or with JAX.
"""

import mpmath
import numpy as np

mp = mpmath.MPContext()
mp.dps = 60


class Jet:
    """Σ c_S ε_S over sets S of directions (bits of an integer): a number with its derivatives."""

    __slots__ = ("c",)

    def __init__(self, coefficients):
        self.c = coefficients

    def __add__(self, other):
        c = dict(self.c)
        for s, y in _jet(other).c.items():
            c[s] = c[s] + y if s in c else y
        return Jet(c)

    def __mul__(self, other):
        c = {}
        for s, x in self.c.items():
            for t, y in _jet(other).c.items():
                if not s & t:
                    c[s | t] = c[s | t] + x * y if s | t in c else x * y
        return Jet(c)

    def __rtruediv__(self, other):
        y = Jet({0: 1 / self.value})
        for _ in range(2):  # Newton's steps are exact up to the third direction
            y = y * (2 - self * y)
        return other * y

    __radd__, __rmul__ = __add__, __mul__
    __neg__ = lambda self: self * -1  # noqa: E731
    __sub__ = lambda self, other: self + -_jet(other)  # noqa: E731
    __rsub__ = lambda self, other: other + -self  # noqa: E731
    __truediv__ = lambda self, other: self * (1 / _jet(other))  # noqa: E731

    @property
    def value(self):
        return self.c.get(0, mp.zero)


def _jet(x):
    return x if isinstance(x, Jet) else Jet({0: x})


def exact(x):
    """The number x itself, in 60 digits."""
    return mp.mpc(x) if isinstance(x, complex) else mp.mpf(x)


def derivative(function, args, *directions, number=exact):
    """D^k function(args)[d₁..d_k]; every direction is a tuple like args. Batches lead."""
    args, directions = _arrays(args), [_arrays(d) for d in directions]
    if args[0].ndim > 2:
        elements = ([a[i] for a in args] for i in range(len(args[0])))
        return np.stack(
            [
                derivative(function, a, *([x[i] for x in d] for d in directions), number=number)
                for i, a in enumerate(elements)
            ]
        )

    def jets(a, *ds):
        entries = np.empty(a.shape, object)
        for i in np.ndindex(a.shape):
            numbers = ((1 << k >> 1, number(x[i].item())) for k, x in enumerate((a, *ds)))
            entries[i] = Jet({s: x for s, x in numbers if x})
        return entries

    result = np.asarray(function(*map(jets, args, *directions)), object)
    full = (1 << len(directions)) - 1
    corner = [_jet(x).c.get(full, 0) for x in result.flat]
    kind = complex if any(isinstance(x, mp.mpc) for x in corner) else float
    return np.array([kind(x) for x in corner], kind).reshape(result.shape)


def _arrays(args):
    return [np.asarray(a).astype(complex if np.iscomplexobj(a) else float) for a in args]

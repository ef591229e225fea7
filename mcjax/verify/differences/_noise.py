"""The noise of a function: how far its values are from those of a smooth one.

Along a line it is read off the samples of φ themselves. At small steps φ is a straight line, and what
it is not is noise: h |D(h) - D(2h)|, with D(h) = (φ(h) - φ(-h)) / 2h. Noise is taken to be the largest of
this at the smallest steps; of ε |φ(h)|; of ε |φ'(h)| |x|, what the rounding of x does; of the height of
stairs; and of what the caller knows.

Stairs are what a function shows that was rounded to a grid much coarser than its digits: one that is
computed in single precision inside, or (1 - cos x)/x² near 0. Between two stairs it is perfectly smooth,
with another derivative. Going down in h, it is recognised by an abrupt fall of h |D(h) - D(2h)|, from the
height of a stair to rounding at once, where a smooth function falls by 8. A kink or a jump near x shows
the same fall; but a kink bends φ in proportion to h above it, while stairs leave it straight, or as bent
as a smooth function is, in proportion to h². Low stairs, of fewer than a thousand roundings, are all
that does not fall with h at that level: they come from rounding inside of f.

Source: Moré and Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011) 1292.
"""

_SMALLEST = 6  # steps at which nothing but noise is left
_ABRUPT = 512
_ALIKE = 64  # over four halvings, in which a smooth function falls by 4096, or 256 to one side
_ONCE = 2.5  # over one halving
_LOW = 1024


def noise_of_samples(sides, slope, bend, s, order, floor):
    """η at every step, from the values on one or both sides, their slope and second difference."""
    xp = slope.__array_namespace__()
    h = s.h.reshape(-1, *[1] * (slope.ndim - 1))
    odd = _known(xp.abs(slope[1:] - slope[:-1]) * h[1:])
    moves = _largest([xp.abs(y[1:] - y[:-1]) for y in sides])
    of_output = _largest([xp.abs(y) for y in sides])
    of_input = xp.concatenate([moves, moves[-1:]]) / (h / 2) * s.size
    rounding = s.eps * xp.maximum(of_output, of_input)
    apart = _largest([xp.abs(y - s.at[None]) for y in sides])
    stairs = _stairs(odd, _known(xp.abs(bend)), _known(apart), _known(rounding)[1:])
    noise = xp.maximum(xp.maximum(odd[-_SMALLEST:].max(0), stairs), floor)
    nothing = _alone(noise, apart, of_output, s.eps) | _singular(odd, order, s.eps * of_output[-1])
    noise = xp.where(nothing, xp.inf, noise)
    return xp.maximum(rounding, noise[None])


def _alone(noise, apart, size, eps):
    """Is there nothing to be seen in any entry of this output but noise, and more of it than rounding?

    Then it may be a sine faster than the smallest step.
    """
    return (noise > _known(apart).max(initial=0.0) / 4) & (
        noise > 1024 * eps * _known(size).max(initial=0.0)
    )


def _singular(odd, order, rounding):
    """Is what looks like noise a power of h, as of a root or h log h at 0?

    Above 1/5, and below 1.8 or 2.4, for what has no first or second derivative.
    """
    if len(odd) < 3 * _SMALLEST:
        return False
    last, before = odd[-_SMALLEST:].max(0), odd[-3 * _SMALLEST : -2 * _SMALLEST].max(0)
    halvings = 2 * _SMALLEST
    highest = 1.8 if order == 1 else 2.4
    falls = (before > 2 ** (0.2 * halvings) * last) & (before < 2 ** (highest * halvings) * last)
    return falls & (last > 1024 * rounding)


def _stairs(odd, bend, apart, rounding):
    """The height of the stairs of every entry, 0 where there are none."""
    xp = odd.__array_namespace__()
    row = xp.arange(len(odd)).reshape(-1, *[1] * (odd.ndim - 1))
    quiet = xp.maximum(_most(odd, range(1, 4)), rounding)
    above = _most(odd, range(-4, 0))
    abrupt = (odd > _ABRUPT * quiet) & (quiet < _LOW * rounding)
    abrupt = abrupt & (above > odd / _ALIKE) & (above < odd * _ALIKE)
    flat = (apart[:-1] > 0) & (_total_below(apart) == 0)
    height = xp.maximum(odd, xp.where(flat, apart[:-1], 0.0))
    height = xp.where(above < _ALIKE * height, xp.maximum(height, above), height)
    far, nearer = _most(bend, [-5])[: len(height)], _most(bend, [-4])[: len(height)]
    straight = (far <= 16 * height) | (nearer <= 0.35 * far)
    high = (abrupt | flat) & straight & (row >= 5)
    stays = (above < _ALIKE * odd) & (row >= 4) | (_most(odd, [-1]) < _ONCE * odd) & (row >= 1)
    low = (odd <= _LOW * rounding) & stays
    return xp.where(high, height, xp.where(low, odd, 0.0)).max(0)


def _most(rows, offsets):
    """At every row, the largest of the rows at these offsets from it; beyond the ends there are zeros."""
    xp = rows.__array_namespace__()
    shifted = []
    for offset in offsets:
        nothing = xp.zeros_like(rows[: abs(offset)])
        ends = [rows[offset:], nothing] if offset > 0 else [nothing, rows[:offset]]
        shifted.append(xp.concatenate(ends)[: len(rows)])
    return _largest(shifted)


def _total_below(rows):
    """At every row but the last, the sum of all finer ones."""
    xp = rows.__array_namespace__()
    return xp.flip(xp.cumsum(xp.flip(rows, 0), axis=0), 0)[1:]


def _largest(arrays):
    xp = arrays[0].__array_namespace__()
    most = arrays[0]
    for a in arrays[1:]:
        most = xp.maximum(most, a)
    return most


def _known(rows):
    """The rows with 0 for what is not finite."""
    xp = rows.__array_namespace__()
    return xp.where(xp.isfinite(rows), rows, 0.0)

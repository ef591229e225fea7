"""Divided differences of any scalar function, accurate at any distance of the nodes.

For nodes x₀ <= ... <= x_k there are two formulas,

    f[x₀..x_k] = (f[x₁..x_k] - f[x₀..x_{k-1}]) / (x_k - x₀)               the recursion, and
    f[x₀..x_k] = (1/k!) E f^(k)(Σ t_i x_i),  t uniform on the simplex      (Hermite-Genocchi).

The recursion loses eps / gap; the integral does not care how close the nodes are, and converges as
long as f is smooth at the scale of their hull. Which one holds depends on f, whose scale and
singularities nobody tells us, so each difference takes the formula with the smaller error bound:
the recursion knows its rounding error, from eps (|f| + |x f'|), and the integral sees its truncation
error in the decay of the Chebyshev coefficients of f', ..., f^(k) on the hull, and in what their
series makes of the known values at its ends, where a singularity may hide from all points. No gap is
compared with a tolerance.

The integral needs no cubature. With f^(k) = Σ c_m T_m(ξ) on the hull, ξ in [-1, 1], the mean of a
monomial over the simplex is a complete homogeneous symmetric polynomial of the nodes,
E (Σ t_i ξ_i)^r = h_r(ξ₀..ξ_k) / C(r + k, k), and the c_m depend on the two end nodes alone.

Sources: de Boor, Divided Differences, Surveys in Approximation Theory 1 (2005); Higham, Functions of
Matrices (2008), appendix B.16.
"""

from functools import cache
from math import comb, factorial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_POINTS = 12
_PARTS = 8  # of the rows of first differences: what is held of them at once is an eighth
_KINK = 1000  # times the rounding error of f^(k): what does not decay and is larger is a kink


class DividedDifferences:
    """f[x_{i₀}, ..., x_{i_k}] over ascending nodes x, for k up to `order`."""

    def __init__(self, f, x, order: int):
        self.x, self.f = x, jax.vmap(f)(x)
        self.rounding = jnp.finfo(x.dtype).eps * (jnp.abs(self.f) + _movement(f, x))
        self.derivatives = [f := _derivative(f) for _ in range(order)]
        self.ends = [jax.vmap(f)(x) for f in self.derivatives]
        i = jnp.arange(len(x))
        # Of higher orders many differences share a hull.
        self.table = [*self._on_hulls(i[:, None], i[None, :])] if order > 1 else None

    def __call__(self, *indices):
        """The differences at index arrays of one shape, in any order."""
        s = jnp.sort(jnp.stack(jnp.broadcast_arrays(*indices)), 0)
        return self._of_sorted(s) if self.table else _row_by_row(self._of_sorted, s)

    def _of_sorted(self, s):
        value = [self.f[i] for i in s]
        error = [self.rounding[i] for i in s]
        for k in range(1, len(s)):
            windows = [s[p : p + k + 1] for p in range(len(s) - k)]
            value, error = zip(
                *(
                    self._difference(w, value[p : p + 2], error[p : p + 2])
                    for p, w in enumerate(windows)
                ),
                strict=True,
            )
        # log has a derivative at -1, but no value: a function has none where it is not defined.
        return jnp.where(jnp.isnan(self.f)[s].any(0), jnp.nan, value[0])

    def _difference(self, s, value, error):
        k, gap = len(s) - 1, self.x[s[-1]] - self.x[s[0]]
        safe = jnp.where(gap > 0, gap, 1.0)
        recursion = (value[1] - value[0]) / safe.astype(value[0].dtype)
        rounding = jnp.where(gap > 0, (error[0] + error[1]) / safe, jnp.inf)
        coefficients, truncation = self._on_hull(k, s[0], s[-1])
        position = [2 * (self.x[i] - self.x[s[0]]) / safe - 1 for i in s[1:-1]]
        means = _chebyshev_means(position, k, gap).astype(coefficients.dtype)
        integral = (coefficients * means).sum(-1) / factorial(k)
        rounding, truncation = (jnp.where(jnp.isnan(e), jnp.inf, e) for e in (rounding, truncation))
        better = rounding < truncation
        return jnp.where(better, recursion, integral), jnp.where(better, rounding, truncation)

    def _on_hull(self, k, i, j):
        if self.table:
            return (x[i, j] for x in self.table[k - 1])
        return next(self._on_hulls(i, j))

    def _on_hulls(self, i, j):
        """For k = 1, 2, ... the Chebyshev coefficients of f^(k) on [x_i, x_j], i <= j, and their error.

        A tail that does not decay at some order j spoils every higher one, by gap^{j-k}: a kink in f is
        invisible to its second derivative, but not to its first, and a jump is invisible to both, but
        not to the difference of the values. Rounding is no kink. It is eps of the size that f^(j) has
        nearby, not only on the hull, where f^(j) may vanish: about √|f^(j-1) f^(j+1)|.
        """
        x, eps = self.x, jnp.finfo(self.x.dtype).eps
        nodes, transform = _chebyshev(x.dtype.name)
        gap = x[j] - x[i]
        half = jnp.abs(gap) / 2
        nodes = nodes.reshape((1,) * half.ndim + (-1,))
        points = (x[i] + x[j])[..., None] / 2 + half[..., None] * nodes
        samples = [jax.vmap(f)(points.reshape(-1)).reshape(points.shape) for f in self.derivatives]
        sizes = [_larger(jnp.abs(self.f), i, j), *(jnp.abs(y).max(-1) for y in samples)]
        spoiled = jnp.zeros_like(half)
        for k, (y, ends) in enumerate(zip(samples, self.ends, strict=True), 1):
            c = jnp.einsum("mq,...q->...m", transform.astype(y.dtype), y, precision="highest")
            if k == 1:
                jump = _jump(c, self.f[j] - self.f[i], gap)
                spoiled = _spoil(spoiled, jump, _larger(self.rounding, i, j), half)
            tail = jnp.abs(c[..., -1]) + jnp.abs(c[..., -2])
            tail = jnp.maximum(tail, _missed(c, ends[i], ends[j]))
            last = k == len(samples)
            around = 0.0 if last else jnp.sqrt(sizes[k - 1]) * jnp.sqrt(sizes[k + 1])
            rounding = eps * jnp.maximum(sizes[k], around)
            yield c, spoiled + tail + rounding
            spoiled = _spoil(spoiled, tail, rounding, half)


def _row_by_row(function, s):
    """function(s), s (2, rows, columns), an eighth of the rows at a time, for the memory's sake."""
    return lax.map(function, jnp.moveaxis(s, 1, 0), batch_size=-(-s.shape[1] // _PARTS))


def _spoil(spoiled, tail, rounding, half):
    """What a tail, if it is not rounding, makes uncertain in the next derivative."""
    spoiled = spoiled + jnp.where(tail > _KINK * rounding, tail, 0.0)
    return jnp.where(spoiled > 0, spoiled / half, 0.0)


def _larger(x, i, j):
    return jnp.maximum(x[i], x[j])


def _jump(c, difference, gap):
    """How far the integral of f' over a hull is from the difference of f at its ends."""
    means = 1 / (1 - np.arange(0, _POINTS, 2) ** 2)  # of T_0, T_2, ... over [-1, 1]
    mean = jnp.einsum("...m,m->...", c[..., ::2], means.astype(c.dtype.name), precision="highest")
    return jnp.abs(difference - gap.astype(mean.dtype) * mean)


def _missed(c, left, right):
    """How far the series at the ends of a hull are from the values there."""
    even, odd = c[..., ::2].sum(-1), c[..., 1::2].sum(-1)
    return jnp.maximum(jnp.abs(even - odd - left), jnp.abs(even + odd - right))


def _movement(f, x):
    """|x f'(x)|: how far f moves with the rounding of x, in eps. It is all of f's error at a zero."""
    return jnp.where(x == 0, 0.0, jnp.abs(x) * jnp.abs(jax.vmap(_derivative(f))(x)))


def _derivative(f):
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def _chebyshev_means(position, k, gap):
    """E T_m(Σ t_i ξ_i), m < _POINTS, over the simplex with nodes -1, 1 and `position`."""
    dtype = gap.dtype
    h = [jnp.full_like(gap, r % 2 == 0) for r in range(_POINTS)]  # of the two ends
    for node in position:
        for r in range(1, _POINTS):
            h[r] = h[r] + node * h[r - 1]
    moments = jnp.stack([h[r] / comb(r + k, k) for r in range(_POINTS)], -1)
    monomials = jnp.asarray(_monomials(), dtype)
    return jnp.einsum("...r,mr->...m", moments, monomials, precision="highest")


@cache
def _chebyshev(dtype):
    """The points of the first kind, and the matrix from samples there to coefficients."""
    angle = (2 * np.arange(_POINTS) + 1) * np.pi / (2 * _POINTS)
    transform = 2 / _POINTS * np.cos(np.arange(_POINTS)[:, None] * angle)
    transform[0] /= 2
    return np.cos(angle).astype(dtype), transform.astype(dtype)


@cache
def _monomials():
    """Row m: the coefficients of T_m in powers of x."""
    return np.stack(
        [
            np.pad(np.polynomial.chebyshev.cheb2poly(row[: m + 1]), (0, _POINTS - m - 1))
            for m, row in enumerate(np.eye(_POINTS))
        ]
    )

"""The numerical radius: how far the values xᴴ A x of unit vectors reach.

    w(A) = max_θ λ_max(H(θ)),    H(θ) = (e^{iθ} A + e^{-iθ} Aᴴ)/2.

h(θ) = λ_max(H(θ)) is the support function of a convex set, the numerical range, so h + h'' >= 0: on a
grid of spacing δ no maximum is higher than the grid's largest value over cos(δ/2), and the few
largest local maxima are refined by ever finer grids.

θ* is then a constant. One step of Newton's method, θ = θ* - h'(θ*)/h''(θ*), makes it the function of
A that it is, to first order, so that h(θ; A) is w(A) to third: h is flat in θ. h itself is a largest
eigenvalue (`_largest_sum`), with its derivatives in θ and A. Where h'' is 0, or λ_max repeats and h''
is not known, θ stays where it is: h(θ*; A) has a subgradient of w(A), and no second derivative is right.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._check import hermitian_part, square
from ..._core._evaluate import evaluate
from ..._core._potential import derivative
from ..._core._power_of_two import size
from ..._core._shapes import Scalar, Square
from ._euclidean import entries, euclidean
from ._largest_sum import LargestSum

_GRID, _CANDIDATES, _ZOOM, _ROUNDS = 64, 4, 9, 12


def numerical_radius(A: Square) -> Scalar:
    """w(A) = max |xᴴ A x| over unit vectors x.

    Identity: D w(A)[E] = Re e^{iθ} xᴴ E x at the maximum.

    Args:
      A: (..., n, n), real or complex; integers are promoted.

    Returns:
      (...), real; ‖A‖/2 <= w(A) <= ‖A‖. Where several x or θ reach it, the gradient is a
      subgradient, 0 at A = 0; derivatives of it are NaN where λ_max repeats and where h''(θ) = 0, as
      on a disk.

    Errors: a few eps ‖A‖ in the value and eps over the gap of λ_max in the gradient. Of maxima that
      differ by less than 0.1 per cent, four are compared.

    Cost: 500 eigenvalue decompositions; a derivative a few more. Derivatives of order four and more are
    not exact. Source: Horn and Johnson, Topics in Matrix Analysis (1991), 1.5; Mengi and Overton, IMA
    J. Numer. Anal. 25 (2005) 648.
    """
    A = square(A, "numerical_radius")
    if A.shape[-1] == 0:
        return jnp.zeros_like(A.real, shape=A.shape[:-2])
    A = A.astype(np.result_type(A.dtype, "complex64"))
    unit = size(lax.stop_gradient(A))
    zero = (A == 0).all((-2, -1))
    radius = unit[..., 0, 0].real * _radius(A / unit)
    return jnp.where(zero, euclidean(entries(A)), radius)


def _radius(A):
    best = jnp.vectorize(lambda A: evaluate(_best_angle, A)[0], signature="(n,n)->()")
    fixed = lax.stop_gradient(A)
    angle = best(fixed)
    # From half of the digits to most, where Newton's step may have no h'' to divide by: as h + h'' >= 0,
    # this one is no longer than his. It is his for multiples of I.
    angle = angle + jnp.arctan2(_slope(fixed, angle), _reach(fixed, angle))
    bend = _bend(fixed, angle)
    defined = jnp.abs(bend) > _GRID * jnp.finfo(angle.dtype).eps * jnp.abs(_reach(fixed, angle))
    return _reach(A, angle - jnp.where(defined, *_steps(A, angle, defined)))


def _steps(A, angle, defined):
    """Newton's step, and no step: 0, with the gradient 0 and no second derivative.

    Each is taken of constants where the other is wanted, since 0 times its NaN would be NaN.
    """
    simple = jnp.broadcast_to(jnp.diag(jnp.arange(1, A.shape[-1] + 1)).astype(A.dtype), A.shape)
    regular, turn = jnp.where(defined[..., None, None], A, simple), jnp.where(defined, angle, 0)
    newton = _slope(regular, turn) / _bend(regular, turn)
    moved = jnp.where(defined[..., None, None], 1, A - lax.stop_gradient(A))
    return newton, euclidean(entries(moved))


def _rotated(A, angle):
    """H(θ)."""
    return hermitian_part(lax.complex(jnp.cos(angle), jnp.sin(angle))[..., None, None] * A)


def _reach(A, angle):
    """h(θ)."""
    return derivative(LargestSum(1), _rotated(A, angle), dual=None).real


def _along_angle(f):
    return lambda A, angle: jax.jvp(lambda t: f(A, t), (angle,), (jnp.ones_like(angle),))[1]


_slope = _along_angle(_reach)
_bend = _along_angle(_slope)


def _best_angle(A):
    """The θ of the largest h, to half of the digits or better."""
    finite = jnp.isfinite(A).all()
    A = jnp.where(finite, A, jnp.zeros_like(A))
    real = jnp.finfo(A.dtype).dtype

    def reach(angles):
        return jnp.linalg.eigvalsh(jax.vmap(_rotated, (None, 0))(A, angles))[:, -1]

    spacing = 2 * np.pi / _GRID
    values = reach(jnp.arange(_GRID, dtype=real) * spacing)
    peak = (values >= jnp.roll(values, 1)) & (values >= jnp.roll(values, -1))
    _, start = lax.top_k(jnp.where(peak, values, -jnp.inf), _CANDIDATES)
    offsets = jnp.linspace(-1, 1, _ZOOM, dtype=real)

    def zoom(i, centres):
        width = spacing * 0.25 ** i.astype(real)
        angles = centres[:, None] + width * offsets[None, :]
        best = jnp.argmax(reach(angles.reshape(-1)).reshape(angles.shape), 1)
        return jnp.take_along_axis(angles, best[:, None], 1)[:, 0]

    centres = lax.fori_loop(0, _ROUNDS, zoom, start.astype(real) * spacing)
    return (jnp.where(finite, centres[jnp.argmax(reach(centres))], jnp.nan),)

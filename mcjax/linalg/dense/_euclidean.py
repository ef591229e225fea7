"""The length of a vector, Euclid's and others, with a subgradient at zero.

Φ(x) = (Σ |x|^p)^{1/p}; at p = 2 the gradient is x/Φ(x) and the Hessian (I - x xᵀ/Φ²)/Φ. At x = 0 it has
no derivative; every vector of (dual) length at most 1 is a subgradient, and 0 is the one that makes the
derivative of any smooth function of Φ² right. Its own derivative does not exist there: NaN.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..._core._potential import derivative
from ..._core._power_of_two import nearest


def euclidean(x: Array) -> Array:
    """√(Σ |x|²) over the last axis, without over- or underflow."""
    return length(x, 2)


def entries(A: Array) -> Array:
    """The entries of each matrix as one vector."""
    return A.reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1])


def length(x: Array, p: float) -> Array:
    """(Σ |x|^p)^{1/p} over the last axis, without over- or underflow."""
    return _Length(1, float(p)).of(x[..., None, :])


@dataclass(frozen=True)
class Norm:
    """Φ(A) of real or complex A, (..., rows, n), by a `value` that JAX differentiates; 0 at 0 alone."""

    rows: int
    loops_on_data = False

    def value(self, A) -> Array:
        raise NotImplementedError

    def of(self, A):
        parts = [A.real, A.imag] if jnp.iscomplexobj(A) else [A]
        return derivative(self, jnp.concatenate(parts, -2), dual=None)

    def derivative(self, point, directions, slots, dual):
        (x,) = point
        if directions and dual is None:
            # The gradient's, along the last: two directions of length 1 over the size of x may overflow.
            *others, last = directions
            return (self.derivative(point, others, slots[:-1], 0) * last).sum((-2, -1))
        form = self._of_parts
        for d in directions:
            form = _along(form, d)
        if dual is not None:
            form = jax.grad(lambda x, form=form: form(x).sum())
        undefined = len(directions) + (dual is not None) > 1
        zero = (x == 0).all((-2, -1), keepdims=dual is not None)
        return jnp.where(zero, jnp.nan if undefined else 0.0, form(x))

    def _of_parts(self, x):
        real, k = x.shape[-2] == self.rows, self.rows
        return self.value(x if real else lax.complex(x[..., :k, :], x[..., k:, :]))


@dataclass(frozen=True)
class _Length(Norm):
    p: float

    def value(self, A):
        largest = jnp.abs(lax.stop_gradient(A)).max((-2, -1), initial=0.0)
        # Whatever p is, powers of 1 are in range. Squares are of all that is near 1: no digit is lost.
        unit = nearest(largest) if self.p == 2 else largest
        unit = jnp.where((largest > 0) & jnp.isfinite(largest), unit, 1)
        # Each part by itself: an infinite one leaves the other as it is.
        parts = [x / unit[..., None, None] for x in (A.real, A.imag)]
        return unit * self._of_moderate(lax.complex(*parts) if jnp.iscomplexobj(A) else parts[0])

    def _of_moderate(self, A):
        if self.p == 2:  # moduli have no derivatives at 0
            return jnp.sqrt((A.real**2 + A.imag**2).sum((-2, -1)))
        return (jnp.abs(A) ** self.p).sum((-2, -1)) ** (1 / self.p)


def _along(form, d):
    return lambda x: jax.jvp(form, (x,), (d,))[1]

"""Which eigenvalues of a general matrix are one, to rounding, and whether that one is defective.

An error eps ‖A‖ of A moves a simple λ_j by κ_j eps ‖A‖, κ_j = ‖v_j‖ ‖w_j‖, and changes its derivative
v_j w_j by a part of about κ eps ‖A‖ over the distance g to another eigenvalue, κ the smaller of the two.
Where that part is more than eps^{1/3}, two thirds of the digits are gone: g <= eps^{2/3} κ ‖A‖. Such
pairs are a tie, and ties that touch are one multiplet.

A defective eigenvalue of m-th order is computed as m simple ones, eps^{1/m} apart, with κ of
1/eps^{1-1/m}; at m = 2 that is 1e8 in double precision. Ties of a diagonalisable matrix have moderate κ.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import norm

_UNSPLIT = 1e-3  # part of κ eps ‖A‖: rounding would have put it farther away


def conditions(W):
    """κ_j = ‖w_j‖ for columns v_j of length 1, (..., n)."""
    return jnp.sqrt(_square(W).sum(-1))


def _square(z):
    return z.real**2 + z.imag**2  # cheaper than `abs`, which guards against overflow


def multiplets(A, w, W):
    """Whether λ_i and λ_j belong to one multiplet, (..., n, n)."""
    gap, rounding = _gaps(A, w, W)
    near = gap <= float(jnp.finfo(gap.dtype).eps) ** (-1 / 3) * rounding
    n = w.shape[-1]
    near |= jnp.broadcast_to(jnp.eye(n, dtype=bool), near.shape)
    first = lax.broadcasted_iota("int32", w.shape, w.ndim - 1) + jnp.zeros_like(
        near[..., 0], "int32"
    )

    def spread(labels):
        return jnp.where(near, labels[..., None, :], n).min(-1, initial=n)

    def unfinished(state):
        return (state[0] != state[1]).any()

    labels, _ = lax.while_loop(
        unfinished, lambda s: (jnp.minimum(s[0], spread(s[0])), s[0]), (spread(first), first)
    )
    return labels[..., :, None] == labels[..., None, :]


def unsplit(A, w, W):
    """Whether a defective eigenvalue of A was found more than once, but not as rounding does, (...)."""
    gap, rounding = _gaps(A, w, W)
    n = w.shape[-1]
    other = ~jnp.eye(n, dtype=bool)
    close = (gap <= _UNSPLIT * rounding) & _large(conditions(W))[..., :, None]
    return (close & jnp.broadcast_to(other, close.shape)).any((-2, -1))


def is_defective(W, same):
    """Whether λ_j belongs to a multiplet with one eigenvector for several eigenvalues, (..., n)."""
    several = same.sum(-2) > 1
    return several & (same & _large(conditions(W))[..., None, :]).any(-1)


def _large(kappa):
    return ~(kappa < float(jnp.finfo(kappa.dtype).eps) ** (-3 / 8))


def _gaps(A, w, W):
    """|λ_i - λ_j| and what eps ‖A‖ makes of it, (..., n, n)."""
    kappa = conditions(W)
    kappa = jnp.where(jnp.isnan(kappa), jnp.inf, kappa)
    least = jnp.minimum(kappa[..., :, None], kappa[..., None, :])
    gap = jnp.abs(w[..., :, None] - w[..., None, :])
    return gap, float(jnp.finfo(kappa.dtype).eps) * norm(A) * least

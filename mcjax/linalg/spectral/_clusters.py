"""Which eigenvalues are equal, and what may then be asked of their derivatives.

A derivative through a gap g answers an error eps ‖A‖ of the data with the relative error
eps ‖A‖ / g. At g <= eps^{2/3} ‖A‖ (4e-11 in double, 2e-5 in single precision) two thirds of the digits
are gone: such neighbours are a tie, and ties that touch are one cluster.

What is left of a derivative at a tie (T = Vᴴ E V, c a cluster; sk X = (X - Xᴴ)/2):

    along E            exists if T_cc is a multiple of I: then no basis of the cluster is better;
    of a loss(w, V)    exists if (a) sk(Vᴴ V̄)_cc = 0: turning the basis does not change the loss,
                       and (b) w̄ is constant on c: neither does exchanging eigenvalues

(Magnus 1985; Kasim 2020, arXiv 2011.04366, for (a); Lewis 1996 for (b)). Both can be told from
rounding only against the size of the cotangent itself. What is off the diagonal would be divided by
a gap, and may be rounding alone, 100 n eps times that size. What is on it is not divided: a violation
that passes is an error of that size. A smooth loss Σ f(λ_i) has w̄_i - w̄_j = f''(λ_i - λ_j), and f' may
be small where f'' is not: a spread of 1e5 times that of λ, relative to both sizes, passes. At an exact
tie that is 1e5 n eps.
"""

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import row_minus_column

OFF = 100
SPREAD = 1e5


def labels(w):
    """The number of the cluster of every eigenvalue, w ascending."""
    least = jnp.finfo(w.dtype).eps ** (2 / 3) * _size(w)
    return numbered(w[..., 1:] - w[..., :-1] > least)[..., : w.shape[-1]]  # none of none


def numbered(apart):
    """Labels 0, 1, .. that go up where neighbours are apart."""
    return jnp.pad(jnp.cumsum(apart, -1), [(0, 0)] * (apart.ndim - 1) + [(1, 0)])


def any_tied(w):
    """Whether there is a cluster of several eigenvalues anywhere in a batch."""
    return (labels(w)[..., -1:] < w.shape[-1] - 1).any()


def tied(w):
    """Whether λ_i and λ_j belong to one cluster, (..., n, n)."""
    return together(labels(w))


def together(c):
    """Whether i and j have one label, (..., n, n)."""
    return c[..., :, None] == c[..., None, :]


def vanishing(s):
    """Whether σ_j belongs to one cluster with zero, s descending."""
    c = labels(-jnp.pad(s, [(0, 0)] * (s.ndim - 1) + [(0, 1)]))
    return c[..., :-1] == c[..., -1:]


def has_twin(same):
    """Whether there are others in the cluster of λ_j, (..., n)."""
    return same.sum(-2) > 1


def cluster_mean(d, same):
    """The mean of d over the cluster of every eigenvalue."""
    total = jnp.where(same, d[..., None, :], jnp.zeros((), d.dtype)).sum(-1)
    return total / same.sum(-1).astype(d.dtype)


def spread_violation(d, same):
    """For every j the distance of d_j from the mean of its cluster, relative to max |d|."""
    return relative(jnp.abs(d - cluster_mean(d, same)), _size(d))


def turn_violation(Y, size, same):
    """For every j how much a loss changes as v_j turns within its cluster, from Y = Vᵀ V̄, size ‖V̄‖."""
    return relative(jnp.abs(inside(Y - Y.mT.conj(), same)).max(-2, initial=0.0), size[..., 0])


def broken(off, spread, alike, same):
    """Whether the violations of any member of j's cluster are more than rounding, (..., n).

    `alike` is the spread of the eigenvalues themselves.
    """
    rounding = same.shape[-1] * jnp.finfo(alike.dtype).eps
    bad = (off > OFF * rounding) | (spread > SPREAD * (rounding + alike))
    return (same & bad[..., :, None]).any(-2)


def poison(tie, audit, like):
    """NaN where audit() says that a derivative does not exist, to be added to it; without a tie, 0."""
    bad = lambda: jnp.where(audit(), jnp.nan, 0).astype(like.dtype)  # noqa: E731
    return lax.cond(tie, bad, lambda: jnp.zeros_like(like, shape=like.shape[:-1]))


def inside(X, same):
    """X with what belongs to no cluster of several eigenvalues, or is on the diagonal, left out."""
    return jnp.where(same & (row_minus_column(X) != 0), X, jnp.zeros((), X.dtype))


def _size(d):
    return jnp.abs(d).max(-1, keepdims=True, initial=0.0)


def relative(x, scale):
    """x over the scale, where there is one."""
    return x / jnp.where(scale > 0, scale, 1)

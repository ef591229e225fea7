"""Extreme eigenpairs of S x = ν x by block Lanczos with thick restarts.

    S = A,    B⁻¹ A,    or (A - σ B)⁻¹ B with ν = 1/(λ - σ):     self-adjoint in <x, y> = xᴴ B y.

The basis Q, B-orthonormal, grows by blocks: the next is what is left of S times the last, after all
of Q is taken out of it, twice. Rayleigh and Ritz: eigenpairs (θ, y) of H = Qᴴ B S Q give ν = θ, v = Q y.
A basis that is full is replaced by its best vectors, and the last block goes on from there (Wu and
Simon 2000). S Q = Q H + R L, with R what S leaves of a block outside the basis and L (`link`) zero but
for one block, or, after a restart, the last rows of the y; R L y is the residual. Errors of S are
eps times its condition, and of rank one where one eigenvalue is far larger than the others. So both
triangles of H are computed: in the mean of H and Hᴴ such errors do not turn the other eigenvectors; in
one triangle, mirrored, they do.

A block has one vector more than there are pairs wanted. A single vector would miss repeated
eigenvalues: its Krylov space holds one vector of each. The one more tells whether the last pair wanted
is tied to one that is not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul
from ..._core._power_of_two import nearest


class Pencil(NamedTuple):
    """X ↦ A X, B X and T X, T an inverse of A - σB, or of B; None: the identity, or not shifted."""

    A: Callable
    B: Callable
    T: Callable | None
    sigma: jax.Array | None

    def S(self, X):
        return self.solve(self._unsolved(X))

    def rough(self, X):
        """S X without refinement."""
        return self.S(X) if self.T is None else self.T(self._unsolved(X))

    def _unsolved(self, X):
        return self.A(X) if self.sigma is None else self.B(X)

    def solve(self, X):
        """T X, and one step of refinement."""
        if self.T is None:
            return X
        Y = self.T(X)
        MY = self.B(Y)
        if self.sigma is not None:
            MY = self.A(Y) - self.sigma.astype(Y.dtype) * MY
        return Y + self.T(X - MY)

    def size(self, X):
        """‖x‖_B of every column."""
        X, unit = in_units(X)
        return unit * jnp.sqrt(jnp.maximum(inner(X, self.B(X)), 0))

    def project(self, X, Q):
        """Qᴴ B X."""
        return matmul(Q.mT.conj(), self.B(X))


class Ritz(NamedTuple):
    nu: jax.Array  # all that a restart keeps, the best first
    X: jax.Array
    scale: jax.Array  # ‖S‖, from inside
    residual: jax.Array  # ‖S x - ν x‖_B of the first: those wanted and, where n allows, one more


@dataclass(frozen=True)
class Lanczos:
    k: int
    which: str
    tol: float
    maxiter: int

    def __call__(self, pencil: Pencil, start) -> Ritz:
        """The best pairs from a block (n, p) of start vectors, p = min(k + 1, n)."""
        n, p = start.shape
        length = 2 * p + self.products
        return self._restarted(pencil, start, length) if length < n else self._whole(pencil, start)

    @property
    def products(self):
        """The vectors that a cycle adds to those kept."""
        p = self.k + 1
        return p * max(4, -(-24 // p))

    def _restarted(self, pencil, start, length):
        n, p = start.shape
        kept = 2 * p
        # Of the varying type of the start, as a loop wants it (zeros of a shape alone are not).
        Q = jnp.zeros_like(start, shape=(n, length))
        H = jnp.zeros_like(start, shape=(length, length))
        random, unit = scattered((n, p), start.dtype), jnp.eye(p, dtype=start.dtype)

        def grow(i, state):
            Q, H, rest, link, seed = state
            F = orthonormalised(pencil, rest, Q, jnp.roll(random, seed, 0))
            H = lax.dynamic_update_slice_in_dim(H, matmul(pencil.project(rest, F), link), i * p, 0)
            Q = lax.dynamic_update_slice_in_dim(Q, F, i * p, 1)
            W = pencil.S(F)
            h = pencil.project(W, Q)
            rest = W - matmul(Q, h)
            more = pencil.project(rest, Q)
            rest, h = rest - matmul(Q, more), h + more
            H = lax.dynamic_update_slice_in_dim(H, h, i * p, 1)
            link = lax.dynamic_update_slice_in_dim(0 * link, unit, i * p, 1)
            return Q, H, rest, link, seed + 1

        def cycle(state):
            *state, first, count, _ = state
            Q, H, rest, link, seed = lax.fori_loop(first, length // p, grow, tuple(state))
            theta, Y = self._ordered(H)
            Y = Y[:, :kept]
            X = matmul(Q, Y)
            residual = pencil.size(matmul(rest, Y[-p:, :p]))
            ritz = Ritz(theta[:kept], X, jnp.abs(theta).max(), residual)
            Q = jnp.zeros_like(Q).at[:, :kept].set(X)
            H = jnp.diag(jnp.where(jnp.arange(length) < kept, theta, 0)).astype(H.dtype)
            link = jnp.zeros_like(link).at[:, :kept].set(Y[-p:])
            return Q, H, rest, link, seed, jnp.full_like(first, kept // p), count + 1, ritz

        def unfinished(state):
            *_, count, ritz = state
            return (count < self.maxiter) & ~self.good(ritz).all() & ~jnp.isnan(ritz.scale)

        zeros = jnp.zeros_like(start[0].real)
        zero = jnp.zeros_like(start[0, 0], dtype="int32")
        none = Ritz(jnp.tile(zeros, 2), jnp.tile(start, 2), zeros[0], zeros + jnp.inf)
        state = (Q, H, start, H[:p], zero + 1, zero, zero, none)
        return lax.while_loop(unfinished, cycle, state)[-1]

    def good(self, ritz):
        """Which of the pairs wanted have converged."""
        return ritz.residual[: self.k] <= self.tol * ritz.scale

    def _whole(self, pencil, start):
        """By a basis of the whole space."""
        n, p = start.shape
        unit = jnp.eye(n, dtype=start.dtype) + 0 * start[0, 0]
        L = jnp.linalg.cholesky(pencil.B(unit))
        Q = lax.linalg.triangular_solve(L, unit, left_side=True, lower=True).mT.conj()
        theta, Y = self._ordered(pencil.project(pencil.S(Q), Q))
        X = matmul(Q, Y[:, : 2 * p])
        return Ritz(theta[: 2 * p], X, jnp.abs(theta).max(), jnp.zeros_like(theta[:p]))

    def _ordered(self, H):
        """Eigenpairs of H, the wanted first; NaN for one that is not finite."""
        H = (H + H.mT.conj()) / 2
        finite = jnp.isfinite(H).all()
        theta, Y = jnp.linalg.eigh(jnp.where(finite, H, 0))
        order = jnp.argsort({"LA": -theta, "SA": theta, "LM": -jnp.abs(theta)}[self.which])
        nan = jnp.where(finite, 1, jnp.nan).astype(theta.dtype)
        return theta[order] * nan, Y[:, order] * nan.astype(Y.dtype)


def orthonormalised(pencil, F, Q, noise):
    """A B-orthonormal basis of the columns of F, outside Q; noise takes the place of what is missing.

    Columns are scaled, cleared of Q and turned by the eigenvectors of their Gram matrix (Stathopoulos
    and Wu 2002). That squares the condition number, so it takes three passes to be sure.
    """
    eps = jnp.finfo(F.dtype).eps

    def once(_, state):
        F, least = state
        size = pencil.size(F)
        missing = ~(size > least)
        F = jnp.where(missing[None], noise, scaled(F, 1 / jnp.where(missing, 1, size)))
        F = F - matmul(Q, pencil.project(F, Q))
        G = pencil.project(F, F)
        finite = jnp.isfinite(G).all()
        _, U = jnp.linalg.eigh(jnp.where(finite, (G + G.mT.conj()) / 2, 0))
        return matmul(F, U), jnp.full_like(least, 4 * eps)

    F, _ = lax.fori_loop(0, 3, once, (F, eps * pencil.size(F).max()))
    return scaled(F, 1 / pencil.size(F))


def scattered(shape, dtype):
    """Entries without a pattern, of variance one. (A random generator takes a second to compile.)"""
    i, j = (lax.broadcasted_iota(jnp.finfo(dtype).dtype, shape, axis) + 1 for axis in (0, 1))
    return (2**0.5 * jnp.cos((0.7 * i + 1.9 * j) * i)).astype(dtype)


def scaled(X, d):
    """X diag(d)."""
    return X * d[None].astype(X.dtype)


def in_units(X):
    """X and powers of two, units of its columns in which their largest entries are about 1."""
    unit = nearest(jnp.abs(X).max(0))
    return scaled(X, 1 / unit), unit


def inner(X, Y):
    """Re xᴴ y of every pair of columns."""
    return (X.conj() * Y).sum(0).real

"""A = (V G) T (V G)ᴴ, T upper triangular, for an equation that is then solved column by column.

V is unitary, and real for a real A, so that the products with it are real ones. Vᵀ A V of a real A has
a block of two for each pair of conjugate eigenvalues,

    [[a, b], [c, d]] (β, φγ) = λ (β, φγ),     β² = |b| / (|b| + |c|),  β b > 0,  β² + γ² = 1,
    φ = cos θ + i sin θ,     cos θ = (d - a) / (2 √|b c|),

and G is unitary and made of the blocks [[β, -φ̄γ], [φγ, β]].

On CPUs V is LAPACK's, with a = d. No GPU has a Schur form. There eigenvectors are computed, to backward
stability even where they are nearly parallel. With them as columns, Re v and Im v for a pair, QR makes V,
and Vᴴ A V = R Λ R⁻¹ has that shape up to eps times their condition.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._conjugate_pairs import conjugate_pairs
from ..._core._matmul import matmul, row_minus_column
from ._doubling import zero


class TriangularForm(NamedTuple):
    """V, T, and G: column j of X G is X_j on_j + X_partner(j) beside_j."""

    basis: jax.Array
    on: jax.Array
    beside: jax.Array
    partner: jax.Array
    triangle: jax.Array

    def turned(self, X):
        """X G."""
        X = as_complex(X)
        return X * self.on[None, :] + X[:, self.partner] * self.beside[None, :]

    def returned(self, X):
        """X Gᴴ."""
        on, beside = self.on.conj(), self.beside[self.partner].conj()
        return X * on[None, :] + X[:, self.partner] * beside[None, :]

    def transposed(self):
        """That of Aᵀ. With J reversing an order, J Tᵀ J is upper triangular."""
        return TriangularForm(
            self.basis[:, ::-1].conj(),
            self.on[::-1].conj(),
            self.beside[::-1].conj(),
            len(self.partner) - 1 - self.partner[::-1],
            flipped(self.triangle),
        )


def triangular_form(A) -> TriangularForm:
    """The form of one matrix."""
    V, R = lax.platform_dependent(A, cpu=_schur, default=_by_eigenvectors)
    n = len(A)
    if jnp.iscomplexobj(A):
        one = jnp.ones_like(R[0])
        return TriangularForm(V, one, 0 * one, zero(R[0].real) + jnp.arange(n), jnp.triu(R))
    first, second, on, beside, _ = conjugate_pairs(R)
    a, b, c = (jnp.diagonal(R, k) for k in (0, 1, -1))
    cosine = jnp.where(c == 0, 0, (a[1:] - a[:-1]) / 2 / _positive(_root(b) * _root(c)))
    cosine = jnp.clip(cosine, -1, 1)
    cosine = jnp.pad(cosine, (0, 1)) - jnp.pad(cosine, (1, 0))  # φ above, -φ̄ below
    beside = lax.complex(cosine * beside, jnp.sqrt(1 - cosine**2) * beside)
    partner = jnp.arange(n) + first.astype(int) - second.astype(int)
    form = TriangularForm(V, as_complex(on), beside, partner, as_complex(R))
    T = form.turned(form.turned(R).mT.conj()).mT.conj()
    return form._replace(triangle=jnp.triu(T))


def no_form(A) -> TriangularForm:
    """Zeros, where none is needed."""
    row, T = as_complex(A[0]) * 0, as_complex(A) * 0
    return TriangularForm(A * 0, row, row, zero(A[0]), T)


def _schur(A):
    R, V = lax.linalg.schur(A)
    return V, R


def _by_eigenvectors(A):
    values, X = jnp.linalg.eig(A)
    above = jnp.zeros(len(A), bool)
    if not jnp.iscomplexobj(A):
        above = values.imag > 0
        X = jnp.where(values.imag < 0, X.imag, X.real)
    V, _ = jnp.linalg.qr(X)
    R = matmul(matmul(V.mT.conj(), A), V)
    below = row_minus_column(R)
    return V, jnp.where((below <= 0) | ((below == 1) & above[None, :]), R, 0)


def as_complex(X):
    return X.astype(np.result_type(X.dtype, np.complex64))


def flipped(T):
    """J Tᵀ J."""
    return T[::-1, ::-1].mT


def _root(x):
    return jnp.sqrt(jnp.abs(x))


def _positive(x):
    return jnp.where(x > 0, x, 1)

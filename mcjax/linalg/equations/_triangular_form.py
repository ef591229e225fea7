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


class TriangularForm(NamedTuple):
    """V, T, and G: column j of X G is X_{j-1} before_j + X_j on_j + X_{j+1} after_j."""

    basis: jax.Array
    before: jax.Array
    on: jax.Array
    after: jax.Array
    triangle: jax.Array

    def turned(self, X):
        """X G."""
        return _beside(as_complex(X), self.before, self.on, self.after)

    def returned(self, X):
        """X Gᴴ."""
        before, after = jnp.roll(self.after, 1), jnp.roll(self.before, -1)
        return _beside(X, before.conj(), self.on.conj(), after.conj())

    def transposed(self):
        """That of Aᵀ. With J reversing an order, J Tᵀ J is upper triangular."""
        before, on, after = (x[::-1].conj() for x in (self.after, self.on, self.before))
        return TriangularForm(self.basis[:, ::-1].conj(), before, on, after, flipped(self.triangle))


def _beside(X, before, on, after):
    left, right = jnp.roll(X, 1, axis=1), jnp.roll(X, -1, axis=1)
    return left * before[None, :] + X * on[None, :] + right * after[None, :]


def triangular_form(A) -> TriangularForm:
    """The form of one matrix."""
    V, R = lax.platform_dependent(A, cpu=_schur, default=_by_eigenvectors)
    if jnp.iscomplexobj(A):
        on = jnp.ones_like(R[0])
        return TriangularForm(V, 0 * on, on, 0 * on, jnp.triu(R))
    first, second, on, beside, _ = conjugate_pairs(R)
    a, b, c = (jnp.diagonal(R, k) for k in (0, 1, -1))
    cosine = jnp.where(c == 0, 0, (a[1:] - a[:-1]) / 2 / _positive(_root(b) * _root(c)))
    cosine = jnp.clip(cosine, -1, 1)
    cosine = jnp.pad(cosine, (0, 1)) - jnp.pad(cosine, (1, 0))  # φ above, -φ̄ below
    beside = lax.complex(cosine * beside, jnp.sqrt(1 - cosine**2) * beside)
    before, after = (jnp.where(here, beside, 0) for here in (second, first))
    form = TriangularForm(V, before, as_complex(on), after, as_complex(R))
    T = form.turned(form.turned(R).mT.conj()).mT.conj()
    return form._replace(triangle=jnp.triu(T))


def no_form(A) -> TriangularForm:
    """Zeros, where none is needed."""
    row, T = as_complex(A[0]) * 0, as_complex(A) * 0
    return TriangularForm(A * 0, row, row, row, T)


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

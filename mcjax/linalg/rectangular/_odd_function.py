"""Odd functions of singular values, F(A) = U f(Σ) Vᴴ, as blocks of functions of Hermitian matrices.

For odd f the Hermitian matrix of Jordan and Wielandt, with eigenvalues ±σ and 0, gives

    f(H) = [ 0, F(A); F(A)ᴴ, 0 ],        H = [ 0, A; Aᴴ, 0 ].

So the derivatives of F are those of f(H) (`..functions._funm`), sums over divided differences of f at
±σ and 0, and exact at any order where singular values repeat or vanish. H need not be decomposed:
A = U Σ Vᴴ has its eigenvectors, (u, ±v)/√2 and those of the null spaces.

A first derivative is a formula in singular values and vectors (`_first_derivative`). For others H is
formed, but never of a tall A. F(Q B) = Q F(B) for Q with orthonormal columns, and A with its k
directions lies in a space of k + 1 times as many columns as A has, so all that is large is one
orthonormal basis of it. Wide A: F(Aᵀ) = F(A)ᵀ.

The potential. Let G' = f. On real A, Φ(A) = ½ tr G(H), whose gradient is F(A). For complex A the law
of `_core._potential` knows no conjugates, so A and B = Ā are two arguments, one above the other:
Φ(A; B) = tr G(H) with H = [0, A; Bᵀ, 0], and its gradient is the conjugate of F above F.

Sources: Horn and Johnson, Topics in Matrix Analysis (1991), section 3.0 (H); Noferini, A formula for
the Fréchet derivative of a generalized matrix function, SIAM J. Matrix Anal. Appl. 38 (2017) 434.
"""

from collections.abc import Callable
from functools import partial, reduce
from itertools import pairwise
from operator import or_

import jax.numpy as jnp

from ..._core._matmul import matmul
from ..._core._potential import derivative
from ..._core._power_of_two import size
from ..._core._shapes import Rectangle
from ..functions._funm import sum_over_paths


def odd_function(potential, A: Rectangle, *parameters) -> Rectangle:
    """F(A), for a potential whose open forms are `open_form`."""
    m, n = A.shape[-2:]
    if not A.size:
        return A
    if m < n:
        return odd_function(potential, A.mT, *parameters).mT
    if not jnp.iscomplexobj(A):
        return derivative(potential, A, *parameters)
    pair = jnp.concatenate([A, A.conj()], -2)
    return derivative(potential, pair, *parameters)[..., m:, :]


def open_form(values: Callable, differences: Callable, A, directions):
    """D^{k+1}Φ along k directions of A, the last one open.

    Args:
      values: σ ↦ f(σ), for descending σ >= 0.
      differences: (σ, x, k) ↦ the divided differences of f at the ascending eigenvalues x of H, up
        to order k, as a function of index arrays.
    """
    signature = ",".join(["(m,n)"] * (1 + len(directions))) + "->(m,n)"
    form = partial(_open_form, values, differences)
    return jnp.vectorize(form, signature=signature)(A, *directions)


def homogeneous_form(values: Callable, differences: Callable, A, directions, degree: int):
    """`open_form` of an f with f(c σ) = c^degree f(σ), so that F(A) = c^degree F(A/c).

    With A/c of size 1, products of directions of A's size do not leave the range of numbers.
    """
    if not directions:
        return open_form(values, differences, A, ())
    root = size(A, 2)
    A, *directions = (X / root / root for X in (A, *directions))
    form = open_form(values, differences, A, directions)
    return form * root**degree * root**degree


def _open_form(values, differences, A, *directions):
    finite = jnp.isfinite(A).all()
    A = jnp.where(finite, A, jnp.zeros_like(A))  # LAPACK loops on infinities
    A, *_ = _halves(A)
    pairs = [_halves(E) for E in directions]
    if len(pairs) == 1:
        X, Y = _first_derivative(differences, A, *pairs)
    else:
        X, Y = _derivative(differences, A, pairs) if pairs else _value(values, A)
    result = jnp.concatenate([Y, X]) if jnp.iscomplexobj(A) else X
    return jnp.where(finite, result, jnp.nan)


def _halves(A):
    """A and B of a pair; B = A for real matrices."""
    return jnp.split(A, 2) if jnp.iscomplexobj(A) else (A, A)


def _value(values, A):
    """F(A), and the transpose of F(A)'s counterpart in the lower block of f(H)."""
    U, s, Vh = jnp.linalg.svd(A, full_matrices=False)
    f = values(s)[None, :].astype(A.dtype)
    return matmul(U * f, Vh), matmul(U.conj() * f, Vh.conj())


def _first_derivative(differences, A, pair):
    """The blocks of D f(H)[[0, E; Fᵀ, 0]] as in `_derivative`, from n x n matrices and a thin SVD.

    With K = Uᴴ E V, L = Vᴴ Fᵀ U, D^±_ij = f[σ_i, ±σ_j] and d_j = f[σ_j, 0], the sum over the
    eigenvectors (u, ±v)/√2 and (u, 0) is

        U (D⁺ ∘ (K + L)/2 + D⁻ ∘ (K - L)/2) Vᴴ + (I - U Uᴴ) E V diag(d) Vᴴ.

    The other block is its like, of the conjugates of U and V, with F, Lᵀ and Kᵀ for E, K and L.
    """
    E, F = pair
    m, n = A.shape
    U, s, Vh = jnp.linalg.svd(A, full_matrices=False)
    x = jnp.concatenate([-s, jnp.zeros_like(s, shape=int(m > n)), s[::-1]])
    weight, j = differences(s, x, 1), jnp.arange(n)
    positive = len(x) - 1 - j
    plus, minus = (weight(positive[:, None], i[None, :]).astype(A.dtype) for i in (positive, j))
    null = weight(jnp.array([[n]]), positive[None, :]).astype(A.dtype) if m > n else None

    def block(U, Vh, EV, K, L):
        inner = (plus * (K + L) + minus * (K - L)) / 2
        if null is None:
            return matmul(matmul(U, inner), Vh)
        return matmul(matmul(U, inner - K * null) + EV * null, Vh)

    EV, FV = matmul(E, Vh.mT.conj()), matmul(F, Vh.mT)
    K, Lt = matmul(U.mT.conj(), EV), matmul(U.mT, FV)
    return block(U, Vh, EV, K, Lt.mT), block(U.conj(), Vh.conj(), FV, Lt, K.mT)


def _derivative(differences, A, pairs):
    """The upper right block of D^k f(H), and the transpose of the lower left one."""
    Q, A, pairs = _compress(A, pairs)
    s, x, V = _spectrum(A)
    weights = _of_coupled(differences(s, x, len(pairs)), *A.shape)
    X = sum_over_paths(weights, V, [_block(E, F) for E, F in pairs])
    m = len(A)
    X, Y = X[:m, m:], X[m:, :m].mT
    return (X, Y) if Q is None else (matmul(Q, X), matmul(Q.conj(), Y))


def _compress(A, pairs):
    """Q with orthonormal columns, and what A and the directions are in that basis; if A is tall."""
    columns = [A, *(E for E, _ in pairs)]
    if jnp.iscomplexobj(A):
        columns += [F.conj() for _, F in pairs]
    m, n = A.shape
    if m <= len(columns) * n:
        return None, A, pairs
    Q, _ = jnp.linalg.qr(jnp.concatenate(columns, 1))
    Qh, Qt = Q.mT.conj(), Q.mT
    return Q, matmul(Qh, A), [(matmul(Qh, E), matmul(Qt, F)) for E, F in pairs]


def _spectrum(A):
    """The singular values, and the ascending eigenvalues of H with their eigenvectors."""
    m, n = A.shape
    U, s, Vh = jnp.linalg.svd(A, full_matrices=True)
    zeros = jnp.zeros_like(s, shape=m - n)
    u, v, null = U[:, :n] * 0.5**0.5, Vh.mT.conj() * 0.5**0.5, U[:, n:]
    upper = jnp.concatenate([u, null, u[:, ::-1]], 1)
    lower = jnp.concatenate([-v, jnp.zeros_like(null, shape=(n, m - n)), v[:, ::-1]], 1)
    return s, jnp.concatenate([-s, zeros, s[::-1]]), jnp.concatenate([upper, lower])


def _of_coupled(weights, m, n):
    """No direction couples two vectors of the left null space, where f need have no derivative."""

    def weight(*indices):
        null = [(n <= i) & (i < m) for i in indices]
        uncoupled = reduce(or_, (a & b for a, b in pairwise(null)))
        return jnp.where(uncoupled, 0.0, weights(*indices))

    return weight


def _block(E, F):
    """[ 0, E; Fᵀ, 0 ]."""
    m, n = E.shape
    upper = jnp.concatenate([jnp.zeros_like(E, shape=(m, m)), E], 1)
    lower = jnp.concatenate([F.mT, jnp.zeros_like(E, shape=(n, n))], 1)
    return jnp.concatenate([upper, lower])

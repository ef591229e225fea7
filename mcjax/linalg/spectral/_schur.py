"""The Schur form A = Z T Zᴴ: which one. Its derivative is in `_block_schur`.

Complex form: a phase of each column of Z is free. It is fixed here, so that T and Z are functions of A:
the first entry of at least half the largest modulus of its column is positive.

Real forms of real A have no such choice. A pair of conjugate eigenvalues is a block of two,
[[a, b], [c, a]] with b c < 0, triangular in the basis of its eigenvector (b, λ - a). With `sort` the
wanted eigenvalues come first in the complex form, of which P = Z₁ Z₁ᴴ is real; its eigenvectors, for
the eigenvalues 1 and 0, are a real Z. Within such blocks Z is any orthonormal basis.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._check import square
from ..._core._conjugate_pairs import conjugate_pairs
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul, row_minus_column
from ..._core._shapes import Square
from ._block_schur import below, block_schur, evaluated
from ._decomposition import diagonal, embed
from ._ordered_schur import reordered

_REGIONS = {
    "lhp": lambda x: x.real < 0,
    "rhp": lambda x: x.real >= 0,
    "iuc": lambda x: jnp.abs(x) <= 1,
    "ouc": lambda x: jnp.abs(x) > 1,
}


def schur(A: Square, output: str = "real", *, sort: str | Callable | None = None):
    """The Schur form of a general matrix: SciPy's `schur`.

    Identity: A = Z T Zᴴ; with M = Zᴴ E Z, stril(L T - T L) = stril(M) for a strictly lower L, Ω = L - Lᴴ:
    D Z[E] = Z Ω, D T[E] = M + T Ω - Ω T; in the real forms below the blocks instead of the diagonal.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      output: "complex" for a triangular T; "real", of a real A, for a real one with blocks. A complex A
        has a complex form only.
      sort: which eigenvalues come first: "lhp" and "rhp" (Re λ < 0, >= 0), "iuc" and "ouc" (|λ| <= 1,
        > 1), or a function from arrays λ, or arrays (Re λ, Im λ) for a real form, to booleans.

    Returns:
      T, Z, (..., n, n), and with `sort` how many eigenvalues were chosen, (...). T is upper triangular,
      the first large entry of every column of Z positive. In real forms it is upper triangular but for
      blocks of two; sorted, [[T₁₁, T₁₂], [0, T₂₂]] with T₁₁ for the eigenvalues chosen, of which a
      conjugate pair is chosen whole, and without a shape of the blocks themselves.

      Derivatives of every order. Within the blocks of real forms they are those of a basis that turns no
      more than it must; a gradient of what depends on that basis is NaN. The complex form has
      derivatives where eigenvalues are distinct. A sorted real form needs those chosen to be distinct
      from the others, and nothing more; derivatives in which the choice changes do not exist, and are
      not noticed. Where rounding may move eigenvalues by eps^{1/3} of their distance, they are one:
      rows and columns of T and columns of Z that tell them apart have no derivative, nor losses that
      do: NaN. Losses alike in these eigenvalues have a gradient if their block of T is λ I; if it is
      defective, only losses of the rest have (`funm` and `riesz_projector` know more). NaN for a
      matrix that is not finite.

    Errors: eps ‖A‖ in T; eps ‖A‖ over the separation of T₁₁ and T₂₂ in a subspace and derivatives.
    Cost: LAPACK's; a derivative takes n passes over T and about 10 products, `sort` n passes more.
    CPU only, where JAX has a Schur form: `invariant_subspace` is for all devices.
    Source: Golub and Van Loan, Matrix Computations (2013), sections 7.1, 7.6; Stewart and Sun, Matrix
    Perturbation Theory (1990), V.2.
    """
    A = square(A, "schur")
    if output not in ("real", "complex"):
        raise ValueError(f"schur: output must be 'real' or 'complex', got {output!r}")
    if not (sort is None or callable(sort) or sort in _REGIONS):
        raise ValueError(f"schur: sort must be one of {(*_REGIONS,)} or a function, got {sort!r}")
    real = output == "real" and not jnp.iscomplexobj(A)
    form = _form if callable(sort) else _compiled_form  # a function may close over traced numbers
    T, Z, count = form(A if real else A.astype(np.result_type(A.dtype, np.complex64)), sort)
    return (T, Z) if sort is None else (T, Z, count)


def _form(A, sort):
    if not A.size:
        return A, A, jnp.zeros(A.shape[:-2], int)
    return _complex(A, sort) if jnp.iscomplexobj(A) else _real(A, sort)


_compiled_form = jax.jit(_form, static_argnames="sort")


def _complex(A, sort):
    T, Z = evaluate(_lapack, lax.stop_gradient(A))
    chosen = jnp.ones_like(A.real[..., 0], dtype=bool)
    if sort is not None:
        chosen = _chosen(sort, diagonal(T))
        T, Z = evaluated(reordered, "(n,n),(n,n),(n)->(n,n),(n,n)")(T, Z, chosen)
    ones = jnp.ones_like(A[..., 0])
    T, Z = block_schur(A, T, Z, embed(ones), jnp.broadcast_to(jnp.arange(A.shape[-1]), ones.shape))
    phase = _phases(Z)
    return T * phase * phase.mT.conj(), Z * phase, chosen.sum(-1)


def _phases(Z):
    """What makes the first large entry of each column of Z positive, (..., 1, n)."""
    moduli = lax.stop_gradient(jnp.abs(Z))
    row = jnp.argmax(moduli >= moduli.max(-2, keepdims=True) / 2, -2, keepdims=True)
    entry = jnp.take_along_axis(Z, row, -2).conj()
    return entry / jnp.abs(entry).astype(Z.dtype)


def _real(A, sort):
    T, Z = evaluate(_lapack, lax.stop_gradient(A))
    first, second, U, eigenvalues = _pairs(T)
    if sort is None:
        return *block_schur(A, T, Z, U, jnp.cumsum(~second, -1)), first.sum(-1)  # no choice
    chosen = _chosen(sort if sort in _REGIONS else lambda x: sort(x.real, x.imag), eigenvalues)
    chosen |= (first & jnp.roll(chosen, -1, -1)) | (second & jnp.roll(chosen, 1, -1))
    split = evaluated(_split, "(n,n),(n,n),(n,n),(n,n),(n)->(n,n),(n,n),(n,n),(n)")
    T, Z, U, blocks = split(lax.stop_gradient(A), T, Z, U, chosen)
    return *block_schur(A, T, Z, U, blocks), chosen.sum(-1)


def _lapack(A):
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    T, Z = lax.linalg.schur(jnp.where(finite, A, 0))
    return jnp.where(finite, T, jnp.nan), jnp.where(finite, Z, jnp.nan)


def _chosen(sort, eigenvalues):
    """The eigenvalues to come first, (..., n)."""
    choice = sort if callable(sort) else _REGIONS[sort]
    chosen = jnp.asarray(choice(eigenvalues))
    if chosen.shape != eigenvalues.shape or chosen.dtype != bool:
        raise ValueError(
            f"schur: sort must give booleans of the shape {eigenvalues.shape} of its argument, got "
            f"{chosen.dtype} of shape {chosen.shape}; write it for arrays, with jnp"
        )
    return chosen


def _pairs(T):
    """Where the pairs of a real T begin and end, a unitary U with Uᴴ T U triangular, and eigenvalues."""
    first, second, on, beside, eigenvalues = conjugate_pairs(T)
    beside = jnp.where(first, beside, 0)[..., :, None]
    off = jnp.where(row_minus_column(T) == -1, jnp.broadcast_to(beside, T.shape), 0)
    return first, second, lax.complex(embed(on), off + off.mT), eigenvalues


def _split(A, T, Z, U, chosen):
    """T and Z of the real form with two blocks, a unitary U that makes them triangular, and 0s and 1s."""
    W = matmul(Z.astype(U.dtype), U)
    W = reordered(matmul(matmul(U.mT.conj(), T.astype(U.dtype)), U), W, chosen)[1]
    blocks = (jnp.arange(len(A)) >= chosen.sum()).astype(int)
    leading = jnp.where(blocks[None, :] == 0, W, 0)
    _, V = jnp.linalg.eigh(matmul(leading, leading.mT.conj()).real)
    Z = V[:, ::-1]
    T = jnp.where(below(blocks), 0, matmul(matmul(Z.mT, A), Z))
    same = blocks[:, None] == blocks[None, :]
    return T, Z, jnp.where(same, matmul(Z.mT.astype(W.dtype), W), 0), blocks

"""A = Z T Zᴴ with T block upper triangular: its derivative, from the equation and never the algorithm.

Let c number the blocks along the diagonal. Differentiate, with Ω = Zᴴ Ż skew-Hermitian, M = Zᴴ Ȧ Z:

    Ṫ = M + T Ω - Ω T,     and below the blocks, where c_i > c_j,     Ṫ = 0.

Above the diagonal T adds nothing below it to what is above, so with L the part of Ω below the blocks

    (L T - T L)_ij = M_ij where c_i > c_j,    Ω = L - Lᴴ,                                          (*)

where an entry of L depends on those farther from the diagonal, if T is triangular: substitution, as in
Bartels and Stewart (1972), with all entries of a diagonal at once. If T is not, U of the same blocks makes
it so: L = U L' Uᴴ with T' = Uᴴ T U, M' = Uᴴ M U. Within the blocks Ω = 0: Z turns no more than it must.
Only differences of eigenvalues of different blocks divide. (*) is what JAX gets to see
(`custom_linear_solve`), so that this holds at every order.

Blocks that cannot be told apart are one. Rounding, an Ȧ of size eps ‖T‖, moves the eigenvalue t_i by
Ṫ_ii; where that is more than eps^{1/3} of t_i - t_j, two thirds of the digits of the derivative are gone
(`_clusters`; of a Jordan block of two, split by √eps, all are). In a merged block c the order of
eigenvalues and the basis are arbitrary, and what is left of derivatives depends on T_cc:

    T_cc = λ I        as for Hermitian matrices: along E if Ṫ_cc is a multiple of I, and of a loss(T, Z)
                      if T̄_cc is one, and turning Z within c does not change the loss;
    otherwise         a loss f(t₁) + f(t₂) at [[λ, b], [0, λ]] has a derivative f'' b that T̄_cc does not
                      show. So the derivatives that exist are those of the rest: Ṫ_cc, or T̄_cc, is 0.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._axes import align
from ..._core._evaluate import evaluate
from ..._core._matmul import matmul, norm, row_minus_column
from ._clusters import cluster_mean, together
from ._decomposition import diagonal, embed
from ._native import linear_pair, native_primitive, zero

_ROUNDING = 100  # times n eps and the size of what is compared
_SPREAD = 1000  # times the width of a merged block: what a smooth function makes of it
_SCALAR = 10  # times eps^{2/3} ‖T‖: T_cc - λ I below this is none


def block_schur(A, T, Z, U, wanted):
    """(T, Z), computed from A in any way, with their derivatives in A.

    U is unitary, and Uᴴ T U triangular; wanted, (..., n), numbers the blocks along the diagonal.
    """
    T, Z, U, wanted = lax.stop_gradient((T, Z, U, wanted))
    if not A.size:
        return T, Z
    blocks, merged, width = evaluated(_told_apart, "(n,n),(n,n),(n)->(n),(n),(n)")(T, U, wanted)
    return tuple(block_schur_p.bind(*align(A, T, Z, U, blocks, merged, width)))


def evaluated(function, signature):
    """A function of single matrices that has no derivative, over stacks."""
    return jnp.vectorize(lambda *args: tuple(evaluate(function, *args)), signature=signature)


block_schur_p = native_primitive("block_schur", lambda A, T, Z, *_: (T, Z))


def _jvp(primals, tangents):
    E, (*_, U, blocks, merged, width) = tangents[0], primals
    T, Z = block_schur_p.bind(*primals)
    if type(E) is ad.Zero:
        return (T, Z), tuple(map(zero, (T, Z)))
    M = matmul(matmul(Z.mT.conj(), E), Z)
    L = _turn(T, U, below(blocks), M)
    turn = L - L.mT.conj()
    moved = M + matmul(T, turn) - matmul(turn, T)
    moved = jnp.where(below(blocks), 0, moved)
    return (T, Z), audit_p.bind(moved, matmul(Z, turn), T, Z, blocks, merged, width)


ad.primitive_jvps[block_schur_p] = _jvp


def below(blocks):
    """Whether the block of a row is a later one than that of the column."""
    return blocks[..., :, None] > blocks[..., None, :]


def _turn(T, U, low, M):
    """L of (*), where `low`; 0 elsewhere."""
    part = lambda X: jnp.where(low, X, 0)  # noqa: E731
    U, triangle = lax.stop_gradient((U, matmul(matmul(U.mT.conj(), T.astype(U.dtype)), U)))

    def equations(L):
        L = part(L)
        return part(matmul(L, T) - matmul(T, L))

    def solve(U, transposed):
        def run(_, M):
            rhs = matmul(matmul(U.mT.conj(), part(M).astype(U.dtype)), U)
            L = _sweep(triangle, low, rhs, transposed=transposed)
            L = matmul(matmul(U, L), U.mT.conj())
            return part(L if jnp.iscomplexobj(M) else L.real)

        return run

    return lax.custom_linear_solve(equations, part(M), solve(U, False), solve(U.conj(), True))


def _sweep(T, low, M, *, transposed):
    """The L, where `low`, with (L T - T L)_ij = M_ij there; transposed, with Tᵀ in the place of T.

    An entry depends on those farther from the diagonal (if transposed, nearer): diagonal by diagonal.
    """
    S, under, index = T.mT if transposed else T, row_minus_column(T), jnp.arange(T.shape[-1])
    s, S_T = diagonal(S)[..., :, None], S.mT

    def step(L, d):
        rows = lambda X: jnp.take(X, index - d, X.ndim - 2, mode="clip")  # noqa: E731  j = i - d
        here = low & (under == d.astype(under.dtype))
        known = jnp.where(here, M, 0) + S * rows(L.mT) - L * rows(S_T)
        gap = jnp.where(here.any(-1, keepdims=True), rows(s) - s, 1)
        return jnp.where(here, known.sum(-1, keepdims=True) / gap, L), None

    return lax.scan(step, M * 0, index[1:], reverse=not transposed)[0]


def _told_apart(T, U, wanted):
    """The blocks that can be told apart, numbered; where several are one; how far it is from λ I."""
    T = jnp.triu(matmul(matmul(U.mT.conj(), T.astype(U.dtype)), U))
    n, eps = len(T), jnp.finfo(T.dtype).eps
    t, off = jnp.diagonal(T), row_minus_column(T) != 0
    gap, size = jnp.abs(t[:, None] - t[None, :]), norm(T)[0, 0] / n**0.5
    close = gap <= eps ** (2 / 3) * size
    moved = _rounded(T, eps * size, below(wanted) & ~close)
    close |= ~(moved[:, None] + moved[None, :] <= eps ** (1 / 3) * gap)
    blocks = _merged(close, wanted)
    same = blocks[:, None] == blocks[None, :]
    merged = (same & (wanted[:, None] != wanted[None, :])).any(1)
    rest = jnp.where(same & off, gap + jnp.abs(T) + jnp.abs(T.mT), 0)
    return blocks, merged, rest.max(1) / jnp.where(size > 0, size, 1)


def _rounded(T, size, low):
    """|Ṫ_ii| for an Ȧ with entries of one size, otherwise arbitrary."""
    i = jnp.arange(len(T), dtype=size.dtype)
    M = (size * jnp.cos((i[:, None] + 1) * (i[None, :] + 2) + i[:, None] ** 2)).astype(T.dtype)
    L = _sweep(T, low, M, transposed=False)
    return jnp.abs(jnp.diagonal(M + matmul(T, L) - matmul(L, T)))


def _merged(close, wanted):
    """Blocks wanted, those between two that are close made one with them."""
    i = jnp.arange(len(wanted))
    until = i[:, None] >= i[None, :]
    reach = jnp.where(close & (wanted[:, None] != wanted[None, :]), i[None, :], -1).max(1)
    reach = jnp.where(until, reach[None, :], -1).max(1)
    starts = jnp.pad((wanted[1:] != wanted[:-1]) & (reach[:-1] <= i[:-1]), (1, 0))
    return (until & starts[None, :]).sum(1).astype(wanted.dtype)


def _audit(dT, dZ, T, Z, blocks, merged, width):
    """(dT, dZ), NaN in the rows and columns of a merged block that does not move as a whole."""
    bad = _splits(dT, blocks, merged, width)
    bad = bad.any(-1) | bad.any(-2)
    dZ = jnp.where(bad[..., None, :], jnp.nan, dZ)
    return jnp.where(bad[..., :, None] | bad[..., None, :], jnp.nan, dT), dZ


def _audit_transpose(G_T, G_Z, T, Z, blocks, merged, width):
    """The cotangents, NaN if they see the choice of a basis within a block, or what was merged."""
    bad = _sees(G_T, G_Z, T, Z, blocks, merged, width)
    poison = jnp.where(bad, jnp.nan, 0.0).astype(T.dtype)
    return G_T + poison, G_Z + poison


def _sees(G_T, G_Z, T, Z, blocks, merged, width):
    """Whether these are cotangents of a loss that is not one of whole blocks, (..., 1, 1)."""
    turn = matmul(Z.mT, G_Z) + matmul(T.mT, G_T) - matmul(G_T, T.mT)
    allowed = _allowed(T, merged, width) * (norm(G_Z) + norm(G_T) * norm(T))
    turned = (
        together(blocks) & (row_minus_column(T) != 0) & (jnp.abs(turn - turn.mT.conj()) > allowed)
    )
    return (turned | _splits(G_T, blocks, merged, width)).any((-2, -1), keepdims=True)


def _splits(X, blocks, merged, width):
    """Where X, a derivative or a cotangent of T, is not what it may be in a merged block."""
    same = together(blocks)
    mean = jnp.where(_scalar(X, width), cluster_mean(diagonal(X), same), 0)
    rest = ~(jnp.abs(X - embed(mean)) <= _allowed(X, merged, width) * norm(X))
    return same & merged[..., None, :] & rest


def _scalar(X, width):
    return width <= _SCALAR * jnp.finfo(X.dtype).eps ** (2 / 3)


def _allowed(X, merged, width):
    """What rounding, and a smooth function of eigenvalues that are not quite equal, make of 0."""
    eps = jnp.finfo(X.dtype).eps
    spread = jnp.where(merged & _scalar(X, width), _SPREAD * width, 0)
    return (_ROUNDING * X.shape[-1] * eps + spread)[..., None, :]


audit_p = linear_pair("block_schur_audit", _audit, _audit_transpose, 2, changes=False)

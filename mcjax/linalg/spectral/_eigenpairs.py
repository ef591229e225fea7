"""A = V diag(w) V⁻¹ for general A as one operation, whose derivatives of a pair know that pair alone.

Differentiate A v_j = λ_j v_j, and hold the length of v_j by the row w_j of W = V⁻¹, as a constant:

    (λ_j I - A) x_j + v_j μ_j = Ȧ v_j,      w_j x_j = 0,                                     (*)
    solved by   μ_j = w_j Ȧ v_j,    x_j = Σ_i v_i (w_i Ȧ v_j)/(λ_j - λ_i)    over i not tied to j.

(*) is a bordered matrix of λ_j, v_j and w_j: it is singular only if λ_j is not simple. It is what JAX
gets to see (`custom_linear_solve`), for every pair at once, so that at every order a column depends on
no other. The sum over i needs all of W. A defective eigenvalue elsewhere spoils W by half the digits,
and two steps of refinement on (*) bring them back. Rows of W are right eigenvectors of Aᵀ, so the same
rule moves them. That of a simple eigenvalue is y_jᴴ/(y_jᴴ v_j), with y_j the left eigenvector: not a row
of the inverse of V, all rows of which suffer where one eigenvalue is defective.
"""

import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from ..._core._evaluate import evaluate
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._power_of_two import size
from ._clusters import has_twin
from ._decomposition import diagonal, embed, forbid, inverse_gaps
from ._multiplets import conditions, is_defective, multiplets, unsplit
from ._native import native_primitive, zero

_BAD = 1000  # times n eps ‖A‖: no backward error of a stable algorithm


def decomposed(A):
    """w, V and W, not differentiable."""
    finite = jnp.isfinite(A).all((-2, -1), keepdims=True)
    A = jnp.where(finite, A, jnp.zeros_like(A))  # LAPACK loops on infinities
    unit = size(A)
    A = A / unit
    first = _plain(A)
    again = unsplit(A, first[0], first[2]) | _inaccurate(A, *first)
    w, V, W = lax.cond(
        again.any(),
        lambda: _where(again, _in_order_of(first[0], *_reflected(A)), first),
        lambda: first,
    )
    twin = has_twin(multiplets(A, w, W))[..., None]
    W = lax.cond(twin.any(), lambda: jnp.where(twin, jnp.linalg.inv(V), W), lambda: W)
    w = jnp.where(finite[..., 0], w * unit[..., 0].astype(w.dtype), jnp.nan)
    return w, *(jnp.where(finite, X, jnp.nan) for X in (V, W))


def plain_eigenvalues(A):
    """LAPACK's; those of matrices close to 0 or infinity it gets wrong by factors: not in these units."""
    unit = size(A)
    w = jnp.linalg.eigvals(A / unit)
    return w * unit[..., 0].astype(w.dtype)


def _plain(A):
    w, Y, V = lax.linalg.eig(A, compute_left_eigenvectors=True, compute_right_eigenvectors=True)
    Yh = Y.mT.conj()
    overlap = (Yh.mT * V).sum(-2)
    return w, V, Yh / jnp.where(overlap == 0, float(jnp.finfo(w.dtype).tiny), overlap)[..., None]


def _inaccurate(A, w, V, W):
    """Whether a random sum of columns, or rows, is not what A makes of them, (...)."""
    z = _generic(A)[..., :1, :].astype(V.dtype)
    rows = z / conditions(W)[..., None, :].astype(V.dtype)
    A, scales = A.astype(V.dtype), w[..., None, :]
    right = matmul(A, matmul(V, z.mT)) - matmul(V, (scales * z).mT)
    left = matmul(matmul(rows, W), A) - matmul(rows * scales, W)
    limit = _BAD * A.shape[-1] * float(jnp.finfo(A.dtype).eps) * norm(A)
    return ((norm(right) > limit) | (norm(left) > limit))[..., 0, 0]


def _reflected(A):
    """The same of a matrix 4 eps ‖A‖ away."""
    H, X = reflection(A)
    w, V, W = _plain(X)
    H = H.astype(V.dtype)
    return w, matmul(H, V), matmul(W, H)


def _in_order_of(first, w, V, W):
    """The same pairs, every w_j the closest to first_j that is left: LAPACK's order is what `eigvals` has."""

    def choose(free, x):
        k = jnp.argmin(jnp.where(free, jnp.abs(w - x[..., None]), jnp.inf), -1)[..., None]
        return free & (lax.broadcasted_iota(k.dtype, w.shape, w.ndim - 1) != k), k[..., 0]

    _, order = lax.scan(choose, jnp.ones_like(w, bool), jnp.moveaxis(first, -1, 0))
    order = jnp.moveaxis(order, 0, -1)
    w = jnp.take_along_axis(w, order, -1)
    V, W = (
        jnp.take_along_axis(V, order[..., None, :], -1),
        jnp.take_along_axis(W, order[..., None], -2),
    )
    return w, V, W


def reflection(A):
    """H and H (A + 4 eps ‖A‖) H, with H a reflection without small entries.

    LAPACK takes small entries below a diagonal for 0, which leaves a defective eigenvalue unsplit, and
    scales rows and columns up that hold nothing but rounding (Watkins 2006).
    """
    u = _generic(A)[..., -1:]
    H = add_diagonal(-2 * u * u.mT / (u * u).sum(-2, keepdims=True), 1.0)
    near = A + 4 * float(jnp.finfo(A.dtype).eps) * norm(A).astype(A.dtype) * _generic(A)
    return H, matmul(matmul(H, near), H)


def _generic(A):
    """Entries of size 1, as good as random."""
    i, j = (lax.broadcasted_iota(A.real.dtype, A.shape, A.ndim - axis) + 1 for axis in (2, 1))
    return jnp.cos(0.7 * i * j * j).astype(A.dtype)


def _where(chosen, these, those):
    """Arrays of `these` where chosen, (...), and of `those` elsewhere."""
    return tuple(
        jnp.where(jnp.expand_dims(chosen, range(chosen.ndim, x.ndim)), x, y)
        for x, y in zip(these, those, strict=True)
    )


def _evaluate(A):
    w, V, W = decomposed(A)
    return w, V, W, jnp.zeros_like(V)


pairs_p = native_primitive("eigenpairs", _evaluate)


def eigenpairs(A):
    """w, V, W = V⁻¹, complex whatever A is, and a matrix of zeros whose tangent is T = W Ȧ V.

    A defective eigenvalue comes out as several, as far apart as an error eps ‖A‖ may put them. Columns
    of V have length 1, but their derivatives hold w_j v_j = 1, with w_j constant, instead.
    """
    return tuple(pairs_p.bind(A))


def tied(A, w, W):
    """Whether λ_i and λ_j are one to rounding, (..., n, n): a constant."""
    return evaluate(_tied, *lax.stop_gradient((A, w, W)))[0]


def _tied(A, w, W):
    return (multiplets(A, w, W),)


def defective(W, same):
    """Whether λ_j belongs to a multiplet with fewer eigenvectors than eigenvalues: a constant."""
    return is_defective(lax.stop_gradient(W), same)


def _jvp(primals, tangents):
    (A,), (E,) = primals, tangents
    w, V, W, S = results = eigenpairs(A)
    if type(E) is ad.Zero:
        return results, tuple(map(zero, results))
    same = tied(A, w, W)
    A, E = A.astype(V.dtype), E.astype(V.dtype)
    moved, X = _perturbation(A, w, V, W, E, same)
    Z = _perturbation(A.mT, w, W.mT, V.mT, E.mT, same)[1]
    return (w, V, W, S), (moved, X, Z.mT, matmul(matmul(W, E), V))


ad.primitive_jvps[pairs_p] = _jvp


def _perturbation(A, w, V, W, E, same):
    """μ and X of (*)."""
    A0, w0, V0, W0 = lax.stop_gradient((A, w, V, W))
    K, twin = inverse_gaps(w0, same), has_twin(same)

    def equations(unknowns):
        constraint, residual = bordered(A, w, V, W0, unknowns)
        return forbid(embed(constraint), twin).sum(-2), forbid(residual, twin)

    def solve(_, rhs):
        return _refined(A0, w0, V0, W0, K, rhs)

    def transposed(_, rhs):
        return _refined(A0.mT, w0, W0.mT, V0.mT, K, rhs)

    N = matmul(E, V)
    # JAX transposes a right-hand side that is linear in E as a whole; a NaN stays in its column.
    return lax.custom_linear_solve(equations, (0 * N.sum(-2), N), solve, transposed)


def bordered(A, w, V, W, unknowns):
    """The left sides of (*)."""
    moved, X = unknowns
    residual = X * w[..., None, :] - matmul(A, X) + V * moved[..., None, :]
    return (W.mT * X).sum(-2), residual


def _refined(A, w, V, W, K, rhs):
    """The solution of (*) by V and W, which need few digits. Transposed, V and Wᵀ change places."""

    def approximate(rhs):
        T = matmul(W, rhs[1])
        return diagonal(T), matmul(V, K * T) + V * rhs[0][..., None, :]

    def step(rhs, unknowns):
        left = bordered(A, w, V, W, unknowns)
        change = approximate((rhs[0] - left[0], rhs[1] - left[1]))
        return unknowns[0] + change[0], unknowns[1] + change[1]

    return step(rhs, step(rhs, approximate(rhs)))

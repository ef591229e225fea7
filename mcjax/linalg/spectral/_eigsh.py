"""A few eigenpairs of a large Hermitian matrix, or of a function x ↦ A x, with derivatives.

    A v = λ B v,  vᴴ B v = 1;     λ̇ = vᴴ (Ȧ - λ Ḃ) v,     (A - λ B) v̇ = -(Ȧ - λ Ḃ - λ̇ B) v

Forwards: block Lanczos with thick restarts (`_lanczos`). Derivatives: one deflated solve for each pair,
all pairs at once (`_partial`), never through the iteration. A loss of pairs that are tied among
themselves, or to one that was not asked for, is audited as in `_eigh`:

    of a loss(w, V)    sk(V̄ᵀ V)_cc = 0 off the diagonal, and w̄ is constant on a cluster c;
    along E            T_cc is a multiple of I.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Num

from ..._core._check import counts, hermitian_part, same_dtype, square
from ..._core._evaluate import evaluate
from ..._core._matmul import add_diagonal, matmul, norm
from ..._core._power_of_two import nearest
from ._clusters import OFF, SPREAD, cluster_mean, has_twin, inside, spread_violation
from ._decomposition import diagonal, embed
from ._lanczos import Lanczos, scattered
from ._operator import Operator, dense, example_of, is_operator, of_function
from ._partial import Problem, solve_problem

_WHICH = ("LM", "LA", "SA")


class Eigsh(NamedTuple):
    """λ ascending, one eigenvector a column, ‖A v - λ B v‖₂, and whether a pair may be used."""

    eigenvalues: Float[Array, "*batch k"]
    eigenvectors: Num[Array, "*batch n k"]
    residuals: Float[Array, "*batch k"]
    converged: Bool[Array, "*batch k"]


def eigsh(
    A,
    k: int = 6,
    *,
    which: str = "LM",
    B=None,
    sigma=None,
    solve: Callable | None = None,
    v0=None,
    tol: float | None = None,
    maxiter: int = 300,
) -> Eigsh:
    """k eigenpairs of A v = λ B v, A Hermitian, B Hermitian and positive definite.

    Identity: λ̇ = vᴴ (Ȧ - λ Ḃ) v,   (A - λ B) v̇ = -(Ȧ - λ Ḃ - λ̇ B) v,   vᴴ B v̇ = -½ vᴴ Ḃ v.

    Args:
      A: an array (..., n, n), of which (A + Aᴴ)/2 is used; a lineax operator on vectors (n,); or a
        linear JAX function x ↦ A x. Of operators and functions it is taken on trust that they are
        Hermitian, for all values of what they close over, in which the result is differentiable.
      k: how many, up to n.
      which: "LM", "LA" or "SA": the largest in modulus, the largest or the smallest ν; ν = λ, or with
        sigma ν = 1/(λ - σ).
      B: like A; the identity if left out.
      sigma: σ. "LM" then are the eigenvalues closest to σ, which must not be one of them. For the
        smallest eigenvalues of a positive definite A, sigma=0 converges in a few steps where "SA" may
        take thousands.
      solve: x ↦ (A - σB)⁻¹ x, or without sigma x ↦ B⁻¹ x: a linear function, Hermitian, accurate to √tol
        (one step of refinement follows). Without it these matrices are built and inverted, in O(n²)
        memory.
      v0: a start vector (n,). Functions need one: it tells size and type.
      tol: ‖S v - ν v‖_B <= tol ‖S‖, S = A, B⁻¹A or (A - σB)⁻¹B; by default 64 eps. The derivative is
        solved for as accurately.
      maxiter: how many restarts at most, each of 24 products with a vector or 4 with a block of k + 1.

    Returns:
      (eigenvalues (..., k) ascending, eigenvectors (..., n, k) with Vᴴ B V = I, residuals
      ‖A v - λ B v‖₂, converged). A pair that has not converged is NaN, and so are derivatives through it.
      A loss that is not symmetric in tied eigenvalues (closer than eps^{2/3} ‖S‖), changes as their basis
      is turned, or depends on some but not all of them, has no gradient: NaN. Second derivatives that
      involve tied pairs are NaN. NaN for input that is not finite, and if B is not positive definite.
      Batches cut over a mesh whose axes are explicit are not supported; automatic axes are.

    Errors: residual / gap in a vector and its derivative, gaps measured in ν.
    Cost: products, O(n k) operations a vector for each, and O(n k) memory; no n x n array unless there is
      an inverse to take. A gradient is a solve by conjugate gradients, about as many products again.
    Source: Wu and Simon, Thick-restart Lanczos method (2000); Andrew, Chu and Lancaster, Derivatives
    of eigenvalues and eigenvectors of matrix functions (1993); MATLAB's and SciPy's `eigsh`.
    """
    if which not in _WHICH:
        raise ValueError(
            f"eigsh: which must be one of {', '.join(_WHICH)}, got {which!r}; for the smallest in "
            "modulus pass sigma=0"
        )
    if solve is not None and sigma is None and B is None:
        raise ValueError("eigsh: solve is the inverse of A - sigma B, or of B: pass sigma or B")
    if not is_operator(A):
        A = hermitian_part(square(A, "eigsh"))
    if B is not None and not is_operator(B):
        B = hermitian_part(square(B, "eigsh"))

    arrays = [x for x in (A, B) if isinstance(x, jax.Array)]
    if len(arrays) == 2:
        A, B = arrays = same_dtype(*arrays)
    batch = jnp.broadcast_shapes(*(x.shape[:-2] for x in arrays))

    def single(*matrices):
        left = iter(matrices)
        pencil = [next(left) if isinstance(x, jax.Array) else x for x in (A, B)]
        return _single(pencil, k, which, sigma, solve, v0, tol, maxiter)

    for _ in batch:
        single = jax.vmap(single)
    return single(*(jnp.broadcast_to(x, batch + x.shape[-2:]) for x in arrays))


def _single(pencil, k, which, sigma, solve, v0, tol, maxiter) -> Eigsh:
    example = _example(pencil[0], v0)
    n, dtype = example.shape[0], example.dtype
    real = jnp.finfo(dtype).dtype
    if not counts(k, 0, n):
        raise ValueError(f"eigsh: k must be between 0 and n = {n}, got {k}")
    if v0 is not None and jnp.shape(v0) != (n,):
        raise ValueError(
            f"eigsh: v0 must have the shape of what A acts on, {(n,)}, got {jnp.shape(v0)}"
        )
    if not k:
        none = jnp.zeros(0, real)
        return Eigsh(none, jnp.zeros((n, 0), dtype), none, none > 0)
    (A, a), (B, b) = (_operator(X, example, real) for X in pencil)
    if sigma is not None:
        sigma = lax.stop_gradient(jnp.asarray(sigma, real)) * (b / a)
    unit = b if sigma is None else a
    T = _inverse(A, B, sigma) if solve is None else _given(solve, example, unit)
    tol = float(tol or 64 * jnp.finfo(dtype).eps)
    operators = [Operator(None, (), None) if x is None else x for x in (A, B, T)]
    problem = Problem(
        tuple(x.program for x in operators),
        tuple(len(x.parameters) for x in operators),
        sigma is not None,
        Lanczos(k, which, tol, maxiter),
    )
    parameters = [p for x in operators for p in x.parameters]
    sigma = jnp.zeros((), real) if sigma is None else sigma
    results = solve_problem(problem, _start(example, k, v0), sigma, *parameters)
    w, V, residuals, converged = _audited(*results)
    root = jnp.sqrt(b)
    return Eigsh(w * (a / b), V / root.astype(dtype), residuals * (a / root), converged)


def _example(A, v0):
    if isinstance(A, jax.Array):
        return jax.ShapeDtypeStruct(A.shape[-1:], A.dtype)
    return example_of(A, v0, "eigsh")


def _operator(A, example, real):
    """The operator, and its unit: of an array a power of four near its largest entry, which it is divided
    by. B⁻¹A stays in range so."""
    one = jnp.ones((), real)
    if A is None:
        return None, one
    if not isinstance(A, jax.Array):
        return of_function(A, example, "eigsh"), one
    if A.shape[-1:] != example.shape:
        raise ValueError(
            f"eigsh: B has shape {A.shape}, but A acts on vectors of shape {example.shape}"
        )
    if jnp.iscomplexobj(A) and not jnp.issubdtype(example.dtype, jnp.complexfloating):
        raise ValueError("eigsh: B is complex, but A acts on real vectors; pass a complex v0")
    unit = nearest(lax.stop_gradient(jnp.abs(A).max()), 2) ** 2
    return dense((A / unit.astype(A.dtype)).astype(example.dtype)), unit.astype(real)


def _start(example, k, v0):
    """A block of k + 1 scattered vectors, or of n; the first of several may be v0."""
    n = example.shape[0]
    block = scattered((n, min(k + 1, n)), example.dtype)
    if v0 is None or n == 1:
        return block
    return block.at[:, 0].set(lax.stop_gradient(jnp.asarray(v0, example.dtype)))


def _given(solve, example, unit):
    """T by `solve`, in its unit."""
    scaled = unit.astype(example.dtype)
    T = of_function(lambda x: solve(x) * scaled, example, "eigsh: solve")
    return T._replace(parameters=lax.stop_gradient(T.parameters))


def _inverse(A, B, sigma):
    """T, the inverse of A - σB or of B, or None for the identity."""
    if sigma is None:
        if B is None:
            return None
        matrix = B.matrix()
    else:
        matrix = A.matrix()
        shift = sigma.astype(matrix.dtype)
        matrix = add_diagonal(matrix, -shift) if B is None else matrix - shift * B.matrix()
    return dense(*evaluate(_inverted, lax.stop_gradient(matrix)))


def _inverted(M):
    """Products with M⁻¹ take a fifth of the time of substitutions, which go vector by vector."""
    return (hermitian_part(jnp.linalg.inv(M)),)


def _audited(w, V, S, _nu, _accuracy, same, _cut, converged, residuals, *_next_ones) -> Eigsh:
    """NaN for pairs that have not converged, and for derivatives that do not exist."""
    k = len(w)
    w0, V0 = lax.stop_gradient((w, V))
    rounding = V.shape[0] * jnp.finfo(w.dtype).eps

    def packed(w, V, T):  # one array: JAX wants tangents of all parts, or of none
        return jnp.concatenate([w[None].astype(V.dtype), V, T])

    def parts(X):
        return X[0].real, X[1:-k], X[-k:]

    def broken(X, d, size):
        """Whether X should vanish off the diagonal, or d be constant, on j's cluster, and is not."""
        size = jnp.where(size > 0, size, 1)
        off = jnp.abs(inside(X, same)).max(-2) / size
        spread = jnp.abs(d - cluster_mean(d, same)) / size
        alike = rounding + spread_violation(w0, same)
        bad = ~(off <= OFF * rounding) | ~(spread <= SPREAD * alike)
        return (same & bad[:, None]).any(-2) & has_twin(same)

    def poison(bad):
        return jnp.where(bad, jnp.nan, 0).astype(w.dtype)

    def forwards(_, moved):
        w, V, T = parts(moved)
        bad = broken(T, diagonal(T).real, _norm(T))
        return packed(w + poison(bad), V + poison(bad)[None].astype(V.dtype), T)

    def backwards(_, cotangents):
        w, V, T = parts(cotangents)
        M = matmul(V.mT, V0)
        bad = broken(M - M.mT.conj(), jnp.zeros_like(w), _norm(V))
        bad |= broken(jnp.zeros_like(M), w, jnp.abs(w).max())
        return packed(w, V, T + embed(poison(bad).astype(T.dtype)))

    moving = lax.custom_linear_solve(lambda x: x, packed(w, V, S), forwards, backwards)
    w, V, _ = parts(moving)
    missing = poison(~converged)
    return Eigsh(w + missing, V + missing[None].astype(V.dtype), residuals, converged)


def _norm(X):
    """Without the columns that are NaN, whose pairs are no pairs."""
    return norm(jnp.where(jnp.isnan(X), jnp.zeros_like(X), X))[0, 0]

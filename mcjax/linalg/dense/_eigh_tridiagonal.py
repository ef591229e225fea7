"""Eigenvalues and eigenvectors of a real symmetric tridiagonal matrix.

T v = λ v with the diagonal d and e beside it. Differentiate, with vᵀ v̇ = 0:

    λ̇ = vᵀ Ṫ v = Σ v_i² ḋ_i + 2 Σ v_i v_{i+1} ė_i,      (λ - T) v̇ + λ̇ v = Ṫ v.                     (*)

(*) is n + 1 equations for v̇ and λ̇, symmetric, and what JAX gets to see of each pair
(`custom_linear_solve`). Without the largest entry v_p the matrix T - λ is two tridiagonal ones, which have
inverses of norm about 1/(gap v_p²) (Parlett and Dhillon 1997): put v̇_p = 0, leave out equation p, which
the others imply, solve, and take off what is along v. That is n operations for a pair.

The eigenvalues of T are distinct unless an e_i vanishes (λ - T has n - 1 independent rows whatever λ is),
but they may agree to rounding (Wilkinson 1965). A tie (`spectral._clusters`) has of derivatives those of
functions alike in its eigenvalues.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jax import Array, lax
from jax.interpreters import ad

from ..._core._axes import align
from ..._core._check import same_dtype
from ..._core._evaluate import evaluate
from ..._core._matmul import row_minus_column
from ..._core._power_of_two import nearest
from ..spectral._clusters import broken, has_twin, spread_violation, tied
from ..spectral._native import native_primitive, zero

_ROUNDING = 100  # times n eps: what is above is not an accident


def eigh_tridiagonal(
    d: Array,
    e: Array,
    *,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: tuple[int, int] | None = None,
):
    """Eigenvalues, ascending, and eigenvectors: SciPy's `eigh_tridiagonal`.

    Identity: D λ = Σ v_i² dd_i + 2 Σ v_i v_{i+1} de_i;  (λ - T) D v + D λ v = dT v, vᵀ D v = 0.

    Args:
      d: (..., n), the diagonal, real; integers are promoted.
      e: (..., n - 1), the entries beside it, with a batch like d's.
      eigvals_only: leave out the eigenvectors.
      select: "a" for all, "i" for those with the indices in `select_range`.
      select_range: (lo, hi), both included.

    Returns:
      λ, (..., k), and unless eigvals_only V, (..., n, k), a vector in each column, up to its sign.
      Derivatives of every order where eigenvalues are distinct. At a tie, to eps^{2/3} ‖T‖, losses of
      eigenvalues alike in tied ones have a gradient, and directions that do not split it derivatives;
      the others are NaN, and so are second derivatives of the pairs tied: `eigh` and `eigvalsh` know
      more there. NaN for a matrix that is not finite.

    Errors: eps ‖T‖ in λ; in V and its derivatives eps ‖T‖ over the gap of eigenvalues.

    Cost: of derivatives, in both modes, O(n) a pair. All pairs: a dense eigendecomposition, without
    vectors where neither they nor derivatives are asked for. Some: bisection and inverse iteration, O(n) a
    pair, and O(n k²) to make vectors orthogonal.
    Source: Parlett, The Symmetric Eigenvalue Problem (1998), section 7.7; Parlett and Dhillon, Fernando's
    solution to Wilkinson's problem (1997).
    """
    d, e = same_dtype(*(_vector(x, name) for x, name in ((d, "d"), (e, "e"))))
    n = d.shape[-1]
    if e.shape != (*d.shape[:-1], max(n - 1, 0)) or n == 0:
        raise ValueError(
            f"eigh_tridiagonal: d (..., n) needs e (..., n - 1), n > 0, got {d.shape} and {e.shape}"
        )
    lo, hi = _indices(select, select_range, n)
    first, last = max(lo - 1, 0), min(hi + 1, n - 1)  # with neighbours, to know of ties with them
    chosen = slice(lo - first, hi - first + 1)
    w, V = _differentiable(d, e, first, last, eigvals_only)
    return w[..., chosen] if eigvals_only else (w[..., chosen], V[..., chosen, :].mT)


def _vector(x, name):
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"eigh_tridiagonal: expected numbers in {name}; {error}") from None
    if x.ndim == 0 or jnp.iscomplexobj(x) or not jnp.issubdtype(x.dtype, jnp.number):
        raise ValueError(
            f"eigh_tridiagonal: {name} must be real, with one axis or more, got {x.dtype} "
            f"of shape {x.shape}; complex e may be replaced by its absolute value, for eigenvalues"
        )
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def _indices(select, select_range, n):
    if select == "a":
        return 0, n - 1
    if select != "i":
        raise ValueError(
            f"eigh_tridiagonal: select must be 'a' or 'i', got {select!r}; how many eigenvalues an "
            "interval holds is not known at trace time: take them by index"
        )
    lo, hi = (-1, -1) if select_range is None else select_range
    if not 0 <= lo <= hi < n:
        raise ValueError(
            f"eigh_tridiagonal: select_range must be (lo, hi) with 0 <= lo <= hi < {n}, got "
            f"{select_range}"
        )
    return lo, hi


@partial(jax.jit, static_argnums=(2, 3, 4))
def _differentiable(d, e, first, last, eigvals_only):
    """w, (..., k), and vectors in rows, (..., k, n), with derivatives."""

    def evaluated(vectors):
        signature = "(n),(m)->(k),(k,n)" if vectors else "(n),(m)->(k)"
        pairs = _pairs(first, last, vectors)
        one = lambda d, e: evaluate(pairs, d, e) if vectors else evaluate(pairs, d, e)[0]  # noqa: E731
        return jnp.vectorize(one, signature=signature)(*lax.stop_gradient((d, e)))

    w, V = evaluated(True)
    if eigvals_only:
        w = evaluated(False)
    return _audited(*pairs_p.bind(*align(V, w, d, e)))


@cache
def _pairs(first, last, vectors):
    """(d, e) ↦ eigenvalues, and vectors in rows, of one matrix."""

    def scaled(d, e):
        finite = jnp.isfinite(d).all() & jnp.isfinite(e).all()
        d, e = jnp.where(finite, d, 0), jnp.where(finite, e, 0)
        size = nearest(jnp.maximum(jnp.abs(d).max(), jnp.abs(e).max(initial=0)))
        w, *V = pairs(d / size, e / size)
        return tuple(jnp.where(finite, x, jnp.nan) for x in (w * size, *V))

    def pairs(d, e):
        if last - first + 1 == len(d):
            T = _dense(d, e)
            if not vectors:
                return (jnp.linalg.eigvalsh(T),)
            w, V = jnp.linalg.eigh(T)
            return w, V.mT
        tridiagonal = jax.scipy.linalg.eigh_tridiagonal
        selected = dict(select="i", select_range=(first, last))
        if not vectors:
            return (tridiagonal(d, e, eigvals_only=True, **selected),)
        w, V = tridiagonal(d, e, **selected)
        return w, jnp.linalg.qr(V)[0].mT  # vectors for close eigenvalues are orthogonal to 1e-10

    return scaled


def _dense(d, e):
    beside = jnp.pad(e, (0, 1))
    across, down = jnp.broadcast_to(beside[None, :], (len(d),) * 2), beside[:, None]
    offset = row_minus_column(across)
    T = jnp.where(offset == 0, d[None, :], jnp.where(offset == 1, across, 0))
    return jnp.where(offset == -1, down, T)


pairs_p = native_primitive("tridiagonal_pairs", lambda V, w, d, e: (w, V))


def _jvp(primals, tangents):
    (_, _, d, e), (_, _, dd, de) = primals, tangents
    w, V = pairs_p.bind(*primals)
    if type(dd) is type(de) is ad.Zero:
        return (w, V), tuple(map(zero, (w, V)))
    dd, de = (jnp.zeros_like(x) if type(t) is ad.Zero else t for x, t in ((d, dd), (e, de)))
    return (w, V), _perturbation(d, e, w, V, _product(dd, de, V))


ad.primitive_jvps[pairs_p] = _jvp


def _product(d, e, X):
    """T X, vectors in rows."""
    d, e = d[..., None, :], e[..., None, :]
    edge = [(0, 0)] * (X.ndim - 1)
    below, above = (
        jnp.pad(e * X[..., :-1], [*edge, (1, 0)]),
        jnp.pad(e * X[..., 1:], [*edge, (0, 1)]),
    )
    return d * X + below + above


def _perturbation(d, e, w, V, N):
    """λ̇ and v̇ of (*), N = Ṫ V."""
    d0, e0, w0, V0 = lax.stop_gradient((d, e, w, V))

    def equations(unknown):
        X, slopes = unknown
        residual = X * w[..., None] - _product(d, e, X) + V * slopes[..., None]
        return residual, (V * X).sum(-1)

    def solve(_, rhs):
        N, r = rhs
        slopes = (V0 * N).sum(-1)
        X = _pseudo_inverse(d0, e0, w0, V0, N - V0 * slopes[..., None])
        return X + V0 * r[..., None], slopes

    # JAX transposes a right-hand side that is linear in Ṫ as a whole.
    X, slopes = lax.custom_linear_solve(equations, (N, 0 * N[..., 0]), solve, symmetric=True)
    return slopes, X


def _pseudo_inverse(d, e, w, V, N):
    """(λ - T)⁺ N for N orthogonal to V; at a tie 0 if N is, or else NaN."""
    twin = has_twin(tied(w))[..., None]
    i = lax.broadcasted_iota("int32", V.shape, V.ndim - 1)
    pinned = i == lax.argmax(jnp.abs(V), V.ndim - 1, "int32")[..., None]
    alone = pinned | twin
    edge = [(0, 0)] * (V.ndim - 1)
    beside = jnp.where(alone[..., 1:] | alone[..., :-1], 0, -e[..., None, :])
    across = jnp.where(alone, 1, w[..., None] - d[..., None, :])
    lower, upper = jnp.pad(beside, [*edge, (1, 0)]), jnp.pad(beside, [*edge, (0, 1)])
    rhs = jnp.where(pinned, 0, N)[..., None]
    X = lax.linalg.tridiagonal_solve(lower, across, upper, rhs)[..., 0]
    X = X - V * (V * X).sum(-1, keepdims=True)
    sizes = jnp.abs(N).max(-1, keepdims=True)
    rounding = _ROUNDING * V.shape[-1] * jnp.finfo(V.dtype).eps
    undefined = ~(sizes <= rounding * sizes.max(-2, keepdims=True))
    return jnp.where(twin, jnp.where(undefined, jnp.nan, 0), X)


def _audited(w, V):
    """(w, V): derivatives of w are NaN at ties that they split, forwards, or that a loss of w splits."""
    w0 = lax.stop_gradient(w)
    same = tied(w0)

    alike = spread_violation(w0, same)

    def poison(w, lost):
        off = jnp.where(lost & has_twin(same), jnp.inf, 0.0).astype(w.dtype)
        return jnp.where(broken(off, spread_violation(w, same), alike, same), jnp.nan, 0)

    def forwards(_, moved):
        w = moved[..., 0]
        lost = jnp.isnan(moved[..., 1:]).any(-1)
        return moved.at[..., 0].add(poison(w, lost))

    def backwards(_, cotangents):
        w = cotangents[..., 0]
        return cotangents.at[..., 0].add(poison(w, jnp.zeros_like(w, dtype=bool)))

    joined = jnp.concatenate([w[..., None], V], -1)  # one array: JAX wants all tangents, or none
    joined = lax.custom_linear_solve(lambda x: x, joined, forwards, backwards)
    return joined[..., 0], joined[..., 1:]

"""k eigenpairs of A v = λ B v as one operation on the parameters of A and B.

Differentiate A v_j = λ_j B v_j and v_jᴴ B v_j = 1, and fix the phase: v_jᴴ B v̇_j is real. With
n_j = (Ȧ - λ_j Ḃ) v_j and r_j = -½ v_jᴴ Ḃ v_j,

    λ_j B x_j - A x_j + B v_j μ_j = n_j,      v_jᴴ B x_j = r_j;      x_j = v̇_j, μ_j = λ̇_j.        (*)

Column j sees A, B, λ_j and v_j and nothing else, so (*) is what JAX gets to see
(`lax.custom_linear_solve`), and derivatives of any order are those of the equations. Of Ȧ and Ḃ there
are only products with V: an operator needs O(n k). The equations are solved by

    T = Vᴴ N,   μ = diag T,   x_j = Σ_i v_i T_ij / (λ_j - λ_i) + v_j r_j + z_j,       i wanted, i ≠ j,
    (λ_j B - A) z_j = n_j - B V T e_j,     Vᴴ B z_j = 0                              (`_deflated`).

Their matrix is Hermitian: the transposed equations, which JAX asks for without conjugates, are the
conjugate ones. In a cluster of equal eigenvalues no basis is better than another: 1/(λ_j - λ_i)
counts as 0, and second derivatives are NaN unless they vanish (`_decomposition`).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ..._core._axes import align
from ..._core._evaluate import evaluate, evaluate_p
from ..._core._matmul import matmul
from ..._core._partition import names_devices
from ..._core._primitive import compile_outside_jit, mapped_axes_in_front
from ._clusters import has_twin
from ._decomposition import diagonal, embed, forbid, inverse_gaps
from ._deflated import Deflated
from ._lanczos import Lanczos, Pencil, in_units, inner, orthonormalised, scaled
from ._native import zero

_SURE = 30  # times what rounding makes in the mean of four samples: once in a million it makes more


@dataclass(frozen=True)
class Problem:
    """What of a problem is static. Its arguments are a block of start vectors, σ if the spectrum is
    shifted, and the parameters of A, B and T, `counts` of each."""

    programs: tuple  # of A, B and T; None: the identity
    counts: tuple[int, ...]
    shifted: bool
    lanczos: Lanczos

    def pencil(self, sigma, *parameters):
        a, b, _ = self.counts
        split = parameters[:a], parameters[a : a + b], parameters[a + b :]
        A, B, T = map(_bound, self.programs, split)
        return Pencil(A, B, T if self.programs[2] else None, sigma if self.shifted else None)

    def __call__(self, start, sigma, *parameters):
        """λ ascending, V, zeros whose tangent is T; ν, ‖S v - ν v‖_B that is as good as none, which
        pairs are tied, which are tied to one left out, which have converged, and ‖A v - λ B v‖₂; of
        the next pairs ν and vectors, as far as they are known."""
        k = self.lanczos.k
        pencil = self.pencil(sigma, *parameters)
        ritz = self.lanczos(pencil, start)
        X = scaled(ritz.X, 1 / pencil.size(ritz.X))
        order = jnp.argsort(inner(X[:, :k], pencil.A(X[:, :k])))
        w, V = _ritz(pencil, self._purified(pencil, X[:, order]))
        nu = 1 / (w - sigma) if self.shifted else w
        ties = _ties(jnp.concatenate([nu, ritz.nu[k : len(ritz.residual)]]), ritz.scale)
        same, cut = ties[:k, :k], ties[:k, k:].any(-1)
        good = self.lanczos.good(ritz)[order]
        R = pencil.A(V) - scaled(pencil.B(V), w)
        accuracy = self.lanczos.tol * ritz.scale + self._rounding(pencil, nu, V)
        converged = good & (self._in_S(pencil, nu, R) <= _SURE * accuracy)
        if (
            self.shifted and self.lanczos.which == "LM"
        ):  # σ may be an eigenvalue, and others' ν rounding
            converged &= jnp.abs(nu) > _SURE * self.lanczos.tol * ritz.scale
        R, unit = in_units(R)
        residual = unit * jnp.sqrt(inner(R, R))
        next_ones = ritz.nu[k:], X[:, k:]
        return w, V, 0 * V[:k], nu, accuracy, same, cut, converged, residual, *next_ones

    def _purified(self, pencil, X):
        """S X where the ν wanted are the large ones.

        Vectors of S have errors eps ‖S‖ in all directions. S takes them out where it is small, and
        Rayleigh and Ritz with A and B, not S, where it is large (Ericsson and Ruhe 1980).
        """
        return pencil.S(X) if self.shifted and self.lanczos.which == "LM" else X

    def _in_S(self, pencil, nu, R):
        """‖S v - ν v‖_B for R = A v - λ B v, which knows what T does not."""
        size = pencil.size(pencil.solve(R))
        return size * jnp.abs(nu) if self.shifted else size

    def _rounding(self, pencil, nu, V):
        """What rounding of A v adds to ‖S v - ν v‖: products that should be the same differ by as much.

        In the mean of four, since S may magnify one direction in n, and one error may miss it.
        """
        AV, divisors = pencil.A(V), (3, 5, 7, 11)
        differences = jnp.concatenate([AV - d * pencil.A(V / d) for d in divisors], 1)
        sizes = self._in_S(pencil, jnp.tile(nu, len(divisors)), differences)
        return sizes.reshape(len(divisors), -1).mean(0)

    def perturbation(self, results, args, tangents):
        """T and X of (*) for tangents {index of an argument: tangent}."""
        w, V, _, nu, accuracy, same, cut, converged, _, *next_ones = results
        w0, V0 = lax.stop_gradient((w, V))
        frozen = lax.stop_gradient(tuple(args))
        pencil = self.pencil(*args[1:])
        twin, usable = has_twin(same), converged[:, None] & converged[None, :]
        K = inverse_gaps(w0, same | ~usable).astype(V.dtype)
        deflated = Solve(self)
        B_V0 = self.pencil(*frozen[1:]).B(V0)

        def equations(XT):
            X, T = XT
            residual = scaled(pencil.B(X), w) - pencil.A(X)
            residual = residual + scaled(pencil.B(V), diagonal(T))
            norms = (V.conj() * pencil.B(X)).sum(0)
            return forbid(residual, twin), forbid(embed(norms), twin)

        def solve(N, R):
            T = matmul(V0.mT.conj(), N)
            known = jnp.where(usable | jnp.eye(len(w), dtype=bool), T, 0)
            G = N - matmul(B_V0, known)
            if len(w) == len(V0):  # nothing is outside, and G is rounding
                Z = 0 * G
            else:
                pairs = nu, V0, accuracy, converged, *next_ones
                (Z,) = evaluate(deflated, *frozen[1:], *pairs, G)
            return matmul(V0, K * T + embed(diagonal(R))) + Z, T

        def transposed(X, T):
            Y, t = solve(X.conj(), T.conj())
            off = T - embed(diagonal(T))
            return (Y + matmul(V0, off.conj())).conj(), embed(diagonal(t)).conj()

        N, R = self._moved(w, V, args, tangents)
        X, T = lax.custom_linear_solve(
            equations, (N, R), lambda _, b: solve(*b), lambda _, b: transposed(*b)
        )
        lost = cut | ~converged
        return forbid(X, lost), forbid(T, lost)

    def _moved(self, w, V, args, tangents):
        """(Ȧ - Λ Ḃ) V and -½ diag(Vᴴ Ḃ V), linear in the tangents."""

        def sides(*live):
            moved = list(args)
            for i, x in zip(tangents, live, strict=True):
                moved[i] = x
            pencil = self.pencil(*moved[1:])
            return pencil.A(V), pencil.B(V)

        # A right-hand side linear as a whole, even where B does not move.
        live = tuple(args[i] for i in tangents)
        AV, BV = jax.jvp(sides, live, tuple(tangents.values()))[1]
        N = AV - scaled(BV, w)
        norms = (V.conj() * BV).sum(0) + 0 * N.sum(0)
        return N, embed(-norms / 2)


@dataclass(frozen=True)
class Solve:
    """`Deflated` on arrays."""

    problem: Problem

    def __call__(self, *args):
        *parameters, nu, V, accuracy, converged, next_nu, U, G = args
        lanczos = self.problem.lanczos
        most = min(lanczos.maxiter * lanczos.products, 10 * len(V))
        deflated = Deflated(lanczos.which, lanczos.tol, most)
        pencil = self.problem.pencil(*parameters)
        return (deflated(pencil, nu, V, accuracy, converged, next_nu, U, G),)


def _bound(program, parameters):
    return (lambda X: X) if program is None else lambda X: program(X, *parameters)


def _ritz(pencil, X):
    """λ ascending and V of A and B in the span of X, whose columns are B-orthonormal or nearly so."""
    X = orthonormalised(pencil, X, X[:, :0], X)
    H = matmul(X.mT.conj(), pencil.A(X))
    finite = jnp.isfinite(H).all()
    _, U = jnp.linalg.eigh(jnp.where(finite, (H + H.mT.conj()) / 2, 0))
    V = matmul(X, U)
    V = scaled(V, 1 / pencil.size(V))
    return inner(V, pencil.A(V)), V


def _ties(nu, scale):
    """Who is in whose cluster: neighbours within eps^{2/3} ‖S‖, and theirs (`_clusters`)."""
    near = jnp.abs(nu[:, None] - nu[None, :]) <= jnp.finfo(nu.dtype).eps ** (2 / 3) * scale
    for _ in range(len(nu).bit_length()):  # in each step twice as far along a chain
        near = (near[:, :, None] & near[None, :, :]).any(1)
    return near


# The primitive is `evaluate` with a derivative: `function` is a Problem.
partial_p = Primitive("partial_eigendecomposition")
partial_p.multiple_results = True


def solve_problem(problem: Problem, *args):
    return _bind(*align(*args), function=problem, levels=())


def _bind(*args, **params):
    return partial_p.bind(*args, devices=names_devices(), **params)


@partial_p.def_abstract_eval
def _abstract(*avals, **params):
    return evaluate_p.abstract_eval(*avals, **params)[0]


def _batch(args, axes, *, function, levels, devices):
    mapped = tuple(axis is not None for axis in axes)
    args = mapped_axes_in_front(args, axes)
    results = _bind(*args, function=function, levels=(mapped, *levels))
    return results, [0] * len(results)


def _jvp(primals, tangents, *, function, levels, devices):
    results = _bind(*primals, function=function, levels=levels)
    live = {i: t for i, t in enumerate(tangents) if type(t) is not ad.Zero}
    if not live:
        return results, list(map(zero, results))
    move = function.perturbation
    for mapped in reversed(levels):
        axes = tuple(0 if m else None for m in mapped)
        move = jax.vmap(move, (0, axes, {i: axes[i] for i in live}))
    X, T = move(results, tuple(primals), live)
    values = jnp.diagonal(T, axis1=-2, axis2=-1).real
    return results, [values, X, T, *map(zero, results[3:])]


compile_outside_jit(partial_p)
ad.primitive_jvps[partial_p] = _jvp
batching.primitive_batchers[partial_p] = _batch
mlir.register_lowering(partial_p, mlir.lower_fun(evaluate_p.bind, multiple_results=True))

"""Linear equations with a matrix on each side: A X + X B = Q (Sylvester) and X - A X B = Q (Stein).

Derivatives come from the equation (`_core._solve`). It is solved in one of three ways, and what each
leaves undone steps of refinement do, so that all give the same X, on any device:

1. Small ones (n m <= 16) by the inverse of their Kronecker matrix K, vec(A X B) = (A ⊗ Bᵀ) vec X.
2. By doubling, where that converges (Smith 1968). The solution of X = U X V + C is

       X = Σ U^k C V^k,      X₀ = C,   X_{j+1} = X_j + U^{2^j} X_j V^{2^j},

   and 2^j terms of it leave the error U^{2^j} X V^{2^j}. For Stein, U = A and V = B. For Sylvester, with
   any p,  (A + p) X (B + p) - (A - p) X (B - p) = 2p Q,  so  U = (A + p)⁻¹(A - p), V = (B - p)(B + p)⁻¹
   and C = 2p (A + p)⁻¹ Q (B + p)⁻¹. They contract if all eigenvalues of A and B lie on p's side of the
   imaginary axis, fastest for p near the geometric mean of their moduli. Products alone: no
   decomposition, and the same powers serve every right-hand side and, transposed, every gradient.
3. Else as Bartels and Stewart (1972) do,

       A = U T Uᴴ,   B = W S Wᴴ,   T Y + Y S = Uᴴ Q W,   X = U Y Wᴴ,

   column by column, what earlier blocks of columns add to a block by one product; the factors are those
   of `_triangular_form`.

   M is singular where it has a singular value 0, which rounding leaves at eps ‖M‖; the eigenvalues of a
   defective M are much farther from 0. So its least singular value is estimated: from a P without a
   pattern X = M⁻¹ P, and ‖X‖ is about ‖P‖ over that and √(n m). A real equation is solved for Q + iδP,
   as its factors are complex anyway; with δ² = eps neither part disturbs the other. A complex one takes
   a second sweep.

Rounding is measured by ‖A‖, which a unit of one unknown may make as large as it likes. So 2 and 3 see
A = D Â D⁻¹ with Â balanced, D diagonal (Osborne 1960), and X̂ = D⁻¹ X F. They are refined, at most twice,
until Q - M X is rounding: of every entry's sum of moduli, in any units, and of the norms of A X and X B
in the given ones. From a Schur form it mostly is at once.

For B = Aᴴ one side is the adjoint of the other, and is not computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._core._matmul import add_diagonal, matmul
from ..._core._power_of_two import nearest, size
from ..._core._solve import sealed_solve
from ._balancing import balancing
from ._doubling import cayley, norm, powers, zero
from ._regular import unless_singular
from ._sweep import Column, shifted, sweep
from ._triangular_form import TriangularForm, no_form, triangular_form

_SMALL = 16  # n m, up to which an inverse of K is cheaper than doubling (measured)
_LEAST = 10  # times eps ‖M‖: a singular value below is 0
_ROUNDING = (
    16,
    64,
)  # times eps, of entries and norms: a Schur form leaves less (measured, n = 5 to 256)


class Side(NamedTuple):
    """Â, and what is known of it: its map into C, powers of U, the diagonal of D, a triangular form."""

    matrix: jax.Array
    into: jax.Array
    powers: jax.Array
    scale: jax.Array
    form: TriangularForm

    def transposed(self):
        """The side of Aᵀ."""
        A, into, powers = self.matrix.mT, self.into.mT, self.powers.mT
        return Side(A, into, powers, 1 / self.scale, self.form.transposed())

    def adjoint(self):
        """The side of Aᴴ."""
        return jax.tree.map(jnp.conj, self).transposed()


class Known(NamedTuple):
    """Both sides, p, the number of powers, and the unit of M."""

    left: Side
    right: Side
    p: jax.Array
    steps: jax.Array
    unit: jax.Array

    def transposed(self):
        """Of Mᵀ."""
        return self._replace(left=self.left.transposed(), right=self.right.transposed())

    def scales(self):
        """D X F⁻¹ / X."""
        return self.left.scale[:, None] / self.right.scale[None, :]


@dataclass(frozen=True)
class TwoSided:
    """An equation M X = Q, with M known through A and B.

    Attributes:
      terms: (A, B, X) ↦ what M X is the sum of.
      contraction: matrices (A, B), or (A,) where B = Aᴴ, ↦ U and V, what takes Q to C from each side,
        and p.
      into: (left side, right side, p, Q) ↦ C.
      column: as in `_sweep`.
      size: (‖A‖, ‖B‖) ↦ ‖M‖.
      units: (size of A, size of B) ↦ what to divide A, B and M by, for M X to be of the size of X.
    """

    terms: Callable
    contraction: Callable
    into: Callable
    column: Column
    size: Callable
    units: Callable

    def apply(self, A, B, X):
        """M X."""
        return reduce(add, self.terms(A, B, X))

    def sizes(self, A, B, X):
        """The same with every product and sum replaced by that of the moduli."""
        return reduce(add, map(jnp.abs, self.terms(*map(jnp.abs, (A, B, X)))))

    def solve(self, A, B, Q):
        """X with M X = Q over stacks of one batch and one dtype."""

        def one(A, B, Q):
            def apply(parameters, X):
                A, B = parameters
                return self.apply(A, B, X)

            return self._sealed(apply, (A, B), Q)

        return jnp.vectorize(one, signature="(n,n),(m,m),(n,m)->(n,m)")(A, B, Q)

    def solve_adjoint(self, A, Q):
        """X with M X = Q where B = Aᴴ."""

        def one(A, Q):
            def apply(parameters, X):
                (A,) = parameters
                return self.apply(A, A.mT.conj(), X)

            return self._sealed(apply, (A,), Q)

        return jnp.vectorize(one, signature="(n,n),(n,n)->(n,n)")(A, Q)

    def estimate(self, Q, *matrices):
        """X without refinement and without derivatives, for an algorithm; B = Aᴴ if it is not given."""

        def one(Q, *matrices) -> jax.Array:
            if Q.size <= _SMALL:
                return _by_inverse(*self.kronecker_inverse(*matrices), Q)[0]
            return _in_units(self._approximate, *_read((*self.factor(*matrices), Q)))

        signature = ",".join(["(n,n)"] * (1 + len(matrices))) + "->(n,n)"
        return jnp.vectorize(one, signature=signature)(Q, *matrices)

    def _sealed(self, apply, matrices, Q):
        if Q.size == 0:
            return Q
        if Q.size <= _SMALL:
            return sealed_solve(apply, self.kronecker_inverse, _BY_INVERSE, matrices, Q)
        solves = self.by_sides, self.by_transposes
        return sealed_solve(apply, self.factor, solves, matrices, Q, refinements=0)

    def kronecker_inverse(self, *matrices):
        """K⁻¹, or NaN where K is singular to rounding."""
        A, B = matrices if len(matrices) == 2 else (matrices[0], matrices[0].mT.conj())
        k = len(A) * len(B)
        basis = jnp.eye(k, dtype=A.dtype).reshape(k, len(A), len(B))
        K = jax.vmap(lambda X: self.apply(A, B, X))(basis).reshape(k, k).mT
        inverse = jnp.linalg.inv(K)

        def sizes(x):
            return _by_inverse(jnp.abs(inverse), self.sizes(A, B, x))[0]

        ones = jnp.ones((len(A), len(B)), jnp.finfo(A.dtype).dtype)
        return (unless_singular(inverse, sizes, ones),)

    def factor(self, *matrices):
        """The sides, p, the number of powers, negative where doubling fails, and the unit of M."""
        scales = [balancing(A) for A in matrices]
        matrices = [A / d[:, None] * d[None, :] for A, d in zip(matrices, scales, strict=True)]
        sizes = (size(A).real for A in (matrices[0], matrices[-1]))
        *units, unit = (u.astype(matrices[0].dtype) for u in self.units(*sizes))
        matrices = [A / u for A, u in zip(matrices, units[: len(matrices)], strict=True)]
        contractions, into, p = self.contraction(matrices)
        doubled, steps = powers(contractions)
        none = [no_form(A) for A in matrices]
        forms = _if(steps < 0, lambda: list(map(triangular_form, matrices)), none)
        sides = list(map(Side, matrices, into, doubled, scales, forms))
        return *jax.tree.leaves(sides), p, steps, unit

    def by_sides(self, *factors):
        return (_in_units(self._refined, *_read(factors)),)

    def by_transposes(self, *factors):
        known, Q = _read(factors)
        return (_in_units(self._refined, known.transposed(), Q),)

    def _refined(self, known, Q):
        left, right, scales = known.left, known.right, known.scales()
        eps, (entry, whole) = jnp.finfo(Q.dtype).eps, _ROUNDING

        def residual(X):
            terms = [Q, *(-term for term in self.terms(left.matrix, right.matrix, X))]
            R = reduce(add, terms)
            sizes = self.sizes(left.matrix, right.matrix, X) + jnp.abs(Q)
            norms = reduce(add, (norm(term * scales) for term in terms))
            large = (jnp.abs(R) > entry * eps * sizes).any()
            return R, large | (norm(R * scales) > whole * eps * norms)

        def unfinished(state):
            k, _, (_, large) = state
            return (k < 2) & large

        def step(state):
            k, X, (R, _) = state
            X = X + self._approximate(known, R)
            return k + 1, X, residual(X)

        X = self._approximate(known, Q)
        return lax.while_loop(unfinished, step, (zero(X[0, 0]), X, residual(X)))[1]

    def _approximate(self, known, Q):
        left, right, p, steps, _ = known

        def doubled(state):
            j, X = state
            return j + 1, X + matmul(matmul(left.powers[j], X), right.powers[j])

        def triangular():
            V, W = left.form.basis, right.form.basis
            X = self._by_forms(left.form, right.form, matmul(matmul(V.mT.conj(), Q), W))
            return matmul(matmul(V, X), W.mT.conj())

        start = zero(steps), self.into(left, right, p, Q)
        _, X = lax.while_loop(lambda state: state[0] < steps, doubled, start)
        return _if(steps < 0, triangular, X)

    def _by_forms(self, left, right, Q):
        """The solution in the bases of the forms, or NaN where M is singular, to rounding."""
        T, S = left.triangle, right.triangle

        def solution(Q):
            rhs = left.turned(right.turned(Q).mT.conj()).mT.conj()
            Y = sweep(self.column, T, S, rhs)
            return left.returned(right.returned(Y).mT.conj()).mT.conj()

        unit, P, eps = size(Q), _without_pattern(Q), jnp.finfo(Q.dtype).eps
        if jnp.iscomplexobj(Q):
            X, of_P = solution(Q), solution(P)
        else:
            delta = nearest(jnp.sqrt(eps))
            both = solution(lax.complex(Q / unit, delta * P))
            X, of_P = jnp.where(Q.any(), both.real * unit, 0), both.imag / delta
        growth = norm(of_P) * self.size(norm(T), norm(S)) / norm(P)
        return jnp.where(growth * _LEAST * eps < 1, X, jnp.nan)


def _without_pattern(Q):
    """Entries 1 and -1."""
    i = jnp.arange(Q.size, dtype="uint32")
    half = i * i * np.uint32(2654435769) >> 31  # of a turn, of i² times the golden ratio
    return jnp.where(half == 0, 1, -1).reshape(Q.shape).astype(Q.dtype)


def _by_inverse(inverse, Q):
    return (matmul(inverse, Q.reshape(-1, 1)).reshape(Q.shape),)


def _by_transposed_inverse(inverse, Q):
    return _by_inverse(inverse.mT, Q)


_BY_INVERSE = _by_inverse, _by_transposed_inverse


def _read(factors):
    """What is known, and Q."""
    *arrays, p, steps, unit, Q = factors
    left, *right = (_side(*arrays[k : k + 9]) for k in range(0, len(arrays), 9))
    return Known(left, right[0] if right else left.adjoint(), p, steps, unit), Q


def _in_units(solve, known, Q):
    """X, from Â, B̂ and a Q̂ of size 1."""
    Q = Q / known.scales()
    unit = size(Q)
    return solve(known, Q / unit) * unit / known.unit * known.scales()


def _side(matrix, into, powers, scale, *form):
    return Side(matrix, into, powers, scale, TriangularForm(*form))


def _if(needed, function, otherwise):
    """function() where it is needed: a loop of one step at most, since a mapped `cond` runs always."""
    state = needed, otherwise
    return lax.while_loop(lambda s: s[0], lambda s: (s[0] & False, function()), state)[1]


def _root_ratio(a, b):
    return nearest(a, 2) / nearest(b, 2)


sylvester = TwoSided(
    terms=lambda A, B, X: (matmul(A, X), matmul(X, B)),
    contraction=cayley,
    into=lambda left, right, p, Q: (
        (2 * p).astype(Q.dtype) * matmul(matmul(left.into, Q), right.into)
    ),
    column=Column(
        matrix=shifted, from_left=lambda T, v: -v, from_below=lambda T, Y, S: -matmul(T, Y)
    ),
    size=lambda a, b: a + b,
    units=lambda a, b: (jnp.maximum(a, b),) * 3,
)
stein = TwoSided(
    terms=lambda A, B, X: (X, -matmul(matmul(A, X), B)),
    contraction=lambda matrices: (matrices, matrices, jnp.ones_like(matrices[0][0, 0].real)),
    into=lambda left, right, p, Q: Q,
    column=Column(
        matrix=lambda T, s, M: add_diagonal(-s * T, 1.0),
        from_left=matmul,
        from_below=lambda T, Y, S: matmul(matmul(T, Y), S),
    ),
    size=lambda a, b: 1 + a * b,
    units=lambda a, b: (_root_ratio(a, b), _root_ratio(b, a), jnp.ones_like(a)),
)

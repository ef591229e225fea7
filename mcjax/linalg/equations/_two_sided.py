"""Linear equations with a matrix on each side: A X + X B = Q (Sylvester) and X - A X B = Q (Stein).

Derivatives come from the equation (`_core._solve`). It is solved in one of three ways, and what each
leaves undone two steps of refinement do, so that all give the same X, on any device:

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
   defective M are much farther from 0. So its least singular value is estimated: from a Q without a
   pattern X = M⁻¹ Q, and ‖X‖ is about ‖Q‖ over that and √(n m).

Rounding is measured by ‖A‖, which a unit of one unknown may make as large as it likes. So 2 and 3 see
A = D Â D⁻¹ with Â balanced, D diagonal (Osborne 1960), and X̂ = D⁻¹ X F.

For B = Aᴴ one side is the adjoint of the other, and is not computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from ..._core._matmul import add_diagonal, matmul
from ..._core._power_of_two import nearest
from ..._core._solve import sealed_solve
from ._balancing import balancing
from ._triangular_form import TriangularForm, as_complex, flipped, triangular_form

_SMALL = 16  # n m, up to which an inverse of K is cheaper than doubling (measured)
_LEAST = 10  # times eps ‖M‖: a singular value below is 0
_MOST_POWERS = 10  # eigenvalues within a factor 10⁴ of each other; beyond, Schur forms are cheaper
_BLOCK = 16  # columns (measured)


class Side(NamedTuple):
    """What is known of Â: its map into C, powers of U, the diagonal of D, a triangular form."""

    into: jax.Array
    powers: jax.Array
    units: jax.Array
    form: TriangularForm

    def transposed(self):
        """The side of Aᵀ."""
        return Side(self.into.mT, self.powers.mT, 1 / self.units, self.form.transposed())

    def adjoint(self):
        """The side of Aᴴ."""
        return jax.tree.map(jnp.conj, self).transposed()


@dataclass(frozen=True)
class TwoSided:
    """An equation M X = Q, with M known through A and B.

    Attributes:
      apply: (A, B, X) ↦ M X.
      sizes: the same with every product and sum replaced by that of the moduli.
      contraction: matrices (A, B), or (A,) where B = Aᴴ, ↦ U and V, what takes Q to C from each side,
        and p.
      into: (left side, right side, p, Q) ↦ C.
      column: (T, s, its value for another s) ↦ the triangular matrix that acts on a column of Y, and
        (T, v) ↦ what the sum v of earlier columns adds to its right-hand side.
      size: (‖A‖, ‖B‖) ↦ ‖M‖.
    """

    apply: Callable
    sizes: Callable
    contraction: Callable
    into: Callable
    column: tuple[Callable, Callable]
    size: Callable

    def solve(self, A, B, Q):
        """X with M X = Q over stacks of one batch and one dtype."""

        def one(A, B, Q):
            def apply(parameters, X):
                return self.apply(*parameters, X)

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

        def one(Q, *matrices):
            if Q.size <= _SMALL:
                return _by_inverse(*self.kronecker_inverse(*matrices), Q)[0]
            return self.by_sides(*self.factor(*matrices), Q)[0]

        signature = ",".join(["(n,n)"] * (1 + len(matrices))) + "->(n,n)"
        return jnp.vectorize(one, signature=signature)(Q, *matrices)

    def _sealed(self, apply, matrices, Q):
        if Q.size == 0:
            return Q
        if Q.size <= _SMALL:
            return sealed_solve(apply, self.kronecker_inverse, _BY_INVERSE, matrices, Q)
        return sealed_solve(apply, self.factor, (self.by_sides, self.by_transposes), matrices, Q)

    def kronecker_inverse(self, *matrices):
        """K⁻¹, or NaN where K is singular to rounding: M = |K⁻¹| |K| has a spectral radius of 1/eps.

        No scaling of the unknowns changes that. It is at most the largest ratio of M x to x > 0.
        """
        A, B = matrices if len(matrices) == 2 else (matrices[0], matrices[0].mT.conj())
        k = len(A) * len(B)
        basis = jnp.eye(k, dtype=A.dtype).reshape(k, len(A), len(B))
        K = jax.vmap(lambda X: self.apply(A, B, X))(basis).reshape(k, k).mT
        inverse = jnp.linalg.inv(K)

        def M(x):
            (y,) = _by_inverse(jnp.abs(inverse), self.sizes(jnp.abs(A), jnp.abs(B), x))
            return y

        x = M(jnp.ones((len(A), len(B)), jnp.finfo(A.dtype).dtype))
        unique = (M(x) / x).max() * 10 * k * jnp.finfo(A.dtype).eps < 1
        return (jnp.where(unique, inverse, jnp.nan),)

    def factor(self, *matrices):
        """The sides of the matrices, p, and the number of powers, negative where doubling fails."""
        units = [balancing(A) for A in matrices]
        matrices = [A / d[:, None] * d[None, :] for A, d in zip(matrices, units, strict=True)]
        contractions, into, p = self.contraction(matrices)
        powers, steps = _powers(contractions)

        def triangularised():
            forms = [triangular_form(A) for A in matrices]
            T, *S = (form.triangle for form in forms)
            unique = self._unique(T, S[0] if S else flipped(T).conj())
            return [f._replace(triangle=jnp.where(unique, f.triangle, jnp.nan)) for f in forms]

        forms = _if(steps < 0, triangularised, [_no_form(A) for A in matrices])
        sides = list(map(Side, into, powers, units, forms))
        return *jax.tree.leaves(sides), p, steps

    def _unique(self, T, S):
        """Whether M is regular, to rounding."""
        i = jnp.arange(len(T) * len(S), dtype=T.real.dtype)
        Q = jnp.where(0.1114 * i * i % 1 < 0.5, 1, -1).reshape(len(T), len(S)).astype(T.dtype)
        growth = _norm(self._sweep(T, S, Q)) * self.size(_norm(T), _norm(S)) / _norm(Q)
        return growth * _LEAST * jnp.finfo(T.dtype).eps < 1

    def by_sides(self, *factors):
        return (self._total(*_read(factors)),)

    def by_transposes(self, *factors):
        left, right, *rest = _read(factors)
        return (self._total(left.transposed(), right.transposed(), *rest),)

    def _total(self, left, right, p, steps, Q):
        Q = Q / left.units[:, None] * right.units[None, :]

        def doubled(state):
            j, X = state
            return j + 1, X + matmul(matmul(left.powers[j], X), right.powers[j])

        def triangular():
            V, W = left.form.basis, right.form.basis
            rhs = right.form.turned(matmul(matmul(V.mT.conj(), Q), W))
            rhs = left.form.turned(rhs.mT.conj()).mT.conj()
            Y = self._sweep(left.form.triangle, right.form.triangle, rhs)
            Y = left.form.returned(right.form.returned(Y).mT.conj()).mT.conj()
            return matmul(matmul(V, Y if jnp.iscomplexobj(Q) else Y.real), W.mT.conj())

        start = _zero(steps), self.into(left, right, p, Q)
        _, X = lax.while_loop(lambda state: state[0] < steps, doubled, start)
        return _if(steps < 0, triangular, X) * left.units[:, None] / right.units[None, :]

    def _sweep(self, T, S, Q):
        """M Y = Q for upper triangular T and S, one block of columns of Y after the other."""
        matrix, carried = self.column
        n, m = Q.shape
        width = min(m, _BLOCK)

        def block(state, start):
            M, Y = state
            above = lax.dynamic_slice(S, (_zero(start), start), (m, width))
            above = jnp.where(jnp.arange(m)[:, None] < start, above, 0)
            D = lax.dynamic_slice(S, (start, start), (width, width))
            R = lax.dynamic_slice(Q, (_zero(start), start), (n, width))
            R = R + carried(T, matmul(Y, above))

            def column(state, j):
                M, Z = state
                M = matrix(T, D[j, j], M)
                rhs = R[:, j] + carried(T, matmul(Z, D[:, j, None]))[:, 0]
                return (M, Z.at[:, j].set(solve_triangular(M, rhs))), None

            (M, Z), _ = lax.scan(column, (M, R * 0), jnp.arange(width))
            return (M, lax.dynamic_update_slice(Y, Z, (_zero(start), start))), None

        starts = jnp.minimum(jnp.arange(0, m, width), m - width)  # the last may overlap
        return lax.scan(block, (T, Q * 0), starts)[0][1]


def _by_inverse(inverse, Q):
    return (matmul(inverse, Q.reshape(-1, 1)).reshape(Q.shape),)


def _by_transposed_inverse(inverse, Q):
    return _by_inverse(inverse.mT, Q)


_BY_INVERSE = _by_inverse, _by_transposed_inverse


def _read(factors):
    """Left side, right side, p, steps and Q."""
    *sides, p, steps, Q = factors
    left, *right = (_side(*sides[k : k + 8]) for k in range(0, len(sides), 8))
    return left, right[0] if right else left.adjoint(), p, steps, Q


def _side(into, powers, units, *form):
    return Side(into, powers, units, TriangularForm(*form))


def _no_form(A):
    row, T = as_complex(A[0]) * 0, as_complex(A) * 0
    return TriangularForm(A * 0, row, row, _zero(A[0]), T)


def _powers(matrices):
    """U^{2^j}, V^{2^j} for j < steps, until their product is small; steps < 0 if it does not get so.

    Powers that grow first cost digits of the sum: a loss which refinement makes good is allowed.
    """
    n, eps = len(matrices[0]), jnp.finfo(matrices[0].dtype).eps

    def size(matrices):
        norms = [_norm(U) for U in matrices]
        return norms[0] * norms[-1]

    def unfinished(state):
        j, matrices, _ = state
        larger = size(matrices) > eps**0.5
        return larger & (size(matrices) < n * eps**-0.25) & (j < _MOST_POWERS)

    def squared(state):
        j, matrices, powers = state
        powers = [p.at[j].set(U) for p, U in zip(powers, matrices, strict=True)]
        return j + 1, [matmul(U, U) for U in matrices], powers

    none = [jnp.zeros_like(U, shape=(_MOST_POWERS, *U.shape)) for U in matrices]
    start = _zero(_norm(matrices[0])), list(matrices), none
    steps, matrices, powers = lax.while_loop(unfinished, squared, start)
    return powers, jnp.where(size(matrices) <= eps**0.5, steps, -1)


def _if(needed, function, otherwise):
    """function() where it is needed: a loop of one step at most, since a mapped `cond` runs always."""
    state = needed, otherwise
    return lax.while_loop(lambda s: s[0], lambda s: (s[0] & False, function()), state)[1]


def _norm(X):
    return jnp.sqrt((X.real**2 + X.imag**2).sum())  # |x|² without its root


def _zero(x):
    return jnp.zeros_like(x, dtype=int)


def _cayley(matrices):
    """U, V = (A + p)⁻¹(A - p), (B + p)⁻¹(B - p), the two inverses, and p."""
    side = jnp.sign(sum(jnp.trace(A).real / len(A) for A in matrices))
    moduli = [_mean_modulus(A) for A in matrices]
    p = side * jnp.sqrt(moduli[0]) * jnp.sqrt(moduli[-1])
    inverses = [jnp.linalg.inv(add_diagonal(A, p.astype(A.dtype))) for A in matrices]
    return [add_diagonal(-2 * p.astype(X.dtype) * X, 1.0) for X in inverses], inverses, p


def _mean_modulus(A):
    """The geometric mean of the moduli of the eigenvalues; not too small if one of them is zero."""
    mean = jnp.exp(jnp.linalg.slogdet(A)[1] / len(A))
    return jnp.maximum(mean, _norm(A) / (100 * len(A) ** 0.5))


def _balanced(matrices):
    """A c and B / c of one size, c a power of two; for B = Aᴴ they are."""
    if len(matrices) == 2:
        c = nearest(_norm(matrices[1]), 2) / nearest(_norm(matrices[0]), 2)
        matrices = [A * k.astype(A.dtype) for A, k in zip(matrices, (c, 1 / c), strict=True)]
    return matrices, matrices, jnp.ones_like(_norm(matrices[0]))


def _shifted(T, s, M):
    """T + s, of which M has all but the diagonal: in a loop, n numbers are written and not n²."""
    i = jnp.arange(len(T))
    return M.at[i, i].set(jnp.diagonal(T) + s)


sylvester = TwoSided(
    apply=lambda A, B, X: matmul(A, X) + matmul(X, B),
    sizes=lambda A, B, X: matmul(A, X) + matmul(X, B),
    contraction=_cayley,
    into=lambda left, right, p, Q: (
        (2 * p).astype(Q.dtype) * matmul(matmul(left.into, Q), right.into)
    ),
    column=(_shifted, lambda T, v: -v),
    size=lambda a, b: a + b,
)
stein = TwoSided(
    apply=lambda A, B, X: X - matmul(matmul(A, X), B),
    sizes=lambda A, B, X: X + matmul(matmul(A, X), B),
    contraction=_balanced,
    into=lambda left, right, p, Q: Q,
    column=(lambda T, s, M: add_diagonal(-s * T, 1.0), matmul),
    size=lambda a, b: 1 + a * b,
)

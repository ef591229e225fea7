"""(λ_j B - A) z_j = g_j for eigenpairs that are extreme, outside the span of their vectors.

With S, ν and T as in `_lanczos`, T (λ B - A) = c⁻¹ (ν - S), where c = 1, or, shifted, c = -ν. So

    (ν_j - S) z_j = c_j T g_j,       Vᴴ B z_j = 0.

ν_j is above, or below, all of S outside the span of V, since the pairs wanted are the extreme ones:
up to a sign the operator is positive definite there, in <x, y> = xᴴ B y, whatever σ is. Conjugate
gradients, all j side by side. They stop at the accuracy of the eigenvectors, ‖r_j‖ <= δ_j ‖z_j‖ with
δ_j that of S v_j; what does not get there is NaN.

In units of powers of two in which ν, each g and each c T g are about 1, since what follows squares them.

The next pairs (ν_i, u_i), which Lanczos's method knows roughly, are the directions in which it is nearly
singular. With ν_o the last of them, in <x, y>,

    M_j = I + Σ u_i ((ν_j - ν_o) / (ν_j - ν_i) - 1) u_iᴴ B

is about its inverse there, in units of ν_j - ν_o, and changes nothing elsewhere: the preconditioner.

An inverse T is accurate to half of the digits, and S refines it, at three times its price. So the
iterations take T as it is, down to half of the digits, and start again from the residual of S.
"""

from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul
from ..._core._power_of_two import nearest
from ._lanczos import Pencil, in_units, inner, scaled

_CORRECTIONS = 4  # each leaves the square root of what is left, if T is as accurate as it has to be


@dataclass(frozen=True)
class Deflated:
    which: str
    tol: float
    maxiter: int

    def __call__(self, pencil: Pencil, nu, V, accuracy, known, next_nu, U, G):
        """z for the columns g of G, of pairs that are `known`; the others are not looked at."""
        V, G = (jnp.where(known[None], X, 0) for X in (V, G))
        BV, unit = pencil.B(V), nearest(jnp.where(known, jnp.abs(nu), 0).max())
        nu, accuracy = nu / unit, accuracy / unit
        sign = {"LA": jnp.ones_like(nu), "SA": -jnp.ones_like(nu), "LM": jnp.sign(nu)}[self.which]
        c = sign / unit if pencil.sigma is None else -nu * sign

        def outside(X):
            return X - matmul(V, matmul(BV.mT.conj(), X))

        def apply(S, X):
            return outside(scaled(scaled(X, nu) - S(X) / unit.astype(X.dtype), sign))

        def preconditioned(R, BR):
            """M R and B M R."""
            W = ratios * matmul(U.mT.conj(), BR)
            return R + matmul(U, W), BR + matmul(BU, W)

        ratios = _ratios(nu, next_nu / unit, sign).astype(V.dtype)
        U = outside(jnp.where(jnp.isfinite(U).all(), U, 0))  # a search that failed knows none
        BU = pencil.B(U)
        G, unit_of_G = in_units(G)
        target, unit_of_Z = in_units(outside(outside(scaled(pencil.solve(G), c))))
        size = pencil.size(target)

        def limit(length):
            return self.tol * size + accuracy * length

        def unfinished(state):
            Z, R, done = state
            return (done < _CORRECTIONS) & (pencil.size(R) > 10 * limit(pencil.size(Z))).any()

        def correct(state):
            Z, R, done = state
            rough = partial(apply, pencil.rough)
            step = self._solve(pencil, rough, preconditioned, R, limit, pencil.size(Z))
            Z = outside(Z + step)
            return Z, target - apply(pencil.S, Z), done + 1

        start = 0 * target, target, 0 * nu[0].astype("int32")
        Z, R, _ = lax.while_loop(unfinished, correct, start)
        solved = pencil.size(R) <= 100 * limit(pencil.size(Z))
        Z = scaled(scaled(Z, unit_of_Z), unit_of_G)
        return jnp.where(solved[None], Z, jnp.nan)

    def _solve(self, pencil, apply, preconditioned, target, limit, length):
        """x of apply(x) = target, to what `apply` is worth, or what is asked of x + z, z of this length."""
        B_target = pencil.B(target)
        r2 = jnp.maximum(inner(B_target, target), 0)
        worth = (self.tol if pencil.T is None else self.tol**0.5) * jnp.sqrt(r2)

        def step(state):
            X, R, P, BP, rz, x2, _, count = state
            Q = apply(P)
            curvature = inner(BP, Q)
            a = jnp.where(rz > 0, rz / curvature, 0)
            a = jnp.where(a < 0, jnp.nan, a)  # not definite: the pairs are not the extreme ones
            x2 = x2 + 2 * a * inner(BP, X) + a * a * inner(BP, P)
            X, R = X + scaled(P, a), R - scaled(Q, a)
            BR = pencil.B(R)
            r2 = jnp.maximum(inner(BR, R), 0)
            going = jnp.sqrt(r2) > jnp.maximum(worth, limit(jnp.sqrt(x2) + length))
            R, BR = (jnp.where(going[None], x, 0) for x in (R, BR))
            Z, BZ = preconditioned(R, BR)
            new = inner(BR, Z)
            b = jnp.where(rz > 0, new / jnp.where(rz > 0, rz, 1), 0)
            return X, R, Z + scaled(P, b), BZ + scaled(BP, b), new, x2, going, count + 1

        def unfinished(state):
            *_, going, count = state
            return (count < self.maxiter) & going.any()

        count = 0 * r2[0].astype("int32")
        Z, BZ = preconditioned(target, B_target)
        rz = inner(B_target, Z)
        state = (0 * target, target, Z, BZ, rz, 0 * r2, r2 > 0, count)
        return lax.while_loop(unfinished, step, state)[0]


def _ratios(nu, next_nu, sign):
    """(ν_j - ν_o) / (ν_j - ν_i) - 1 in row i, column j; 0 where the difference is rounding or NaN."""
    far = sign[None] * (nu[None] - next_nu[-1:, None])
    near = sign[None] * (nu[None] - next_nu[:, None])
    known = near > 10 * jnp.finfo(nu.dtype).eps * jnp.abs(nu)[None]
    return jnp.where(known & (far > near), far / jnp.where(known, near, 1) - 1, 0)

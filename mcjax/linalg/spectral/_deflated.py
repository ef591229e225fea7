"""(λ_j B - A) z_j = g_j for eigenpairs that are extreme, outside the span of their vectors.

With S, ν and T as in `_lanczos`, T (λ B - A) = c⁻¹ (ν - S), where c = 1, or, shifted, c = -ν. So

    (ν_j - S) z_j = c_j T g_j,       Vᴴ B z_j = 0.

ν_j is above, or below, all of S outside the span of V, since the pairs wanted are the extreme ones:
up to a sign the operator is positive definite there, in <x, y> = xᴴ B y, whatever σ is. Conjugate
gradients, all j side by side. They stop at the accuracy of the eigenvectors, ‖r_j‖ <= δ_j ‖z_j‖ with
δ_j that of S v_j; what does not get there is NaN.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax

from ..._core._matmul import matmul
from ._lanczos import Pencil, inner, scaled


@dataclass(frozen=True)
class Deflated:
    which: str
    tol: float
    maxiter: int

    def __call__(self, pencil: Pencil, nu, V, accuracy, known, G):
        """z for the columns g of G, of pairs that are `known`; the others are not looked at."""
        V, G = (jnp.where(known[None], X, 0) for X in (V, G))
        BV = pencil.B(V)
        sign = {"LA": jnp.ones_like(nu), "SA": -jnp.ones_like(nu), "LM": jnp.sign(nu)}[self.which]
        c = sign if pencil.sigma is None else -nu * sign

        def outside(X):
            return X - matmul(V, matmul(BV.mT.conj(), X))

        def apply(X):
            return outside(scaled(scaled(X, nu) - pencil.S(X), sign))

        target = outside(outside(scaled(pencil.solve(G), c)))
        size = pencil.size(target)

        def limit(z2):
            return self.tol * size + accuracy * jnp.sqrt(z2)

        def step(state):
            Z, R, P, BP, r2, z2, _, count = state
            Q = apply(P)
            curvature = inner(BP, Q)
            a = jnp.where(r2 > 0, r2 / curvature, 0)
            a = jnp.where(a < 0, jnp.nan, a)  # not definite: the pairs are not the extreme ones
            z2 = z2 + 2 * a * inner(BP, Z) + a * a * inner(BP, P)
            Z, R = Z + scaled(P, a), R - scaled(Q, a)
            BR = pencil.B(R)
            new = jnp.maximum(inner(BR, R), 0)
            b = new / jnp.where(r2 > 0, r2, 1)
            going = jnp.sqrt(new) > limit(z2)
            b, new = (jnp.where(going, x, 0) for x in (b, new))
            R, BR = (jnp.where(going[None], x, 0) for x in (R, BR))
            return Z, R, R + scaled(P, b), BR + scaled(BP, b), new, z2, going, count + 1

        def unfinished(state):
            *_, going, count = state
            return (count < self.maxiter) & going.any()

        B_target = pencil.B(target)
        r2 = inner(B_target, target)
        state = (
            0 * target,
            target,
            target,
            B_target,
            r2,
            0 * r2,
            r2 > 0,
            0 * r2[0].astype("int32"),
        )
        Z = outside(lax.while_loop(unfinished, step, state)[0])
        left = pencil.size(target - apply(Z))
        solved = left <= 100 * limit(pencil.size(Z) ** 2)
        return jnp.where(solved[None], Z, jnp.nan)

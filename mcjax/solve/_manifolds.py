"""Manifolds of arrays: unit spheres, matrices with orthonormal columns, positive definite matrices.

A minimum x of f on a manifold M has a gradient without a tangent part, and lies on M. As one equation
with as many rows as x has numbers,

    F(x) = tangent(x, ∇f(x)) + c defect(x) = 0,        c > 0 the size of ∇f there.

`tangent` projects on the tangent space T_x, `defect` is normal and 0 on M. Off M, tangent(x, ·) has a
normal part of second order in the distance. So at the minimum, J = F_x is block triangular: the normal
part of F is c·defect, whose derivative is 0 along T_x and c times the identity along normals; the
tangent part is the Riemannian Hessian along T_x. J is regular exactly where that Hessian is, and
dx = -J⁻¹ F_θ dθ stays in T_x.

Source: Absil, Mahony and Sepulchre, Optimization Algorithms on Matrix Manifolds (2008), chapters 3 to 5.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core._matmul import matmul
from ..linalg import expm, polar
from ._certificate import FLOOR


@dataclass(frozen=True)
class Sphere:
    """Arrays with Σ x² = 1."""

    def tangent(self, x: Float[Array, "..."], v: Float[Array, "..."]) -> Float[Array, "..."]:
        """v - x ⟨x, v⟩, with 2 - ⟨x, x⟩ for 1 / ⟨x, x⟩."""
        return v - x * (x * v).sum() * (2 - (x * x).sum())

    def retract(self, x: Float[Array, "..."], v: Float[Array, "..."]) -> Float[Array, "..."]:
        """(x + v) / ‖x + v‖."""
        moved = x + v
        return moved / jnp.sqrt((moved * moved).sum())

    def defect(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """x (⟨x, x⟩ - 1) / 2."""
        return x * ((x * x).sum() - 1) / 2

    def interior(self, x: Float[Array, "..."]) -> Bool[Array, ""]:
        """Whether x is finite: there is no boundary."""
        return jnp.isfinite(x).all()


@dataclass(frozen=True)
class Stiefel:
    """Matrices (n, p), p ≤ n, with orthonormal columns: XᵀX = I; orthogonal ones if p = n."""

    def tangent(self, x: Float[Array, "n p"], v: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """V - X sym(XᵀV), with 2 I - XᵀX for (XᵀX)⁻¹ before sym."""
        normal = _symmetric(matmul(x.T, v))
        return v - matmul(x, 2 * normal - matmul(matmul(x.T, x), normal))

    def retract(self, x: Float[Array, "n p"], v: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """The polar factor of X + V, the nearest point of the manifold."""
        if x.ndim != 2 or x.shape[0] < x.shape[1]:
            raise ValueError(
                f"Stiefel: expected a matrix (n, p) with p ≤ n, got shape {x.shape}; "
                "for orthonormal rows use the transpose"
            )
        return polar(x + v)[0]

    def defect(self, x: Float[Array, "n p"]) -> Float[Array, "n p"]:
        """X (XᵀX - I) / 2."""
        return (matmul(x, matmul(x.T, x)) - x) / 2

    def interior(self, x: Float[Array, "n p"]) -> Bool[Array, ""]:
        """Whether x is finite: there is no boundary."""
        return jnp.isfinite(x).all()


@dataclass(frozen=True)
class SPD:
    """Symmetric positive definite matrices (n, n): an open cone in the symmetric ones.

    Where f falls all the way to its boundary there is no minimum, and the result is `infeasible`.
    """

    def tangent(self, x: Float[Array, "n n"], v: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """(V + Vᵀ) / 2."""
        return _symmetric(v)

    def retract(self, x: Float[Array, "n n"], v: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """L exp(L⁻¹ V L⁻ᵀ) Lᵀ with x = L Lᵀ, the geodesic of the affine-invariant metric from x along V."""
        if x.ndim != 2 or x.shape[0] != x.shape[1]:
            raise ValueError(f"SPD: expected a square matrix, got shape {x.shape}")
        L = jnp.linalg.cholesky(_symmetric(x), symmetrize_input=False)
        half = jax.scipy.linalg.solve_triangular(L, _symmetric(v), lower=True)
        speed = jax.scipy.linalg.solve_triangular(L, half.T, lower=True)
        return _symmetric(matmul(L, matmul(expm(speed, hermitian=True), L.T)))

    def defect(self, x: Float[Array, "n n"]) -> Float[Array, "n n"]:
        """(x - xᵀ) / 2."""
        return (x - x.T) / 2

    def interior(self, x: Float[Array, "n n"]) -> Bool[Array, ""]:
        """Whether x is positive definite by more than rounding, in units of x_jj and what is small."""
        rounding = 10 * len(x) * float(jnp.finfo(x.dtype).eps) * (jnp.abs(jnp.diag(x)) + FLOOR)
        lower = _symmetric(x) - jnp.diag(rounding)
        return jnp.isfinite(jnp.linalg.cholesky(lower, symmetrize_input=False)).all()


Manifold = Sphere | Stiefel | SPD


def _symmetric(A):
    return (A + A.T) / 2

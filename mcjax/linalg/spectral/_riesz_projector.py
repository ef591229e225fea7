"""The spectral projector of a general matrix: all eigenvalues in a disc at once, defective or not.

P = (1/2πi) ∮ (z I - A)⁻¹ dz around the disc. With M = (A - c I)/r the disc is |z| < 1, and for s = ±1

    w = (1 - s z)/(1 + s z)

takes it to the right half-plane, so P = (I + sign W)/2 with W = (I + s M)⁻¹ (I - s M) (`signm`). Its
pole z = -s is on the circle. Of the two the one with the smaller W is taken; P does not depend on s.
"""

import jax.numpy as jnp
from jax import Array, lax

from ..._core._check import same_dtype, square
from ..._core._matmul import add_diagonal, norm
from ..._core._shapes import Square
from ..functions._signm import signm

_TOUCH = 10  # times n eps ‖P‖ (1 + ‖M‖): an eigenvalue of M so near to the circle is on it


def riesz_projector(A: Square, center: complex | Array, radius: float | Array) -> Square:
    """P = (1/2πi) ∮ (z I - A)⁻¹ dz: the projector of the eigenvalues with |λ - center| < radius.

    P P = P and P A = A P; trace P is how many eigenvalues there are in the disc, and trace(P A)/trace P
    is their mean, both smooth however these eigenvalues meet. `signm` does half-planes.

    Identity: D P[E] = (1/2πi) ∮ (z I - A)⁻¹ E (z I - A)⁻¹ dz.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      center: a number, complex too; P is real if A and center are.
      radius: a positive number. P is constant in both while no eigenvalue is met: derivatives are 0.

    Returns:
      P, (..., n, n), with derivatives of every order. NaN where an eigenvalue is on the circle to
      rounding, or the radius is not positive. Rounding moves a defective eigenvalue far from where it
      is, so that one on the circle may go unnoticed.

    Errors: those of `signm`: eps over the distance of the circle to the spectrum, in radii, even where
    P itself is less sensitive. Choose a circle midway between the eigenvalues within and the others.

    Cost: three solutions of n equations, the eigenvalues, and `signm`. Source: Higham, Functions of
    Matrices (2008), section 2.5; Kato, Perturbation Theory for Linear Operators (1966), I.5.
    """
    A = square(A, "riesz_projector")
    if jnp.ndim(center) or jnp.ndim(radius):
        raise ValueError(
            f"riesz_projector: center and radius are numbers, got shapes {jnp.shape(center)} and "
            f"{jnp.shape(radius)}; jax.vmap takes a disc for each matrix"
        )
    A, center = same_dtype(A, jnp.asarray(center))
    radius = jnp.asarray(radius, A.real.dtype)
    if not A.size:
        return A
    center, radius = lax.stop_gradient((center, jnp.where(radius > 0, radius, jnp.nan)))
    M = add_diagonal(A, -center) / radius.astype(A.dtype)
    turned = jnp.where(_turns(lax.stop_gradient(M)), -M, M)
    P = add_diagonal(signm(_mapped(turned)), 1.0) / 2
    return P * _defined(lax.stop_gradient(M), lax.stop_gradient(P))  # NaN in derivatives too


def _mapped(M):
    """(I + M)⁻¹ (I - M)."""
    return jnp.linalg.solve(add_diagonal(M, 1.0), add_diagonal(-M, 1.0))


def _turns(M):
    """Whether s = -1 has the smaller W, (..., 1, 1)."""
    plus, minus = norm(_mapped(M)), norm(_mapped(-M))
    return (minus < plus) | jnp.isnan(plus)


def _defined(M, P):
    """1, or NaN if an eigenvalue is on the unit circle to rounding, (..., 1, 1)."""
    gap = jnp.abs(jnp.abs(jnp.linalg.eigvals(M)) - 1).min(-1)[..., None, None]
    rounding = _TOUCH * M.shape[-1] * jnp.finfo(M.dtype).eps * norm(P) * (1 + norm(M))
    return jnp.where(gap > rounding, jnp.ones_like(gap), jnp.nan).astype(P.dtype)

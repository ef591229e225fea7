"""How far an error of a general matrix moves its eigenvalues.

    λ_j(A + E) = λ_j + y_jᴴ E x_j / (y_jᴴ x_j) + O(‖E‖²),     κ_j = ‖x_j‖ ‖y_j‖ / |y_jᴴ x_j|.

Of a pencil (A, B), whose eigenvalue is the direction of (α, β), the angle between it and that of
(A + E, B + F) is at most κ_j ‖(E, F)‖ with y_jᴴ (A, B) x_j, a multiple of (α, β), for y_jᴴ x_j.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._core._check import square
from ..._core._matmul import matmul
from ..._core._shapes import Square
from ._eig import raw_eig
from ._eig_pencil import turned
from ._eigenpairs import defective, tied


def eigvals_cond(A: Square, B: Square | None = None) -> Float[Array, "*batch n"]:
    """Condition numbers of the eigenvalues, in the order of `eig`: 1 if A is normal, inf if defective.

    Identity: κ_j = ‖x_j‖ ‖y_j‖ / |y_jᴴ x_j|, and that of a pencil ‖x_j‖ ‖y_j‖ / |y_jᴴ (A, B) x_j|: an error
    E moves λ_j by at most κ_j ‖E‖ to first order, and (E, F) the direction (α_j, β_j) by an angle of at
    most κ_j ‖(E, F)‖.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      B: none, or a matrix as A, for the pencil of the two.

    Returns:
      (..., n), real, with derivatives where λ_j is simple. At a tie with several eigenvectors those of the
      basis that was computed, without a derivative. NaN for a matrix not finite, or a singular pencil.

    Errors: relatively κ_j eps ‖A‖ over the distance to other eigenvalues. Cost: `eig` with left vectors.
    Source: Wilkinson, The Algebraic Eigenvalue Problem (1965), chapter 2; Stewart and Sun, Matrix
    Perturbation Theory (1990), section VI.2.
    """
    if B is None:
        X = square(A, "eigvals_cond")
        w, V, W = raw_eig(X)
        kappa = _length(V, -2) * _length(W, -1) / jnp.abs((W.mT * V).sum(-2))
    else:
        pencil = turned(A, B, "eigvals_cond")
        w, V, W = raw_eig(X := pencil.quotient)
        Y = (
            jnp.linalg.solve(pencil.C.mT.astype(V.dtype), W.mT) if X.size else V
        )  # rows y_jᴴ, as columns
        both = [jnp.broadcast_to(jnp.asarray(M), X.shape).astype(V.dtype) for M in (A, B)]
        forms = jnp.stack([(Y * matmul(M, V)).sum(-2) for M in both], -1)
        kappa = _length(V, -2) * _length(Y, -2) / _length(forms, -1)
    return jnp.where(defective(W, tied(X, w, W)), jnp.inf, kappa) if X.size else kappa


def _length(X, axis):
    return jnp.sqrt((X * X.conj()).real.sum(axis))

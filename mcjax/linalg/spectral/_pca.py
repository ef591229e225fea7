"""Principal components by what of them is smooth: the projector onto their span."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..._core._check import counts, matrix
from ..._core._matmul import matmul
from ..._core._power_of_two import size
from ..._core._shapes import Rectangle, Square
from ._eigvalsh import eigvalsh
from ._spectral_projector import spectral_projector


class Pca(NamedTuple):
    """mean (..., p), projector (..., p, p), variances (..., k), descending, and their part of all."""

    mean: Float[Array, "*batch p"]
    projector: Square
    explained_variance: Float[Array, "*batch k"]
    explained_variance_ratio: Float[Array, "*batch k"]


def pca(X: Rectangle, k: int) -> Pca:
    """The k principal components of samples, by their projector, and the variances along them.

    Identity: C = Xcᴴ Xc/(n - 1), Xc = X - mean;   P projects onto the k largest eigenvectors of C, so
    that mean + (x - mean) P is the reconstruction of a sample x, a row of X.

    Args:
      X: (..., n, p), n >= 2 samples of p features, real or complex.
      k: 1 <= k <= p.

    Returns:
      A named tuple. P has exact derivatives of every order, however variances repeat on either side of
      the gap between the k-th and the next, and is NaN at a tie there. The variances are those of
      `eigvalsh`: at ties, losses that are symmetric in them have gradients and Hessians.

    Errors: eps λ₁ in variances, eps λ₁/(λ_k - λ_{k+1}) in P.
    Cost: n p² flops and two eigendecompositions of p x p.
    Source: Jolliffe, Principal Component Analysis (2002); Overton and Womersley (1993).
    """
    X = matrix(X, "pca")
    n, p = X.shape[-2:]
    if n < 2:
        raise ValueError(f"pca: a variance takes 2 samples or more, got {n}")
    if not counts(k, 1, p):
        raise ValueError(f"pca: k must be one of 1..{p}, got {k!r}")
    mean = X.mean(-2)
    Xc = X - mean[..., None, :]
    unit = size(lax.stop_gradient(Xc))  # squares of Xc may be out of range
    Xc = Xc / unit
    C = matmul(Xc.mT.conj(), Xc) / (n - 1)
    variances, unit = eigvalsh(C)[..., : -k - 1 : -1], unit[..., 0].real
    total = (jnp.abs(Xc) ** 2).sum((-2, -1)) / (n - 1)
    ratio = variances / jnp.where(total > 0, total, 1)[..., None]
    return Pca(mean, spectral_projector(C, slice(-k, None)), variances * unit * unit, ratio)

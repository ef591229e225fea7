"""Linear fits: min ‖L⁻¹ (A p - y)‖ by A = Q R, whitened: p = R⁻¹ Qᵀ y, with the derivatives of QR."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax.scipy.linalg import solve_triangular

from .._core._check import matrix
from .._core._matmul import matmul
from ..linalg import qr
from ._certificate import certify
from ._equation import equation, normal_equation
from ._fit_result import Fit, check_counts, covariance, data_of, independent, noise_of
from ._fit_units import in_units, unit_of
from ._solution import result_of


@eqx.filter_jit
def linear_fit(A: Any, y: Any, sigma: Any = None, absolute_sigma: bool = False) -> Fit:
    """Parameters p that minimise χ² = Σ ((A p - y)/sigma)²: weighted linear regression by QR.

    Identity: dp = C (dAᵀ r - Aᵀ dr), r = y - A p, C = (Aᵀ A)⁻¹, whitened.

    Args:
      A: (m, n), a row for each datum; for a line of intercept and slope [1, x].
      y: (m,). sigma, absolute_sigma: as in `curve_fit`.

    Returns:
      a `Fit`, whose x are rows of A: `fit.prediction_band(rows)`. NaN, and pcov infinite, where
      columns of A are dependent. jvp, vjp and second derivatives in A, y and sigma.

    Errors: ε (κ ‖p‖ + κ² ‖r‖/‖A‖). Cost: a QR and a Hessian. Source: Golub and Van Loan, Matrix
    Computations (2013), section 5.3.
    """
    y = data_of(y, "linear_fit")
    A = matrix(A, "linear_fit")
    if A.ndim != 2 or len(A) != y.size or jnp.iscomplexobj(A):
        raise ValueError(f"linear_fit: A is real, of shape ({y.size}, n), got {A.shape} {A.dtype}")
    A = A.astype(y.dtype)
    m, n = A.shape
    check_counts(m, n, "linear_fit")
    noise = noise_of(sigma, y, "linear_fit")
    rows, b = noise.whiten(A), noise.whiten(y)
    Q, R = qr(rows)
    popt = solve_triangular(R, matmul(Q.T, b[:, None])[:, 0])
    popt = jnp.where(independent(rows, R), popt, jnp.nan)
    r = matmul(rows, popt[:, None])[:, 0] - b
    chi2 = (r**2).sum()

    def residual(p, data):
        A, b = data
        return matmul(A, p[:, None])[:, 0] - b

    problem = in_units(equation(residual, popt, (rows, b), "linear_fit"), popt, b)
    q = popt / unit_of(problem, popt.dtype)
    _, certificate = certify(normal_equation(problem), q, 0, minimum=True)
    pcov, R = covariance(rows, R, chi2, absolute_sigma)
    return Fit(
        popt,
        pcov,
        chi2,
        certificate,
        result_of(optx.RESULTS.successful, certificate),
        None,
        None,
        jax.tree_util.Partial(_rows_times),
        R,
        noise.of_one(y),
        m - n,
        absolute_sigma,
    )


def _rows_times(rows, *p):
    return matmul(jnp.atleast_2d(rows), jnp.stack(p)[:, None])[:, 0].reshape(rows.shape[:-1])

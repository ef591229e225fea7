"""What a fit of y = f(x, p) says: parameters, their covariance, χ², intervals and bands.

With whitened residuals r = L⁻¹ (f(x, p) - y), L Lᵀ = Σ the covariance of y, and J = r_p = Q R at the minimum:

    χ² = rᵀ r,    C = (Jᵀ J)⁻¹ = R⁻¹ R⁻ᵀ,    times χ²/(m - n) where Σ is known up to a factor.

To first order p is normal with covariance C, and a function g(p) with ∇gᵀ C ∇g: the bands. A factor that is
estimated makes the normal distribution Student's with m - n degrees of freedom.
Every number is a function of (p, data), so its derivatives follow from those of p.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
import scipy.special
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaincc
from jaxtyping import Array, Float

from .._core._matmul import matmul
from ..linalg import cholesky, qr
from ._active_set import ActiveSet
from ._certificate import Certificate
from ._linear import jacobian


class Fit(eqx.Module):
    """A fit of n parameters to m data. `popt, pcov = fit`, as from SciPy; the rest by name.

    popt: (n,) parameters of least χ². pcov: (n, n), their covariance, linear theory; ∞ where χ² does not
      determine them. It does not know of bounds, as SciPy's does not.
    chi2: Σ (residual/sigma)², rᵀ Σ⁻¹ r for a matrix. dof: m - n.
    certificate: is it a minimum, and how good are the derivatives; result: optimistix's, successful only
      if stationary. active: the `ActiveSet` of a fit with bounds. num_steps: of the solver.
    """

    popt: Float[Array, " n"]
    pcov: Float[Array, "n n"]
    chi2: Float[Array, ""]
    certificate: Certificate
    result: optx.RESULTS
    active: ActiveSet | None
    num_steps: Array | None
    _model: Callable
    _factor: Array  # R, the identity where its columns are dependent
    _noise: (
        Array | None
    )  # standard deviation of any datum, in the units of `sigma`; None if they differ
    dof: int = eqx.field(static=True)
    absolute_sigma: bool = eqx.field(static=True)

    def __iter__(self):
        return iter((self.popt, self.pcov))

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.popt, self.pcov)[index]

    @property
    def reduced_chi2(self) -> Array:
        """χ² a degree of freedom."""
        return self.chi2 / self.dof if self.dof else jnp.full_like(self.chi2, jnp.nan)

    @property
    def p_value(self) -> Array:
        """The probability of a greater χ² if the model and an absolute sigma are right."""
        if not self.dof:
            return jnp.full_like(self.chi2, jnp.nan)
        return gammaincc(jnp.asarray(self.dof / 2, self.chi2.dtype), self.chi2 / 2)

    @property
    def standard_errors(self) -> Array:
        """√ of the diagonal of pcov."""
        return jnp.sqrt(jnp.diag(self.pcov))

    @property
    def correlation(self) -> Array:
        """pcov in units of the standard errors."""
        errors = self.standard_errors
        return self.pcov / errors[:, None] / errors[None, :]

    def confidence_intervals(self, level: float = 0.95) -> Array:
        """(n, 2): the lower and upper end of each parameter's own interval."""
        half = self._quantile(level) * self.standard_errors
        return jnp.stack([self.popt - half, self.popt + half], 1)

    def __call__(self, x: Any) -> Array:
        """The model at popt."""
        return self._model(x, *self.popt)

    def deviation(self, x: Any) -> Array:
        """The standard error of the fitted curve at x: √(∇fᵀ C ∇f)."""
        variance = self._variance(x)
        certain = variance <= 0  # where no parameter moves the curve; √ has no derivative there
        return jnp.where(certain, 0, jnp.sqrt(jnp.where(certain, 1, variance)))

    def confidence_band(self, x: Any, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper curve around the true f(x), at each x for itself."""
        return self._around(x, self._quantile(level) * self.deviation(x))

    def prediction_band(
        self, x: Any, level: float = 0.95, sigma: Any = None
    ) -> tuple[Array, Array]:
        """Lower and upper curve around a new datum at x: the band of f, and the datum's own noise.

        sigma: its standard deviation, in the units of the fit's sigma. None: that of all data, if one.
        """
        noise = self._noise if sigma is None else jnp.asarray(sigma, self.popt.dtype)
        if noise is None:
            raise ValueError(
                "prediction_band: the data have different errors, so give that of the new datum, sigma="
            )
        variance = noise**2 if self.absolute_sigma else noise**2 * self.reduced_chi2
        spread = jnp.sqrt(self._variance(x) + variance)
        return self._around(x, self._quantile(level) * spread)

    def _variance(self, x):
        """‖R⁻ᵀ ∇f‖², with errors ε κ(R), where ∇fᵀ C ∇f has ε κ²; 0 where no parameter moves the curve."""
        at_x = jax.jacfwd(lambda p: self._model(x, *p))(self.popt)
        slopes = at_x.reshape(-1, len(self.popt)).T
        lengths = solve_triangular(self._factor, slopes, trans="T")
        unknown = jnp.isinf(self.pcov).any() & (slopes != 0).any(0)
        variance = jnp.where(unknown, jnp.inf, (lengths**2).sum(0) * self._scale)
        return variance.reshape(at_x.shape[:-1])

    @property
    def _scale(self):
        known = self.absolute_sigma or not self.dof
        return jnp.ones_like(self.chi2) if known else self.reduced_chi2

    def _around(self, x, half):
        return self(x) - half, self(x) + half

    def _quantile(self, level):
        if not (isinstance(level, float) and 0 < level < 1):
            raise ValueError(f"Fit: level is a Python float between 0 and 1, got {level!r}")
        if self.absolute_sigma:
            return float(scipy.special.ndtri((1 + level) / 2))
        return float(scipy.special.stdtrit(max(self.dof, 1), (1 + level) / 2))


class Noise(eqx.Module):
    """The errors of y: None, standard deviations, or the Cholesky factor of a covariance matrix."""

    factor: Array | None

    def whiten(self, r: Array) -> Array:
        """L⁻¹ r, of a vector or the columns of a matrix."""
        if self.factor is None:
            return r
        if self.factor.ndim == 2:
            return solve_triangular(self.factor, r, lower=True)
        deviations = jnp.broadcast_to(self.factor, r.shape[:1])
        return r / (deviations if r.ndim == 1 else deviations[:, None])

    def of_one(self, like: Array) -> Array | None:
        """The standard deviation of every datum, if it is the same."""
        if self.factor is None:
            return jnp.ones((), like.dtype)
        return self.factor if self.factor.ndim == 0 else None


def noise_of(sigma: Any, y: Array, name: str) -> Noise:
    """SciPy's sigma: None, a number, (m,) standard deviations or an (m, m) covariance matrix, of which the
    lower triangle is read."""
    if sigma is None:
        return Noise(None)
    sigma = jnp.asarray(sigma).astype(y.dtype)
    if sigma.shape not in ((), (1,), y.shape, 2 * y.shape):
        raise ValueError(
            f"{name}: sigma is a number, standard deviations of shape {y.shape} or a covariance matrix "
            f"of shape {2 * y.shape}, got {sigma.shape}"
        )
    if sigma.ndim == 2:
        return Noise(cholesky(jnp.tril(sigma) + jnp.tril(sigma, -1).T))
    return Noise(sigma.reshape(()) if sigma.size == 1 else sigma)


def data_of(y: Any, name: str) -> Array:
    """The data as a real floating-point vector."""
    y = jnp.asarray(y)
    if jnp.iscomplexobj(y):
        raise TypeError(f"{name}: complex data; fit their real and imaginary parts, concatenated")
    if y.ndim != 1 or y.size == 0:
        raise ValueError(f"{name}: data are a vector of shape (m,), got {y.shape}; ravel them")
    return y if jnp.issubdtype(y.dtype, jnp.floating) else y.astype(jnp.result_type(float))


def check_counts(m: int, n: int, name: str) -> None:
    """Raise unless there are as many data as parameters."""
    if n > m:
        raise ValueError(f"{name}: {n} parameters need as many data or more, got {m}")


def independent(J: Array, R: Array) -> Array:
    """Whether the columns of J = Q R are independent, to rounding: |r_jj| against ‖J_j‖."""
    lengths = jnp.sqrt((J**2).sum(0))
    return (jnp.abs(jnp.diag(R)) > len(J) * jnp.finfo(R.dtype).eps * lengths).all()


def covariance(J: Array, R: Array, chi2: Array, absolute_sigma: bool) -> tuple[Array, Array]:
    """C from J = Q R, ∞ where the columns of J are dependent to rounding; and R, there the identity."""
    m, n = J.shape
    one = jnp.eye(n, dtype=R.dtype)
    known = independent(J, R) | ~jnp.isfinite(J).all()  # NaN stays NaN
    R = jnp.where(known, R, one)
    if m == n and not absolute_sigma:
        return jnp.full((n, n), jnp.inf, J.dtype), R
    inverse = solve_triangular(R, one)
    scale = 1 if absolute_sigma else chi2 / (m - n)
    return jnp.where(known, matmul(inverse, inverse.T) * scale, jnp.inf), R


def jacobian_and_factor(residuals: Callable, p: Array) -> tuple[Array, Array, Array]:
    """r, J and R of J = Q R at p."""
    r, push = jax.linearize(residuals, p)
    J = jacobian(push, p)
    _, R = qr(J)
    return r, J, R


def callable_pytree(f: Callable) -> Callable:
    """f as a pytree whose leaves are arrays, so that a fit may leave jit."""
    opaque = jax.tree.leaves(f) == [f]
    return jax.tree_util.Partial(f) if opaque else f

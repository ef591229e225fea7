"""curve_fit and linear_fit: against NIST's certified values, SciPy, and derivatives in 60 digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optimistix as optx
import pytest
import scipy.optimize
import scipy.stats

from mcjax.solve import curve_fit, linear_fit

from .nist import MODELS, load

EPS = jnp.finfo(float).eps
FAST = ["Misra1a", "Rat42"]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MODELS if name not in FAST]


def true_gradient(name):
    """dp/dy = H⁻¹ Jᵀ, H = Jᵀ J + Σ rᵢ ∇²rᵢ, in 60 digits at the minimum: Newton's method from NIST's."""
    s, f = load(name), MODELS[name]
    n, h = len(s.b), mpmath.mpf(10) ** -15
    with mpmath.workdps(60):
        x, y = [mpmath.mpf(v) for v in s.x], [mpmath.mpf(v) for v in s.y]
        p = [mpmath.mpf(v) for v in s.b]
        steps = [abs(v) * h for v in p]
        unit = np.eye(n, dtype=int)

        def model(p, shift):
            q = [a + int(k) * d for a, k, d in zip(p, shift, steps, strict=True)]
            return np.array([f(v, *q, xp=mpmath) for v in x])

        for _ in range(3):
            here = model(p, 0 * unit[0])
            ahead, behind = ([model(p, sign * e) for e in unit] for sign in (1, -1))
            J = [(a - b) / (2 * d) for a, b, d in zip(ahead, behind, steps, strict=True)]
            r, H = here - np.array(y), mpmath.matrix(n)
            for i in range(n):
                for j in range(i + 1):
                    corners = model(p, unit[i] + unit[j]) + model(p, -unit[i] - unit[j])
                    mixed = corners - ahead[i] - behind[i] - ahead[j] - behind[j] + 2 * here
                    curved = (r * mixed).sum() / (2 * steps[i] * steps[j])
                    H[i, j] = H[j, i] = (J[i] * J[j]).sum() + curved
            slope = mpmath.matrix([(j * r).sum() for j in J])
            step = mpmath.lu_solve(H, slope)
            p = [a - step[i] for i, a in enumerate(p)]
        inverse = H**-1
        rows = [sum(inverse[i, j] * J[j] for j in range(n)) for i in range(n)]
    return np.array(rows, float), np.array(p, float)


def fitted(name, solver=None):
    """p0 ↦ fit and dp/dy."""
    s = load(name)

    def run(p0):
        def popt(y):
            fit = curve_fit(s.model, s.x, y, p0, solver=solver, throw=False)
            return fit.popt, fit

        slopes, fit = jax.jacrev(popt, has_aux=True)(jnp.asarray(s.y))
        return fit, slopes

    return jax.jit(run)


def digits(found, truth):
    """Lanczos3 has three interchangeable terms: its parameters are compared in order of size."""
    return -np.log10(np.abs(np.sort(found) / np.sort(truth) - 1).max() + 1e-16)


def in_order(name, rows, p):
    """The rows of a gradient, in the order that parameters have in NIST's table."""
    b = load(name).b
    return rows[np.argsort(p)[np.argsort(np.argsort(b))]]


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_nist(name):
    """From both starts, to the 11 digits that are published; and dp/dy against 60 digits."""
    s, run = load(name), fitted(name)
    truth, _ = true_gradient(name)
    for start in s.starts:
        fit, slopes = run(jnp.asarray(start))
        assert fit.result == optx.RESULTS.successful
        assert digits(fit.popt, s.b) > 9
        assert digits(fit.standard_errors, s.deviations) > 9
        assert abs(fit.chi2 / s.squares - 1) < 1e-9
        error = row_error(in_order(name, slopes, np.asarray(fit.popt)), truth)
        assert error < max(fit.certificate.gradient_error, 1e-10)


def row_error(found, truth):
    return (np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)).max()


def gradient_errors(tol):
    """(true error, estimate) of dp/dy after a solver with tolerance tol, over 18 runs."""
    solver = optx.LevenbergMarquardt(tol, tol)
    for name in MODELS:
        s, run, (truth, _) = load(name), fitted(name, solver), true_gradient(name)
        for start in s.starts:
            fit, slopes = run(jnp.asarray(start))
            error = row_error(in_order(name, slopes, np.asarray(fit.popt)), truth)
            yield error, float(fit.certificate.gradient_error)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tol, median", [(1e-3, 1e-6), (1e-8, 1e-10)])
def test_gradients_of_loose_solvers(tol, median):
    errors, estimates = np.array([*gradient_errors(tol)]).T
    assert np.median(errors) <= median
    wrong = (errors > 0.01) | np.isnan(errors)
    assert (estimates[wrong] > 0.01).all()


def decay(x, a, rate, c):
    return a * jnp.exp(-rate * x) + c


def decay_numpy(x, a, rate, c):
    return a * np.exp(-rate * x) + c


X = np.linspace(0, 4, 12)
Y = decay_numpy(X, 2.5, 1.3, 0.5) + 0.1 * np.cos(9 * X)
SIGMA = 0.1 + 0.05 * np.sin(3 * X) ** 2
SIGMAS = {
    "none": None,
    "number": 0.3,
    "vector": SIGMA,
    "matrix": np.diag(SIGMA**2) + 0.004 * np.exp(-((X[:, None] - X[None, :]) ** 2)),
}
P0 = np.array([2.0, 1.0, 0.3])


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIGMAS)
def test_scipys_signature_and_values(kind):
    sigma, absolute = SIGMAS[kind], kind in ("number", "matrix")
    popt, pcov = curve_fit(decay, X, Y, P0, sigma, absolute)
    tight = dict(xtol=1e-15, ftol=1e-15)
    truth, covariance = scipy.optimize.curve_fit(decay_numpy, X, Y, P0, sigma, absolute, **tight)
    np.testing.assert_allclose(popt, truth, rtol=1e-6)  # its Jacobian is a difference
    np.testing.assert_allclose(pcov, covariance, rtol=1e-5)


def by_scipy(sigma=None):
    tight = dict(xtol=1e-15, ftol=1e-15)
    return scipy.optimize.curve_fit(decay_numpy, X, Y, P0, sigma, **tight)


def test_without_p0_the_signature_counts_parameters():
    sigma = SIGMAS["matrix"]
    popt, pcov = fit = curve_fit(decay, list(X), list(Y), sigma=sigma)
    truth, covariance = by_scipy(sigma)
    np.testing.assert_allclose(popt, truth, rtol=1e-6)  # its Jacobian is a difference
    np.testing.assert_allclose(pcov, covariance, rtol=1e-5)
    assert len(fit) == 2 and fit[0] is popt


def everything(y, sigma):
    """All numbers of a fit, weighted without order, as one."""
    fit = curve_fit(decay, X, y, P0, sigma, throw=False)
    band = fit.prediction_band(jnp.array([0.5, 5.0]), sigma=0.2)
    parts = [fit.popt, 50 * fit.pcov.reshape(-1), fit.chi2.reshape(1), *band]
    values = jnp.concatenate(parts)
    return (values * jnp.cos(1.0 + jnp.arange(values.size, dtype=values.dtype))).sum()


@pytest.mark.parametrize("kind, orders", [("vector", 1), slow("matrix", 2)])
def test_derivatives_in_data_and_errors(kind, orders):
    """jvp = vjp, and extrapolated differences along a direction, of first and second order."""
    at = (jnp.asarray(Y), jnp.asarray(SIGMAS[kind]))
    v = (0.1 * jnp.cos(5 * X), 0.1 * at[1])

    def along(t):
        return [everything(*(a + t * d for a, d in zip(at, v, strict=True)))]

    def with_slope(f):
        def values(t):
            value, slope = jax.jvp(f, (t,), (jnp.ones_like(t),))
            return [*value, slope[-1]]

        return values

    program = jax.jit(with_slope(along) if orders == 1 else with_slope(with_slope(along)))
    gradient = jax.jit(jax.grad(everything, (0, 1)))(*at)
    reverse = sum((g * d).sum() for g, d in zip(gradient, v, strict=True))
    seen = {t: np.array(program(jnp.array(t))) for t in (-0.04, -0.02, 0.0, 0.02, 0.04)}
    found = seen[0.0]
    np.testing.assert_allclose(found[1], reverse, rtol=1e-11)
    fine, coarse = ((seen[h] - seen[-h]) / (2 * h) for h in (0.02, 0.04))
    bar = np.abs(fine - coarse)[:-1] / 3
    assert (np.abs(found[1:] - (fine + (fine - coarse) / 3)[:-1]) < 0.1 * bar + 1e-8).all()
    assert (bar < 0.05 * np.abs(found[1:])).all()


@pytest.mark.parametrize("rate, active", [(1.0, True), slow(1.6, False)])
def test_bounds(rate, active):
    """An upper bound on the rate that holds it, or does not: SciPy's minimum, and projector derivatives."""
    bounds = ([0.0, -np.inf, -np.inf], [np.inf, rate, np.inf])

    def popt(y, upper):
        fit = curve_fit(decay, X, y, bounds=(bounds[0], upper), throw=False)
        return fit.popt, fit

    upper = jnp.asarray(bounds[1])
    jacobian = jax.jit(jax.jacrev(popt, (0, 1), has_aux=True))
    (in_y, in_bound), fit = jacobian(jnp.asarray(Y), upper)
    truth = scipy.optimize.curve_fit(
        decay_numpy, X, Y, bounds=bounds, xtol=1e-15, ftol=1e-15, gtol=1e-13
    )[0]
    assert fit.result == optx.RESULTS.successful
    np.testing.assert_allclose(fit.popt, truth, rtol=1e-6)
    assert bool(fit.active.upper[1]) == active
    if not active:
        free = jax.jit(jax.jacfwd(lambda y: curve_fit(decay, X, y, P0, throw=False).popt))
        np.testing.assert_allclose(in_y, free(jnp.asarray(Y)), atol=1e-11)
        return
    assert fit.popt[1] == rate
    rows = np.stack([np.exp(-rate * X), np.ones_like(X)], 1)  # what is left is linear
    np.testing.assert_allclose(in_y[jnp.array([0, 2])], np.linalg.pinv(rows), atol=1e-11)
    assert not np.any(in_y[1])
    np.testing.assert_allclose(in_bound[1], [0, 1, 0], atol=1e-12)

    def of_rate(b):
        M = jnp.stack([jnp.exp(-b * X), jnp.ones_like(jnp.asarray(X))], 1)
        return jnp.linalg.solve(M.T @ M, M.T @ Y)

    slopes = jax.jacfwd(of_rate)(jnp.array(rate))
    np.testing.assert_allclose(in_bound[jnp.array([0, 2]), 1], slopes, atol=1e-10)


def test_a_line_in_closed_form():
    """Slope and intercept, their covariance and bands, from any textbook; dp/dy is the pseudoinverse."""
    A = np.stack([np.ones_like(X), X], 1)
    fit = jax.jit(linear_fit)(A, Y, SIGMA)
    W = A / SIGMA[:, None]
    C = np.linalg.inv(W.T @ W)
    p = C @ (W.T @ (Y / SIGMA))
    chi2 = (((A @ p - Y) / SIGMA) ** 2).sum()
    np.testing.assert_allclose(fit.popt, p, rtol=1e-13)
    np.testing.assert_allclose(fit.pcov, C * chi2 / 10, rtol=1e-12)
    assert fit.dof == 10 and fit.result == optx.RESULTS.successful
    np.testing.assert_allclose(fit.reduced_chi2, chi2 / 10, rtol=1e-13)
    t, rows = scipy.stats.t.ppf(0.95, 10), np.array([[1.0, 2.5], [1.0, 9.0]])
    half = t * np.sqrt(np.diag(C) * chi2 / 10)
    intervals = np.stack([p - half, p + half], 1)
    np.testing.assert_allclose(fit.confidence_intervals(0.9), intervals, rtol=1e-12)
    spread = np.sqrt(chi2 / 10 * (0.2**2 + np.einsum("ij,jk,ik->i", rows, C, rows)))
    low, high = fit.prediction_band(rows, 0.9, sigma=0.2)
    np.testing.assert_allclose([low, high], [rows @ p - t * spread, rows @ p + t * spread])
    slopes = jax.jit(jax.jacrev(lambda y: linear_fit(A, y, SIGMA).popt))(jnp.asarray(Y))
    np.testing.assert_allclose(slopes, C @ (W / SIGMA[:, None]).T, rtol=1e-11, atol=1e-14)


@pytest.mark.slow
def test_a_linear_model_is_the_same_fit_either_way():
    A = np.stack([np.ones_like(X), X, X**2], 1)
    one = linear_fit(A, Y, SIGMA, absolute_sigma=True)
    other = curve_fit(
        lambda x, a, b, c: a + b * x + c * x * x, X, Y, P0, SIGMA, absolute_sigma=True
    )
    for found, truth in zip(jax.tree.leaves(list(other)), jax.tree.leaves(list(one)), strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-11)
    np.testing.assert_allclose(one.p_value, scipy.stats.chi2.sf(one.chi2, 9), rtol=1e-10)
    band = other.confidence_band(jnp.array([1.0]))
    np.testing.assert_allclose(band, one.confidence_band(jnp.array([[1.0, 1.0, 1.0]])))


def test_lanes_fail_alone():
    """A lane of NaN and one whose parameters are not determined; the good lane is as it is alone."""
    y = jnp.stack([jnp.asarray(Y), jnp.full(12, jnp.nan), jnp.zeros(12)])
    fits = jax.jit(jax.vmap(lambda y: curve_fit(decay, X, y, P0, throw=False)))(y)
    good = np.asarray(fits.result == optx.RESULTS.successful)
    assert good[0] and not good[1]
    np.testing.assert_allclose(fits.popt[0], by_scipy()[0], rtol=1e-6)
    assert not np.isfinite(fits.pcov[1]).any()
    fit = linear_fit(np.ones((12, 2)), Y)
    assert np.isnan(fit.popt).all() and not np.isfinite(fit.pcov).any()
    assert fit.result != optx.RESULTS.successful


def test_float32():
    f = jnp.float32
    fit = curve_fit(decay, X.astype(f), Y.astype(f), P0)
    assert fit.popt.dtype == fit.pcov.dtype == f
    popt, pcov = by_scipy()
    np.testing.assert_allclose(fit.popt, popt, rtol=6e-6)  # 10 ε κ, κ = 4.8
    np.testing.assert_allclose(fit.pcov, pcov, rtol=3e-5)  # 10 ε κ²


def test_a_failed_fit_raises():
    with pytest.raises(Exception, match="not finite"):
        curve_fit(decay, X, Y * np.nan, P0)


@pytest.mark.parametrize(
    "message, call",
    [
        ("as many data", lambda: curve_fit(decay, X[:2], Y[:2], P0)),
        ("shape of ydata", lambda: curve_fit(lambda x, a: a, X, Y, [1.0])),
        ("a vector of shape", lambda: curve_fit(decay, X, Y[None], P0)),
        ("sigma is a number", lambda: curve_fit(decay, X, Y, P0, SIGMA[:3])),
        ("strictly less", lambda: curve_fit(decay, X, Y, P0, bounds=(1, 0))),
        ("strictly less", lambda: curve_fit(decay, X, Y, P0, bounds=([0, 0, 1], [9, 9, 1]))),
        ("a bound is a number", lambda: curve_fit(decay, X, Y, P0, bounds=([1, 0], 3))),
        ("give p0", lambda: curve_fit(lambda *p: p[0], X, Y)),
        ("real and imaginary", lambda: curve_fit(decay, X, Y * 1j, P0)),
        ("A is real", lambda: linear_fit(np.ones((3, 2)), Y)),
        ("that of the new datum", lambda: linear_fit(X[:, None], Y, SIGMA).prediction_band(X)),
        ("level is", lambda: linear_fit(X[:, None], Y).confidence_intervals(95)),
    ],
)
def test_bad_input_names_the_remedy(message, call):
    with pytest.raises((ValueError, TypeError), match=message):
        call()

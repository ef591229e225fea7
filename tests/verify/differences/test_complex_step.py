"""The complex step is right to the last digits or refuses: nothing is silently wrong."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.verify import differences
from mcjax.verify.differences import Status

EPS = np.finfo(float).eps
x = jnp.asarray([0.7, -0.4, 1.3, 0.2])
positive = jnp.asarray([0.7, 0.4, 1.3, 0.2])
A = jnp.asarray(np.random.default_rng(0).standard_normal((4, 4)))
S = A @ A.T + 4 * jnp.eye(4)

ANALYTIC = {
    "sin": (jnp.sin, x),
    "cos": (jnp.cos, x),
    "tan": (jnp.tan, x),
    "exp": (jnp.exp, x),
    "expm1": (jnp.expm1, x),
    "log": (jnp.log, positive),
    "log1p": (jnp.log1p, positive),
    "sqrt": (jnp.sqrt, positive),
    "sinh": (jnp.sinh, x),
    "cosh": (jnp.cosh, x),
    "tanh": (jnp.tanh, x),
    "power": (lambda x: x**3.5, positive),
    "square": (jnp.square, x),
    "reciprocal": (jnp.reciprocal, x),
    "prod": (jnp.prod, x),
    "cumsum": (jnp.cumsum, x),
    "cumprod": (jnp.cumprod, x),
    "mean": (jnp.mean, x),
    "dot": (lambda x: jnp.dot(x, jnp.sin(x)), x),
    "matmul": (lambda A: A @ A, A),
    "einsum": (lambda A: jnp.einsum("ij,jk,kl->il", A, A, A), A),
    "outer": (lambda x: jnp.outer(x, x), x),
    "kron": (lambda A: jnp.kron(A, A), A),
    "trace": (jnp.trace, A),
    "det": (jnp.linalg.det, A),
    "inv": (jnp.linalg.inv, A),
    "solve": (lambda A: jnp.linalg.solve(A, A @ A), A),
    "polyval": (lambda x: jnp.polyval(x, x[1]), x),
    "where": (lambda x: jnp.where(x.real > 0, jnp.sin(x), x**2), x),
}
# Right, or refused because the function does not take complex numbers or is not real for real ones.
EITHER = {
    "arctan": (jnp.arctan, x),
    "arcsinh": (jnp.arcsinh, x),
    "convolve": (lambda x: jnp.convolve(x, x), x),
    "fft": (jnp.fft.fft, x),
    "sort": (jnp.sort, x),
    "max": (jnp.max, x),
    "logaddexp": (lambda x: jnp.logaddexp(x, x**2), x),
    "erf": (jax.scipy.special.erf, x),
    "var": (jnp.var, x),
}
TRAPS = {
    "abs": (jnp.abs, x),
    "real": (jnp.real, x),
    "conj": (jnp.conj, x),
    "norm": (jnp.linalg.norm, x),
    "slogdet": (lambda A: jnp.linalg.slogdet(A)[1], A),
    "cholesky": (jnp.linalg.cholesky, S),
    "eigvalsh": (jnp.linalg.eigvalsh, S),
    "svd": (lambda A: jnp.linalg.svd(A, compute_uv=False), A),
    "qr": (lambda A: jnp.linalg.qr(A)[1], A),
}


def along(f, x, **options):
    v = jnp.asarray(np.random.default_rng(1).standard_normal(x.shape))
    with jax.numpy_dtype_promotion("standard"):  # a complex function of jnp may promote
        found = differences.jvp(jax.jit(f), x, v, method="complex step", **options)
    return found, np.asarray(jax.jvp(f, (x,), (v,))[1])


def right(found, truth):
    return np.abs(found.value - truth) <= found.error + 64 * EPS * np.abs(truth).max()


def refused(found):
    return (found.status == Status.NOT_ANALYTIC) & np.isnan(found.value) & np.isinf(found.error)


def test_there_are_47_functions():
    assert len(ANALYTIC) + len(EITHER) + len(TRAPS) == 47


@pytest.mark.parametrize("name", ANALYTIC)
def test_analytic_functions_are_right_to_the_last_digits(name):
    found, truth = along(*ANALYTIC[name])
    assert np.all(found.status == Status.OK) and np.all(right(found, truth))
    assert np.all(found.error <= 1e-12 * np.abs(truth).max())


@pytest.mark.parametrize("name", EITHER)
def test_right_or_refused(name):
    found, truth = along(*EITHER[name])
    assert np.all(refused(found) | right(found, truth))


@pytest.mark.parametrize("name", TRAPS)
def test_traps_are_refused(name):
    found, truth = along(*TRAPS[name])
    # A triangular factor has zeros, which have the derivative 0 by any method.
    assert np.all(refused(found) | ((truth == 0) & (found.value == 0)))
    assert refused(found).any()


def test_no_trap_springs_under_jit():
    for f, x in (TRAPS["cholesky"], TRAPS["abs"], TRAPS["conj"]):
        found = jax.jit(lambda x, f=f: differences.jvp(f, x, x, method="complex step"))(x)
        assert np.isnan(found.value).any()


def test_refusals():
    assert refused(differences.derivative(math.sin, 1.0, method="complex step"))
    stepped = differences.derivative(lambda x: jnp.round(x) + x * 0, 1.2, method="complex step")
    assert refused(stepped) or stepped.value == 0.0
    assert refused(differences.derivative(lambda x: x * x.conjugate(), 1.0, method="complex step"))
    noisy = np.random.default_rng(0)
    found = differences.derivative(
        lambda x: np.sin(x) + 1e-6 * noisy.standard_normal(), 1.0, method="complex step"
    )
    assert refused(found) or abs(found.value - math.cos(1)) <= found.error


def test_better_than_differences_where_they_cancel():
    f, truth = (lambda x: np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)), 4.053427893898621
    found = differences.derivative(f, 1.5, method="complex step")
    assert abs(found.value - truth) <= 2 * EPS * truth and found.error < 1e-13


def test_single_precision():
    found = differences.derivative(jnp.exp, np.float32(1.0), method="complex step")
    assert abs(found.value - np.e) <= found.error < 1e-4


def test_what_it_cannot_do():
    with pytest.raises(ValueError, match="richardson"):
        differences.derivative(np.sin, 1.0, order=2, method="complex step")
    with pytest.raises(ValueError, match="complex step"):
        differences.derivative(np.sin, 1.0, method="complex")
    found = differences.derivative(np.exp, 1.0 + 1j, method="complex step")
    assert refused(found)

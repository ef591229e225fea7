"""Right rules of smooth mathematics: special functions, complex functions, formulas, softmaxes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special, stats

from ._points import normal, positive
from ._rule import Rule

POSITIVE = {"domain": (0, None)}
UNIT = {"domain": (0, 1)}

SPECIAL = (
    Rule(
        "gammaln from its pole to 300", special.gammaln, (np.array([1e-3, 2.5, 300.0]),), POSITIVE
    ),
    Rule(
        "gammaln between its poles", special.gammaln, (np.array([-0.5, -2.3, 1.5]),), {"order": 1}
    ),
    Rule("digamma beside its zero", special.digamma, (np.array([1.46, 0.01, 50.0]),), POSITIVE),
    Rule("erf", special.erf, (np.array([-1.0, 1e-3, 3.0]),)),
    Rule("erfc far in its tail", special.erfc, (np.array([5.0, -2.0]),)),
    Rule("inverse erf beside 1", special.erfinv, (np.array([0.999, -0.5]),)),
    Rule("log of the normal tail at -12", special.log_ndtr, (np.array([-12.0, -1.0, 4.0]),)),
    Rule("Bessel i0e with its kink at 0", special.i0e, (np.array([1e-3, 5.0, -2.0]),)),
    Rule(
        "incomplete beta in x",
        lambda x: special.betainc(jnp.full_like(x, 2.0), jnp.full_like(x, 3.5), x),
        (np.array([0.1, 0.8]),),
        UNIT,
    ),
    Rule(
        "incomplete gamma in x",
        lambda x: special.gammainc(jnp.full_like(x, 2.5), x),
        (positive(3),),
        POSITIVE,
    ),
    Rule("entropy -x log x", special.entr, (np.array([1e-4, 0.3, 0.9]),), POSITIVE),
    Rule("entropy without a domain", special.entr, (positive(3),)),
    Rule("xlogy", special.xlogy, (positive(3), positive(3, seed=1)), POSITIVE),
    Rule(
        "xlogy at x = 0",
        special.xlogy,
        (np.zeros(2), np.array([0.5, 2.0])),
        {"domain": lambda x, y: jnp.all(y > 0)},
    ),
    Rule(
        "Kullback-Leibler divergence", special.kl_div, (positive(3), positive(3, seed=1)), POSITIVE
    ),
    Rule(
        "Student t log density",
        lambda x, v: stats.t.logpdf(x, v),
        (normal(3), positive(3)),
        {"domain": lambda x, v: jnp.all(v > 0)},
    ),
)

NETWORKS = (
    Rule("softmax", jax.nn.softmax, (normal(2, 4),)),
    Rule("log softmax of spread logits", jax.nn.log_softmax, (30 * normal(4),)),
    Rule(
        "logsumexp with signs",
        lambda x: special.logsumexp(x, b=jnp.asarray([1.0, -0.5, 2.0], x.dtype)),
        (np.array([0.3, -1.0, 0.5]),),
    ),
    Rule("logaddexp", jnp.logaddexp, (np.array([0.0, 80.0]), np.array([1e-3, -80.0]))),
    Rule("softplus at ±40", jax.nn.softplus, (np.array([40.0, -40.0, 0.1]),)),
    Rule(
        "layer normalisation",
        lambda x: (x - jnp.mean(x)) / jnp.sqrt(jnp.var(x) + 1e-2),
        (normal(6),),
    ),
    Rule(
        "attention",
        lambda q, k, v: jax.nn.softmax(q @ k.T / 2.0) @ v,
        (normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2)),
    ),
    Rule(
        "cosine similarity",
        lambda x, y: x @ y / jnp.sqrt((x @ x) * (y @ y)),
        (normal(4), normal(4, seed=1)),
    ),
    Rule("product of entries, one zero", jnp.prod, (np.array([2.0, 0.0, -1.5, 0.5]),)),
    Rule("cumulative product through a zero", jnp.cumprod, (np.array([2.0, 0.0, -1.5, 0.5]),)),
)

FORMULAS = (
    Rule(
        "power in base and exponent",
        lambda x, y: x**y,
        (positive(3), normal(3)),
        {"domain": lambda x, y: jnp.all(x > 0)},
    ),
    Rule(
        "Black-Scholes call",
        lambda S, s: (
            S * special.ndtr(jnp.log(S) / s + s / 2) - special.ndtr(jnp.log(S) / s - s / 2)
        ),
        (np.array(1.1), np.array(0.3)),
        POSITIVE,
    ),
    Rule("linear", lambda x: 3 * x - jnp.flip(x), (normal(4),)),
    Rule("constant", lambda x: jnp.ones(3, x.dtype), (normal(4),)),
    Rule("zero times its argument", lambda x: 0.0 * x, (normal(4),)),
    Rule("identity", lambda x: x, (normal(2, 2),)),
    Rule("linear in one argument", lambda x, y: jnp.sin(x) * y, (normal(3), normal(3, seed=1))),
    Rule("nothing depends on the second argument", lambda x, y: jnp.sin(x), (normal(3), normal(2))),
    Rule(
        "gradient inside the function", jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 3)), (normal(3),)
    ),
)


def z(*shape, seed=0):
    return normal(*shape, seed=seed) + 1j * normal(*shape, seed=seed + 1)


def modulus_squared(z):
    return z.real**2 + z.imag**2


def phase(t):
    return lax.complex(jnp.cos(t), jnp.sin(t))


COMPLEX = (
    Rule("complex exp", jnp.exp, (z(3),)),
    Rule("Möbius map", lambda x: (x - 1j) / (x + 1j), (z(3),)),
    Rule("conjugate", jnp.conj, (z(3),)),
    Rule("|z|² by parts", modulus_squared, (z(3),)),
    Rule("|z| beside 0", jnp.abs, (np.array([1e-6 + 1e-6j, 3 - 4j]),)),
    Rule(
        "complex loss with real parameters",
        lambda t, x: jnp.sum(modulus_squared(x - phase(t))),
        (normal(3), z(3)),
    ),
    Rule("real to complex", phase, (normal(3),)),
    Rule("Fourier transform", jnp.fft.fft, (z(5),)),
    Rule("inverse real Fourier transform", partial(jnp.fft.irfft, n=6), (z(4),)),
    Rule(
        "power spectrum",
        lambda x: jnp.sum(jnp.log(1 + modulus_squared(jnp.fft.rfft(x)))),
        (normal(6),),
    ),
    Rule(
        "convolution by Fourier transforms",
        lambda x, y: jnp.fft.ifft(jnp.fft.fft(x) * jnp.fft.fft(y)).real,
        (normal(5), normal(5, seed=1)),
    ),
    Rule(
        "complex and real arguments together", lambda x, t: phase(t) * jnp.sin(x), (z(3), normal(3))
    ),
)

RULES = SPECIAL + NETWORKS + FORMULAS + COMPLEX

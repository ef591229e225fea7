"""The complex step: f'(x) v = Im f(x + ih v)/h, with no difference and so no cancellation.

For f analytic and real on the real line, f(x + ih v) = f(x) + ih f'(x) v - h² f''(x)[v, v]/2 - ..., and with
h = 1e-100 the first two terms are all that is left. It is right to the last digits; but a function that is
not analytic (abs, conj, norms, everything Hermitian) gives a number that means nothing, with no sign
of it. So it is believed only if

- f takes complex x, is real for real x, and gives complex results for complex x;
- Re f(x + ih v) is f(x);
- Im f(x + ih v)/h is the derivative along the real line, which Cauchy and Riemann require: it agrees
  with extrapolated differences within their bar.

Where differences know less than six digits they vouch for no more, and their bar is the bar. Otherwise
the bar is what the rounding of x does: the spread over three steps, with x moved by one rounding.

Source: Squire and Trapp, SIAM Review 40 (1998) 110.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ._estimate import Estimate, Status
from ._line import namespace, wide

_VOUCHED = 1e-6
_DOUBLE = 2.0**-52
_PROBES = ((1.0, 0.0), (1.3, 1.0), (0.7, -1.0))  # multiples of the step, and of one rounding of x


def complex_step(f, x, v, samples, real: Estimate) -> Estimate:
    """The complex step, or a refusal; `real` is the same derivative by differences."""
    values, tree = jax.tree.flatten(real.value)
    bars = jax.tree.leaves(real.error)
    eps = max((s.eps for s in samples), default=_DOUBLE)
    step = samples[0].size * (2.0**-332 if eps <= _DOUBLE else 2.0**-66) if samples else 1.0
    try:
        with np.errstate(all="ignore"):
            seen = [jax.tree.leaves(f(_probe(x, v, step * a, eps * b))) for a, b in _PROBES]
    except Exception:  # whatever a function says to complex x, it says no
        seen = [[s.at for s in samples]] * len(_PROBES)
    rows = zip(samples, values, bars, *seen, strict=True)
    entries = [_entry(s, value, bar, probes, step) for s, value, bar, *probes in rows]
    return Estimate(*(tree.unflatten([e[i] for e in entries]) for i in range(3)))


def _probe(x, v, step, shift):
    """x + i step v in the complex type of x, with the entries of x moved by ± shift of their own."""
    xp = namespace(x, v, step)

    def probe(a, b):
        if xp.iscomplexobj(a):
            raise TypeError("complex step: x must be real")
        signs = (-1.0) ** np.arange(np.size(a)).reshape(np.shape(a))
        a_wide, b_wide = wide(a, xp), wide(b, xp)
        moved = a_wide + a_wide * (shift * signs) + 1j * (step * b_wide)
        single = jnp.finfo(a.dtype).bits < 64
        return moved.astype(xp.complex64 if single else xp.complex128)

    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(probe, x, v)


def _entry(s, by_difference, its_bar, probes, step):
    """One output: value, error bar and status."""
    xp = s.at.__array_namespace__()
    probes = [xp.asarray(y) for y in probes]
    if xp.iscomplexobj(s.at) or not all(map(xp.iscomplexobj, probes)):
        return _refuse(s.at.real, xp.zeros(s.at.shape, bool))
    with np.errstate(all="ignore"), jax.numpy_dtype_promotion("standard"):
        steps = [step * a for a, _ in _PROBES]
        first, *others = [wide(y, xp).imag / h for y, h in zip(probes, steps, strict=True)]
        spread = xp.stack([xp.abs(y - first) for y in others]).max(0)
        error = 4 * (spread + s.eps * xp.abs(first))
        scale = xp.maximum(xp.abs(first), xp.abs(s.at) / s.size)
        near = xp.abs(wide(probes[0], xp).real - s.at) <= s.eps**0.5 * scale * s.size
        agrees = xp.abs(first - by_difference) <= error + its_bar
        vouched = its_bar <= _VOUCHED * scale
        error = xp.where(vouched, error, xp.maximum(error, its_bar))
        return _refuse(first, near & agrees & xp.isfinite(its_bar), error)


def _refuse(value, analytic, error=0.0):
    xp = value.__array_namespace__()
    status = xp.where(analytic, int(Status.OK), int(Status.NOT_ANALYTIC))
    return xp.where(analytic, value, xp.nan), xp.where(analytic, error, xp.inf), status

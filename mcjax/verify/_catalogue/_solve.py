"""The catalogue of what an equation defines, against closed forms.

Without throw: an error raised at run time is a call of the host, which does not lower for another device.
"""

import jax.numpy as jnp
import numpy as np
import optax

from ... import solve
from ._entry import Entry


def _cube_root(b):
    return solve.attach_implicit(jnp.cbrt(b), lambda x, b: x**3 - b, b)


def _nested_root(b):
    """x with x + y(x) = b, y³ = x: a root of an equation that has a root in it."""
    y = jnp.cbrt(b / 2)
    x = b - y
    for _ in range(60):
        y = y - (y**3 + y - b) / (3 * y**2 + 1)
        x = y**3
    return solve.attach_implicit(x, lambda x, b: x + _cube_root(x) - b, b)


def _cardano(b):
    """The real root of y³ + y = b."""
    s = jnp.sqrt(b**2 / 4 + 1 / 27)
    return jnp.cbrt(b / 2 + s) + jnp.cbrt(b / 2 - s)


def _lanes(b):
    """The same, of three b on two lanes."""
    cubic = lambda y, b: y**3 + y - b  # noqa: E731
    return solve.batch_solve(solve.root, cubic, None, jnp.ones_like(b), b, lanes=2).value


def _rosenbrock(a):
    """The zero (1/a, 1/a²) of (1 - a x, 10 (y - x²))."""
    start = jnp.ones((2,), a.dtype) * jnp.asarray([0.8, 0.9], a.dtype)
    system = lambda v, a: jnp.stack([1 - a * v[0], 10 * (v[1] - v[0] ** 2)])  # noqa: E731
    return solve.root(system, None, start, a, throw=False).value


def _descended(b):
    """The minimum of y⁴/4 + y²/2 - b y."""
    potential = lambda y, b: (y**4 / 4 + y**2 / 2 - b * y).sum()  # noqa: E731
    return solve.run_optax(potential, optax.sgd(0.1), jnp.ones_like(b), b, throw=False).value


def _folded(a):
    """Where p + a x - x³ = 0 turns: x = (a/3)^½, p = -2 x³."""
    found = solve.fold(lambda x, p, a: p + a * x - x**3, 0.7 + 0 * a, -0.6 + 0 * a, a, throw=False)
    return found.value.y, found.value.p


def _affine(M, b):
    """x = M x + b."""
    start = jnp.zeros_like(b)
    step = lambda x, args: args[0] @ x + args[1]  # noqa: E731
    return solve.fixed_point(step, None, start, (M, b), throw=False).value


def _ellipsoid(p):
    """The largest box in an ellipsoid x² + 2 y² + 4 z² <= 48 p."""
    start = jnp.ones((3,), p.dtype)
    inside = lambda x, p: 48 * p - (jnp.asarray([1, 2, 4], p.dtype) * x**2).sum()  # noqa: E731
    found = solve.constrained_minimise(
        lambda x, p: -x[0] * x[1] * x[2], None, start, p, inequality=inside, throw=False
    )
    return found.value, found.multipliers.inequality[0]


def _largest_box(p):
    x = jnp.stack([4 * jnp.sqrt(p), jnp.sqrt(8 * p), 2 * jnp.sqrt(p)])
    return x, x[1] * x[2] / (2 * x[0])


def _numbers():
    return {"generic": np.array([0.7, 2.0, 3.1])}


def _number():
    return {"generic": np.array(1.3)}


def _contraction():
    return {"generic": (np.array([[0.2, 0.5], [-0.3, 0.1]]), np.array([1.0, 2.0]))}


ENTRIES = (
    Entry("attach_implicit", _cube_root, _numbers, reference=jnp.cbrt),
    Entry("attach_implicit nested", _nested_root, _numbers, reference=lambda b: _cardano(b) ** 3),
    Entry("batch_solve", _lanes, _numbers, reference=_cardano),
    Entry("root", _rosenbrock, _number, reference=lambda a: jnp.stack([1 / a, 1 / a**2])),
    Entry(
        "fixed_point",
        _affine,
        _contraction,
        reference=lambda M, b: jnp.linalg.solve(jnp.eye(2, dtype=M.dtype) - M, b),
    ),
    Entry("run_optax", _descended, _numbers, reference=_cardano),
    Entry("fold", _folded, _number, reference=lambda a: (jnp.sqrt(a / 3), -2 * (a / 3) ** 1.5)),
    Entry("constrained_minimise", _ellipsoid, _number, reference=_largest_box),
)

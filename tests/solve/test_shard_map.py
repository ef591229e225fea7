"""Problems of its own on every device of a mesh, from a start and with a parameter that all share."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
from jax.sharding import PartitionSpec as P

from mcjax.solve import (
    KKT,
    attach_implicit,
    batch_solve,
    constrained_minimise,
    continuation,
    curve_fit,
    fold,
    homotopy,
    newton_history,
    root,
    roots,
    run_optax,
)

EPS = np.finfo(float).eps
X = np.array([1.0, 2.0, 4.0])
DATA = np.array([[1.0, 2.0, 5.0], [3.0, 5.0, 7.0]])  # a row for each device
SHARED = np.array(2.0)


def line(x, slope):
    return slope * x


def slope(a, s):
    """Of the line through 0 with least squares."""
    return (s * X @ a / (s * X @ (s * X)))[None]


def fit(a, s):
    found = curve_fit(line, s * X, a, jnp.ones(1))
    return jnp.stack([*found.popt, found.chi2])


def fit_in_bounds(a, s):
    return curve_fit(line, s * X, a, jnp.ones(1), bounds=(0.0, 0.75)).popt


def away(y, args):
    return ((y - args[0]) ** 2).sum()


def total(y, args):
    return y.sum() - args[1]


def nearest(a, s):
    """The nearest point whose coordinates have the sum s, and the multiplier."""
    found = constrained_minimise(away, optx.BFGS(1e-8, 1e-8), X, (a, s), equality=total, lower=-9.0)
    return jnp.concatenate([found.value, found.multipliers.equality])


def attached(a, s):
    here = jax.lax.stop_gradient(a + (s - a.sum()) / 3)
    return attach_implicit(here, KKT(away, equality=total, lower=-9.0), (a, s))


def by_homotopy(a, s):
    return homotopy(lambda y, args: y**3 - args[0] * args[1], X, (a, s), steps=16).value


def invariant(a, s):
    """y² - s p = a at all points of the branch."""
    branch = continuation(lambda y, p, _: y**2 - s * p - a[0], X[0], 0.0, step=0.2, steps=3)
    return branch.y**2 - s * branch.p


def turning(a, s):
    found = fold(lambda y, p, args: (y - args[0][0]) ** 2 - args[1] * p, X[0], 0.0, (a, s))
    return jnp.stack([found.value.y, found.value.p])


def both(a, s):
    newton = optx.Newton(1e-8, 1e-8)
    found = roots(
        lambda y, args: y**2 - args[0][:1] * args[1], newton, 0.3 * X[:1], (a, s), count=2
    )
    return jnp.sort(found.value.ravel())


def in_lanes(a, s):
    newton = optx.Newton(1e-8, 1e-8)
    many = jnp.broadcast_to(s, a.shape)
    solution = batch_solve(root, lambda y, q: y**2 - q[0] * q[1], newton, X, (a, many), lanes=2)
    return solution.value


def last_iterate(a, s):
    """Affine: one step."""
    found = newton_history(lambda y, _: s * y - a, X, steps=2)
    return jax.lax.stop_gradient(found.iterates[-1])


def below(a, s):
    return run_optax(away, optax.sgd(0.25), X, (a, s), upper=6.0).value


CASES = {
    "curve_fit": (fit, lambda a, s: jnp.stack([*(k := slope(a, s)), ((a - k * s * X) ** 2).sum()])),
    "curve_fit in bounds": (fit_in_bounds, lambda a, s: jnp.minimum(slope(a, s), 0.75)),
    "constrained_minimise": (
        nearest,
        lambda a, s: jnp.stack([*(a + (m := (s - a.sum()) / 3)), 2 * m]),
    ),
    "attach_implicit": (attached, lambda a, s: a + (s - a.sum()) / 3),
    "homotopy": (by_homotopy, lambda a, s: jnp.cbrt(a * s)),
    "continuation": (invariant, lambda a, s: jnp.stack(4 * [a[0]])),
    "fold": (turning, lambda a, s: jnp.stack([a[0], 0 * a[0]])),
    "roots": (both, lambda a, s: jnp.sqrt(a[0] * s) * jnp.array([-1.0, 1.0])),
    "batch_solve": (in_lanes, lambda a, s: jnp.sqrt(a * s)),
    "newton_history": (last_iterate, lambda a, s: jax.lax.stop_gradient(a / s)),
    "run_optax": (below, lambda a, s: jnp.minimum(a, 6)),
}
QUICK = ("curve_fit", "constrained_minimise", "homotopy", "continuation", "newton_history")


@pytest.mark.parametrize("check_vma", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_as_without_devices(name, check_vma):
    """Values, and derivatives in what is sharded and in what is not."""
    solve, truth = CASES[name]
    mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    on_mesh = jax.shard_map(
        lambda a, s: solve(a[0], s)[None],
        mesh=mesh,
        in_specs=(P("i"), P()),
        out_specs=P("i"),
        check_vma=check_vma,
    )
    alone = jax.vmap(truth, (0, None))

    def weighed(f):
        def sum_of(a, s):
            values = f(a, s)
            return (
                values * np.sqrt(1.0 + np.arange(values.size)).reshape(values.shape)
            ).sum(), values

        return jax.grad(sum_of, (0, 1), has_aux=True)

    (slopes, value), (true_slopes, true) = (
        jax.jit(weighed(f))(DATA, SHARED) for f in (on_mesh, alone)
    )
    np.testing.assert_allclose(value, true, rtol=1e3 * EPS, atol=1e3 * EPS)
    for got, want in zip(slopes, true_slopes, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e4 * EPS, atol=1e4 * EPS)


def test_what_is_closed_over_is_refused():
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))

    def on_mesh(f):
        return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=P("i"), out_specs=P("i")))(DATA[0])

    with pytest.raises(ValueError, match=r"curve_fit: .* closes over some"):
        on_mesh(lambda a: curve_fit(lambda x, p: p * x * a.sum(), X, a, jnp.ones(1)).popt)
    with pytest.raises(ValueError, match=r"constrained_minimise: .* closes over some"):
        on_mesh(lambda a: constrained_minimise(lambda y, _: away(y, (a,)), None, X, lower=0).value)

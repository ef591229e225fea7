"""Equilibria of the Brusselator, which are known, and a fold, where there is no derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from mcjax.ode._steady_state import steady_state


def brusselator(t, y, args):
    a, b = args
    rate = y["u"] ** 2 * y["v"]
    return {"u": a - (b + 1) * y["u"] + rate, "v": b * y["u"] - rate}


def equilibrium(args):
    return steady_state(brusselator, {"u": jnp.array(1.2), "v": jnp.array(2.0)}, args)


def test_brusselator():
    """u = a, v = b/a; the eigenvalues have sum b - 1 - a² and product a²; all orders and modes."""

    def both(args):
        found = equilibrium(args)
        return jnp.stack([found.y["u"], found.y["v"], found.eigenvalues.sum().real])

    def exact(args):
        a, b = args
        return jnp.stack([a, b / a, b - 1 - a**2])

    args = jnp.array([1.1, 3.0])

    @jax.jit
    def run(args):
        orders = [f(both)(args) for f in (jax.jacfwd, jax.jacrev)]
        second = [f(jax.jacrev(both))(args) for f in (jax.jacfwd, jax.jacrev)]
        return equilibrium(args), both(args), orders, second

    found, value, first, second = run(args)
    assert found.converged and not found.stable
    np.testing.assert_allclose(value, exact(args), rtol=1e-13)
    np.testing.assert_allclose(found.eigenvalues.prod(), 1.1**2, rtol=1e-13)
    for slopes in first:
        np.testing.assert_allclose(slopes, jax.jacfwd(exact)(args), rtol=1e-12, atol=1e-12)
    for curves in second:
        want = jax.jacfwd(jax.jacfwd(exact))(args)
        np.testing.assert_allclose(curves, want, rtol=1e-11, atol=1e-11)


def test_stable_and_closed_over():
    def root(c):
        return steady_state(lambda t, y, args: c - y**3, jnp.ones(1))

    found = jax.jit(root)(8.0)
    assert found.stable and found.residual == 0
    slope = jax.jit(jax.grad(lambda c: root(c).y[0]))(8.0)
    np.testing.assert_allclose(slope, 1 / 12, rtol=1e-14)


def test_fold():
    """y² = p near and behind its fold at p = 0: an infinite derivative, and no root."""

    @jax.jit
    def root(p):
        solver = optx.Newton(1e-8, 1e-8)
        found = steady_state(lambda t, y, p: p - y**2, jnp.array(1.0), p, root_finder=solver)
        return found

    assert root(1e-2).converged
    nothing = root(-1.0)
    assert not nothing.converged and np.isnan(nothing.y) and np.isnan(nothing.eigenvalues).all()


def test_a_line_of_equilibria():
    """A ⇌ B ⇌ C, closed: none is the one. With the conservation law for one equation there is one."""

    def cycle(t, y, args):
        k, law, total = args
        b = jnp.where(law, total - y.sum(), k * y[0] - 0.8 * y[1] + 0.2 * y[2])
        return jnp.stack([0.1 * y[1] - k * y[0], b, 0.7 * y[1] - 0.2 * y[2]])

    @jax.jit
    @jax.vmap
    def run(guess, law):
        find = lambda k: steady_state(cycle, guess, (k, law, guess.sum()))  # noqa: E731
        return find(0.3), jax.jacfwd(lambda k: find(k).y)(0.3)

    guess = np.array([[1.0, 2.0, 0.3], [1.0, 1.0, 1.0], [1.0, 0.5, 0.25], [1.0, 1.0, 1.0]])
    found, slope = run(guess, np.array([False, False, False, True]))
    np.testing.assert_array_equal(found.converged, [False, False, False, True])
    assert not found.stable[:3].any()
    numbers = (found.y, found.jacobian, found.eigenvalues, found.residual, slope)
    assert all(np.isnan(x[:3]).all() for x in numbers)
    # In proportion to 1, 3, 10.5, of a sum of 3; as 1, 10 k, 35 k the first falls by 3 * 45/(1 + 45 k)².
    np.testing.assert_allclose(found.y[3], np.array([2, 6, 21]) * 3 / 29, rtol=1e-14)
    np.testing.assert_allclose(slope[3, 0], -3 * 45 / 14.5**2, rtol=1e-14)


def test_stiff_rates():
    """Robertson's rates, 0.04 to 3e7, with a flow through: κ(J) = 2e13, and 1e40 in other units of f."""

    def rates(t, y, args):
        (a, b, c), (out, unit) = y, args
        there, back, on = 0.04 * a, 1e4 * b * c, 3e7 * b * b
        f = [out * (1 - a) - there + back, there - back - on - out * b, on - out * c]
        return jnp.stack(f) * unit

    @jax.jit
    @jax.vmap
    def run(unit):
        guess = jnp.array([0.5, 1e-6, 0.5])
        find = lambda out: steady_state(rates, guess, (out, unit))  # noqa: E731
        return find(out), jax.jacfwd(lambda out: find(out).y)(out)

    out = 1e-9
    found, slope = run(jnp.array([[1.0, 1.0, 1.0], [1e-20, 1e12, 1.0]]))
    assert found.converged.all()
    # The sum is 1 by equations in `out` alone, of which a rounding of 0.04 is 1e-8.
    rounding = 10 * np.finfo(float).eps * 0.04 / out
    np.testing.assert_allclose(found.y.sum(1), 1, rtol=rounding)
    np.testing.assert_allclose(slope.sum(1), 0, atol=rounding * np.abs(slope).max())


def test_bad_input():
    with pytest.raises(ValueError, match="no numbers"):
        steady_state(lambda t, y, args: y, jnp.ones(0))
    with pytest.raises(ValueError, match="shape of y"):
        steady_state(lambda t, y, args: y[:1], jnp.ones(2))


def test_integers():
    """A guess of integers is one of floats, of 64 bits here."""
    found = steady_state(lambda t, y, args: y**2 - 2, 1)
    assert found.y.dtype == jnp.float64 and abs(found.y - np.sqrt(2)) < 1e-15


@pytest.mark.parametrize("check_vma", [False, True])
def test_shard_map(check_vma):
    """A root of what differs between devices, its derivative, and the eigenvalues."""

    def value(a):
        found = steady_state(
            lambda t, y, a: jnp.stack([a - y[0] ** 3, y[0] - 2 * y[1]]), jnp.ones(2), a
        )
        return found.y.sum() + found.eigenvalues.real.sum()

    def both(a):
        return jnp.stack(jax.value_and_grad(value)(a[0]))[None]

    mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,))
    options = dict(mesh=mesh, in_specs=P("d"), out_specs=P("d"), check_vma=check_vma)
    got = jax.jit(jax.shard_map(both, **options))(jnp.array([8.0, 27.0]))
    # y = (r, r/2) with r³ = a; eigenvalues -3 r² and -2.
    r = np.array([2.0, 3.0])
    want = np.stack([1.5 * r - 3 * r**2 - 2, (1.5 - 6 * r) / (3 * r**2)], 1)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_root_finders_that_shard_map_refuses():
    finder = optx.Newton(rtol=1e-9, atol=1e-9)
    mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,))
    run = jax.shard_map(
        lambda a: steady_state(lambda t, y, a: a - y, a, a, root_finder=finder).y,
        mesh=mesh, in_specs=P("d"), out_specs=P("d"), check_vma=False,
    )  # fmt: skip
    with pytest.raises(ValueError, match="root_finder=None"):
        run(jnp.ones(2))

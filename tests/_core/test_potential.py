"""The law itself, on potentials that have a closed form: Φ(A, t) = tr(A⁴) t² and the like."""

from dataclasses import dataclass
from itertools import permutations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mcjax._core._potential import derivative, derivative_p

from ..helpers import assert_relative, random_like

RNG = np.random.default_rng(0)
A, E, F, G = RNG.normal(size=(4, 3, 3))
T, U = np.array([0.7, -1.2]), np.array([0.4, 0.9])


def phi(A, t):
    """tr(A⁴) + t₀² tr(A³) + sin(t₁) tr(A²), over a batch."""
    A2 = A @ A
    powers = [jnp.trace(x, axis1=-2, axis2=-1) for x in (A2 @ A2, A2 @ A, A2)]
    return powers[0] + t[0] ** 2 * powers[1] + jnp.sin(t[1]) * powers[2]


@dataclass(frozen=True)
class Quartic:
    """Φ, evaluated by differentiating its plain form."""

    loops_on_data: bool = False

    def derivative(self, point, directions, slots, dual):
        f = phi
        for d, slot in zip(directions, slots, strict=True):
            f = _along(f, d, slot)
        if dual is None:
            return f(*point)
        value, pullback = jax.vjp(f, *point)
        return pullback(jnp.ones_like(value))[dual]


def _along(f, d, slot):
    def differentiated(*point):
        tangents = [d if i == slot else jnp.zeros_like(x) for i, x in enumerate(point)]
        return jax.jvp(f, point, tuple(tangents))[1]

    return differentiated


LOOPS = pytest.mark.parametrize("loops", [False, True])


def sealed(A, t, loops=False):
    return derivative(Quartic(loops), A, t, dual=None)


def gradient_slot(A, t):
    return derivative(Quartic(), A, t)


def orders(f):
    """The function and its derivatives up to the third, in several modes, as functions of A, t."""

    def hessian(mode_out, mode_in):
        return lambda A, t: mode_out(mode_in(f, (0, 1)), (0, 1))(A, t)

    def third(A, t):
        along = lambda f, d: lambda A, t: jax.jvp(f, (A, t), d)[1]  # noqa: E731
        return along(along(along(f, (E, U)), (F, 2 * U)), (G, U))(A, t)

    return {
        "value": f,
        "forward": jax.jacfwd(f, (0, 1)),
        "reverse": jax.grad(f, (0, 1)),
        "forward over forward": hessian(jax.jacfwd, jax.jacfwd),
        "forward over reverse": hessian(jax.jacfwd, jax.jacrev),
        "reverse over reverse": hessian(jax.jacrev, jax.jacrev),
        "reverse over forward": hessian(jax.jacrev, jax.jacfwd),
        "third": third,
        "gradient of the third": jax.grad(third, (0, 1)),
        "checkpoint": jax.grad(jax.checkpoint(f), (0, 1)),
    }


def assert_same(got, truth, tolerance=1e-13):
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(truth), strict=True):
        assert_relative(np.asarray(x), np.asarray(y), tolerance)


@LOOPS
@pytest.mark.parametrize("order", orders(phi))
def test_every_order(order, loops):
    truth = orders(phi)[order](A, T)
    f = orders(lambda A, t: sealed(A, t, loops))[order]
    assert_same(jax.jit(f)(A, T), truth)
    if order in ("value", "reverse"):
        assert_same(f(A, T), truth)


def test_the_jvp_adds_a_direction():
    """One more equation of the primitive, with dA among the directions; nothing else."""
    jaxpr = jax.make_jaxpr(lambda A, E: jax.jvp(gradient_slot, (A, T), (E, 0 * T))[1])(A, E)
    slots = [e.params["slots"] for e in jaxpr.eqns if e.primitive is derivative_p]
    assert slots == [(), (0,), (1,)]


def test_the_transpose_swaps_the_open_slot():
    """<c, DG[E]> = <DG[c], E>: D²Φ is one form, whichever of its slots is open."""
    transposed = jax.linear_transpose(_hessian, E)
    assert_relative(transposed(F)[0], _hessian(F), 1e-15)
    jaxpr = jax.make_jaxpr(transposed)(F)
    assert [e.primitive for e in jaxpr.eqns].count(derivative_p) == 1


def _hessian(E):
    return derivative(Quartic(), A, T, directions=(E,), slots=(0,))


@pytest.mark.parametrize("dual", [0, 1, None])
def test_symmetric_in_the_directions(dual):
    directions, slots = (E, U, F), (0, 1, 0)
    values = [
        derivative(
            Quartic(),
            A,
            T,
            directions=[directions[i] for i in p],
            slots=tuple(slots[i] for i in p),
            dual=dual,
        )
        for p in permutations(range(3))
    ]
    assert_same(values[1:], [values[0]] * 5)


def test_linear_in_a_direction():
    assert_relative(_hessian(2 * E - 3 * F), 2 * _hessian(E) - 3 * _hessian(F), 1e-14)
    assert_relative(_hessian(np.zeros((3, 3))) + 1, np.ones((3, 3)), 0)


SUBSETS = [axes for axes in product((0, None), repeat=4) if any(a == 0 for a in axes)]


@LOOPS
@pytest.mark.parametrize("axes", SUBSETS, ids=str)
def test_vmap_over_any_subset(axes, loops):
    """Of the point and of the directions, value and gradient."""
    args = [
        x if axis is None else np.stack([x, 2 * x, x - 1])
        for x, axis in zip((A, T, E, U), axes, strict=True)
    ]

    def second(f):
        def along(A, t, E, U):
            return jax.jvp(jax.grad(f, (0, 1)), (A, t), (E, U))

        return jax.jit(jax.vmap(along, axes))(*args)

    assert_same(second(lambda A, t: sealed(A, t, loops)), second(phi))


def test_vmap_twice():
    many = [np.stack([x, -x]) for x in (A, T)]
    grid = lambda f: jax.vmap(jax.vmap(jax.grad(f, (0, 1)), (None, 0)), (0, None))(*many)  # noqa: E731
    assert_same(grid(sealed), grid(phi))


def test_vmap_of_a_middle_axis():
    stack = np.stack([A, E, F], axis=1)
    mapped = jax.vmap(jax.grad(sealed), (1, None), 2)(stack, T)
    assert_same(mapped, jax.vmap(jax.grad(phi), (1, None), 2)(stack, T))


def test_batches_are_native():
    """A stack of matrices is one call; the dual of the shared parameter is summed over it."""
    stack = np.stack([A, E])
    np.testing.assert_allclose(sealed(stack, T), phi(stack, T), rtol=1e-14)
    got = [derivative(Quartic(), stack, T, dual=slot) for slot in (0, 1)]
    truth = jax.grad(lambda A, t: phi(A, t).sum(), (0, 1))(stack, T)
    assert_same(got, truth)

    def weighted(gradient):
        return jax.grad(lambda A, t: (stack * gradient(A, t)).sum(), (0, 1))(stack, T)

    plain = jax.grad(lambda A, t: phi(A, t).sum())
    assert_same(weighted(gradient_slot), weighted(plain))


def test_a_scalar_per_matrix_with_shared_parameters_says_what_to_do():
    with pytest.raises(NotImplementedError, match=r"use jax\.vmap"):
        jax.grad(lambda t: sealed(np.stack([A, E]), t).sum())(T)


def in_scan(f):
    return lambda A, t: lax.scan(lambda A, _: (A + 0.1 * f(A, t) * A, f(A, t)), 0.1 * A, length=3)[
        1
    ].sum()


def in_cond(f):
    return lambda A, t: lax.cond(A[0, 0] > 5, lambda A: 0.0, lambda A: f(A, t), A)


def in_while(f):
    return lambda A, t: lax.fori_loop(0, 3, lambda i, x: x + f(A, t), 0.0)


@pytest.mark.parametrize("inside", [in_scan, in_cond, in_while])
def test_inside_control_flow(inside):
    def second(f):
        gradient = jax.grad(inside(f), (0, 1))
        return jax.jit(lambda A, t: jax.jvp(gradient, (A, t), (E, U)))(A, T)

    assert_same(second(sealed), second(phi), 1e-12)


def test_complex():
    """Plain transposes, no conjugates: a holomorphic gradient."""
    Z = A + 1j * E
    t = T.astype(complex)
    got = jax.grad(sealed, (0, 1), holomorphic=True)(Z, t)
    assert_same(got, jax.grad(phi, (0, 1), holomorphic=True)(Z, t))


def random_directions(count):
    return [random_like(RNG, A) for _ in range(count)]


def test_fifth_order():
    """Beyond the degree of the polynomial in A everything vanishes; at it, all is permutations."""
    directions = random_directions(5)
    four = derivative(Quartic(), A, T, directions=directions[:4], slots=(0,) * 4, dual=None)
    truth = sum(np.trace(np.linalg.multi_dot(p)) for p in permutations(directions[:4]))
    np.testing.assert_allclose(four, truth, rtol=1e-12)
    five = derivative(Quartic(), A, T, directions=directions, slots=(0,) * 5, dual=None)
    assert abs(five) < 1e-12

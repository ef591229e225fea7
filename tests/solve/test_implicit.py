"""attach_implicit and its decorator: derivatives of a root found by anything."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
import scipy.optimize

from mcjax.solve import KKT, attach_implicit, batch_solve, fixed_point_residual, implicit, root

EPS = jnp.finfo(float).eps


def cubic(x, p):
    """x³ + a x = b."""
    return x**3 + p["a"] * x - p["b"]


P = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 1.0])}


def by_scipy(p):
    def one(a, b):
        return scipy.optimize.brentq(lambda x: x**3 + a * x - b, -10, 10, xtol=1e-15)

    return np.array([one(a, b) for a, b in zip(p["a"], p["b"], strict=True)])


def test_a_solution_of_scipy_is_differentiable_in_both_modes_and_to_second_order():
    root, p = by_scipy(P), jax.tree.map(jnp.asarray, P)

    def x(p):
        return attach_implicit(root, cubic, p)

    slope = 3 * root**2 + P["a"]
    truth = {"a": np.diag(-root / slope), "b": np.diag(1 / slope)}
    for jacobian in (jax.jacfwd, jax.jacrev):
        found = jax.jit(jacobian(x))(p)
        for name in truth:
            np.testing.assert_allclose(found[name], truth[name], atol=20 * EPS)
    found = np.einsum("iii->i", jax.jit(jax.jacfwd(jax.jacrev(x)))(p)["b"]["b"])
    np.testing.assert_allclose(found, -6 * root / slope**3, rtol=50 * EPS)  # d²x/db²


def cube_root(b):
    return attach_implicit(jnp.cbrt(b), lambda x, b: x**3 - b, b)


def test_orders_up_to_four_in_mixed_modes():
    b, d, truth, derivatives = jnp.array(2.0), cube_root, [2 ** (1 / 3)], []
    for k in range(4):
        truth.append(truth[-1] * (1 / 3 - k) / 2)
        d = (jax.jacfwd, jax.grad)[k % 2](d)
        derivatives.append(d)
    found = jax.jit(lambda b: [f(b) for f in derivatives])(b)
    np.testing.assert_allclose(found, truth[1:], rtol=100 * EPS)


def test_a_singular_lane_is_nan_alone_and_the_others_bit_identical():
    slopes = jax.jit(jax.vmap(jax.grad(cube_root)))
    good, bad = slopes(jnp.array([1.0, 2.0, 3.0])), slopes(jnp.array([1.0, 0.0, 3.0]))
    assert np.isnan(bad[1])
    assert good[0] == bad[0] and good[2] == bad[2]


def test_one_solution_mapped_over_parameters():
    """x = 1 for all a: the primal is not mapped, its parameters are, and dx/dc = 1 / (3 + a)."""
    a = jnp.array([1.0, 2.0])

    def x(c, a):
        return attach_implicit(1.0, lambda x, p: x**3 + p[1] * (x - 1) - p[0], (c, a))

    slopes = jax.jit(jax.vmap(jax.grad(x), in_axes=(None, 0)))(jnp.array(1.0), a)
    np.testing.assert_allclose(slopes, 1 / (3 + a), rtol=10 * EPS)


def outer(c):
    """y + ∛(y² + c) = 2: an inner root in the equation of the outer."""

    def equation(y, c):
        return y + cube_root(y * y + c) - 2

    def newton(_, y):
        return y - equation(y, c) / jax.grad(equation)(y, c)

    return attach_implicit(jax.lax.fori_loop(0, 30, newton, jnp.array(0.5)), equation, c)


@pytest.mark.parametrize("order", ["fwd-rev", "rev-rev", "rev-fwd"])
def test_nested_roots_keep_their_rule_at_second_order(order):
    first, second = order.split("-")
    modes = {"fwd": jax.jacfwd, "rev": jax.jacrev}
    c = jnp.array(1.0)
    found = jax.jit(modes[first](modes[second](outer)))(c)
    y = outer(c)  # (2 - y)³ = y² + c
    slope = -1 / (3 * (2 - y) ** 2 + 2 * y)
    truth = slope**3 * (2 - 6 * (2 - y))
    np.testing.assert_allclose(found, truth, rtol=1e-12)


def test_pytrees_complex_and_not_holomorphic():
    """z² + z̄ = p, as pairs of reals: against a finite difference of its own root."""

    def residual(tree, p):
        return {"z": tree["z"] ** 2 + jnp.conj(tree["z"]) - p, "y": tree["y"] - tree["z"].real}

    def z(p):
        start = {"z": jnp.array(1.2 + 0.3j), "y": jnp.array(1.2)}
        return attach_implicit(start, residual, p, polish=8)

    p = jnp.array(2.0 + 1.0j)
    tangent = jax.jit(lambda d: jax.jvp(z, (p,), (d,))[1])
    z = jax.jit(z)
    for direction in (1.0, 1j):
        t = tangent(jnp.array(direction, complex))
        h = 1e-5
        difference = (z(p + h * direction)["z"] - z(p - h * direction)["z"]) / (2 * h)
        np.testing.assert_allclose(t["z"], difference, atol=1e-9)  # h² and ε/h
        np.testing.assert_allclose(t["y"], t["z"].real, atol=10 * EPS)


def test_polish_squares_the_error_of_a_gradient():
    def gradient(polish):
        def x(b):
            return attach_implicit(
                jnp.cbrt(b) * (1 + 1e-4), lambda x, b: x**3 - b, b, polish=polish
            )

        return jax.jit(jax.grad(x))(jnp.array(2.0))

    truth = 2 ** (-2 / 3) / 3
    errors = [abs(gradient(k) / truth - 1) for k in (0, 1, 2)]
    assert 1e-4 < errors[0] < 1e-3
    assert errors[1] < 4e-8  # 2 δ of a δ that is squared
    assert errors[2] < 1e-14


A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])


@pytest.mark.parametrize("solver", [None, lx.GMRES(1e-12, 1e-12), lx.CG(1e-14, 1e-14)])
def test_solvers_of_lineax(solver):
    def x(b):
        found = jnp.linalg.solve(A, b)
        tags = frozenset([lx.positive_semidefinite_tag])
        return attach_implicit(found, lambda x, b: A @ x - b, b, solver=solver, tags=tags)

    b = jnp.array([1.0, 2.0, 3.0])
    for jacobian in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(jacobian(x))(b), np.linalg.inv(A), atol=1e-10)


SINGULAR = np.array([[1.0, 1.0], [2.0, 2.0]])


def on_line(policy):
    """x + y = t, twice: a line of solutions."""

    def x(t):
        found = jnp.stack([t, t]) / 2
        return attach_implicit(
            found, lambda x, t: SINGULAR @ x - t * jnp.array([1.0, 2.0]), t, on_singular=policy
        )

    return x


POLICIES = ("nan", "min_norm", "tikhonov")


def test_policies_where_the_jacobian_is_singular():
    t = jnp.array(1.0)
    for jacobian in (jax.jacfwd, jax.jacrev):
        nan, least, damped = jax.jit(
            lambda t, jacobian=jacobian: [jacobian(on_line(p))(t) for p in POLICIES]
        )(t)
        assert np.isnan(nan).all()
        np.testing.assert_allclose(least, [0.5, 0.5], atol=1e-14)
        np.testing.assert_allclose(damped, [0.5, 0.5], atol=1e-9)  # (μ/σ)² = 1e-11
    with pytest.raises(Exception, match="Jacobian of the equation in its unknowns is singular"):
        jax.block_until_ready(jax.jit(jax.jacfwd(on_line("raise")))(t))
    assert np.isfinite(on_line("raise")(t)).all()  # the value has no need of the Jacobian


def test_least_norm_tangents_of_more_unknowns_than_equations():
    def x(t):
        return attach_implicit(
            jnp.stack([t, t]) / 2, lambda x, t: (x.sum() - t)[None], t, on_singular="min_norm"
        )

    np.testing.assert_allclose(
        jax.jit(jax.grad(lambda t: x(t)[0]))(jnp.array(3.0)), 0.5, rtol=10 * EPS
    )


def test_units_make_nothing_singular():
    def x(t):
        return attach_implicit(
            jnp.stack([1e-12 * t, 1e9 * t]),
            lambda x, t: jnp.stack([1e20 * x[0] - 1e8 * t, x[1] - 1e9 * t]),
            t,
        )

    np.testing.assert_allclose(jax.jit(jax.jacrev(x))(jnp.array(1.0)), [1e-12, 1e9], rtol=10 * EPS)


def test_aux_has_its_tangent():
    def x(b):
        return attach_implicit(
            jnp.cbrt(b), lambda x, b: (x**3 - b, {"square": x**2}), b, has_aux=True
        )

    truth = 2 / 3 * 2 ** (-1 / 3)
    for slope in (jax.grad, jax.jacfwd):
        np.testing.assert_allclose(
            jax.jit(slope(lambda b: x(b)[1]["square"]))(jnp.array(2.0)), truth, rtol=20 * EPS
        )


def test_the_decorator_takes_a_solver_that_leaves_jax():
    @implicit(lambda x, a, b: x**3 + a * x - b)
    def solve(x0, a, b):
        a, b = np.asarray(a), np.asarray(b)  # concrete: the solver sees constants
        return scipy.optimize.newton(lambda x: x**3 + a * x - b, np.asarray(x0), tol=1e-14)

    x = solve(1.0, 1.0, 3.0)
    slopes = jax.grad(solve, argnums=(1, 2))(1.0, 1.0, 3.0)
    np.testing.assert_allclose(slopes, [-x / (3 * x**2 + 1), 1 / (3 * x**2 + 1)], rtol=1e-12)


def test_the_decorator_of_a_fixed_point_with_information():
    def T(x, c):
        return jnp.cos(c * x)

    @implicit(fixed_point_residual(T), has_aux=True)
    def solve(x0, c):
        x, steps = jax.lax.while_loop(
            lambda s: jnp.abs(T(s[0], c) - s[0]) > 1e-15, lambda s: (T(s[0], c), s[1] + 1), (x0, 0)
        )
        return x, steps

    c = jnp.array(0.8)
    (x, steps), slope = jax.jit(jax.value_and_grad(lambda c: solve(1.0, c), has_aux=True))(c)
    assert steps > 5
    np.testing.assert_allclose(slope, -x * jnp.sin(c * x) / (1 + c * jnp.sin(c * x)), rtol=1e-13)


def test_float32():
    b = jnp.array(2.0, jnp.float32)
    slope = jax.jit(jax.grad(cube_root))(b)
    assert slope.dtype == jnp.float32
    np.testing.assert_allclose(slope, 2 ** (-2 / 3) / 3, rtol=10 * jnp.finfo(jnp.float32).eps)


@pytest.mark.parametrize("solve", ["vmap", "batch_solve"])
def test_a_masked_lane_does_not_reach_what_lanes_share(solve):
    """x = 1/(w a), which a = 0 has not: in w its slope is -Σ 1/(w² a) over the others."""

    def total(w, a):
        def fn(x, a):
            return w * a * x - 1

        if solve == "batch_solve":
            found = batch_solve(root, fn, None, jnp.ones(3), a)
        else:
            found = jax.vmap(lambda a: root(fn, None, 1.0, a, throw=False))(a)
        return jnp.where(found.certificate.stationary, found.value, 0.0).sum(), found.value

    def slopes(w, a):
        (_, x), pull = jax.vjp(total, w, a)
        return pull((1.0, 0 * x))[0], pull((0.0, jnp.ones(3)))[0]

    masked, whole = jax.jit(slopes)(jnp.array(2.0), jnp.array([1.0, 0.0, 2.0]))
    np.testing.assert_allclose(masked, -0.375, rtol=1e-12)
    assert np.isnan(whole)


def test_a_python_number_outside_jit():
    """√a and max(a, 0), the parameter a Python float, with steps of Newton's method and without."""

    def slope(residual, a, polish):
        return jax.grad(lambda a: attach_implicit(3.0, residual, a, polish=polish))(a)

    def square(x, a):
        return x * x - a

    distance = KKT(lambda x, a: (x - a) ** 2, lower=0.0)
    np.testing.assert_allclose(slope(square, 8.9, 3), 0.5 / 8.9**0.5, rtol=1e-12)
    np.testing.assert_allclose([slope(distance, 2.9, k) for k in (0, 1)], 1, rtol=1e-12)
    solve = implicit(square, polish=3)(lambda x0, a: x0)
    np.testing.assert_allclose(jax.grad(lambda a: solve(3.0, a))(8.9), 0.5 / 8.9**0.5, rtol=1e-12)


def test_shard_map():
    mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")

    def loss(a, b):  # a is the same on all devices, b is not
        x = attach_implicit(jnp.cbrt(b / a), lambda x, p: p[0] * x**3 - p[1], (a, b))
        return jax.lax.psum(x.sum(), "i")

    def total(a, b):
        return jax.shard_map(
            loss,
            mesh=mesh,
            in_specs=(jax.sharding.PartitionSpec(), spec),
            out_specs=jax.sharding.PartitionSpec(),
        )(a, b)

    a, b = jnp.array(2.0), jnp.array([1.0, 2.0, 3.0, 4.0])
    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(a, b)
    x = np.cbrt(b / a)
    np.testing.assert_allclose(slopes[1], x / (3 * b), rtol=50 * EPS)
    np.testing.assert_allclose(slopes[0], -x.sum() / 6, rtol=50 * EPS)


def test_lowers_for_cuda():
    jax.jit(jax.hessian(cube_root)).trace(jnp.array(2.0)).lower(lowering_platforms=("cuda",))


def test_bad_input():
    with pytest.raises(ValueError, match="2 equations for 1 unknowns"):
        attach_implicit(1.0, lambda x, a: jnp.stack([x, x]))
    with pytest.raises(TypeError, match="got str in it"):
        attach_implicit("x", cubic)
    with pytest.raises(ValueError, match=r"polish is a number of Newton steps, .* got -1"):
        attach_implicit(1.0, lambda x, a: x, polish=-1)
    with pytest.raises(ValueError, match="on_singular is one of"):
        attach_implicit(1.0, lambda x, a: x, on_singular="ignore")
    with pytest.raises(ValueError, match="leave out `solver`"):
        attach_implicit(1.0, lambda x, a: x, on_singular="min_norm", solver=lx.GMRES(1e-8, 1e-8))
    with pytest.raises(ValueError, match="returns a pair"):
        attach_implicit(1.0, lambda x, a: x, has_aux=True)


@pytest.mark.parametrize(
    "options", [{}, {"solver": lx.GMRES(1e-10, 1e-10)}, {"on_singular": "tikhonov"}]
)
@pytest.mark.parametrize("second", [jax.jacfwd, jax.jacrev])
def test_second_derivatives_of_a_linear_equation(second, options):
    """dx/dt = A⁻¹ depends on nothing, which `custom_linear_solve` does not expect of a Jacobian."""
    A = jnp.array([[2.0, 1.0], [0.0, 4.0]])

    def x(t):
        return attach_implicit(jnp.linalg.inv(A) @ t, lambda x, t: A @ x - t, t, **options)

    np.testing.assert_array_equal(jax.jit(second(jax.jacrev(x)))(jnp.array([1.0, -2.0])), 0)

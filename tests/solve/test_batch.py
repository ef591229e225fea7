"""batch_solve: many problems by refilled lanes, against closed forms, and the loop that does it."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from mcjax.solve import STATUS, batch_solve, least_squares, minimise, root
from mcjax.solve._batch import refilled_loop

EPS = jnp.finfo(float).eps
SUCCESS = optx.RESULTS.successful
T = np.linspace(0, 1, 6)


RATES, SIZES = np.linspace(0.1, 8, 8), np.linspace(3, 1, 8)  # 8 problems on 3 lanes


def decay(y, args):
    data, flow = args
    return y["size"] * jnp.exp(-y["rate"] * flow * T) - data


def fits(data, flow, **options):
    n = len(data)
    start = {"size": jnp.ones(n), "rate": jnp.ones(n)}
    solver = optx.LevenbergMarquardt(1e-8, 1e-8)
    return batch_solve(least_squares, decay, solver, start, (data, flow), lanes=3, **options)


@jax.jit
def fits_and_derivatives(data, flow, along):
    """The fits, their derivatives along a change of the data, and the gradient of the sum of squares."""

    def values(data):
        found = fits(data, flow)
        return found.value, found

    value, push, found = jax.linearize(values, data, has_aux=True)
    cotangent = jax.tree.map(lambda x: 2 * x, value)
    return found, push(along), jax.linear_transpose(push, data)(cotangent)[0]


DECAYS = np.exp(-RATES[:, None] * T)
DATA, ALONG = SIZES[:, None] * DECAYS, -SIZES[:, None] * T * DECAYS  # along: as the rates change


def test_fits_with_their_derivatives_in_the_order_given():
    """Data made by the model: the fit gives the parameters back, and its Jacobian is J⁺."""
    found, tangent, gradient = fits_and_derivatives(DATA, np.ones(8), ALONG)
    assert (found.result == SUCCESS).all() and found.certificate.stationary.all()
    np.testing.assert_allclose(found.value["rate"], RATES, rtol=1e-9)
    np.testing.assert_allclose(found.value["size"], SIZES, rtol=1e-9)
    np.testing.assert_allclose(tangent["rate"], 1, rtol=1e-9)
    np.testing.assert_allclose(tangent["size"], 0, atol=1e-9)
    for k in range(8):
        J = np.stack([DECAYS[k], ALONG[k]], 1)
        truth = np.linalg.pinv(J).T @ [2 * SIZES[k], 2 * RATES[k]]
        np.testing.assert_allclose(gradient[k], truth, rtol=1e-8)
    assert found.stats["num_steps"].shape == (8,) and (found.stats["num_steps"] > 3).all()


def test_one_bad_problem_leaves_the_others_bit_identical():
    """Without flow the rate is free; NaN has no fit. Flagged, NaN in the gradient, the others untouched."""
    good, _, slopes = fits_and_derivatives(DATA, np.ones(8), ALONG)
    others = np.array([0, 1, 3, 4, 5, 6, 7])
    for data, flow in ((1.0, 0.0), (np.nan, 1.0)):
        bad, flows = DATA.copy(), np.ones(8)
        bad[2], flows[2] = data, flow
        found, _, gradient = fits_and_derivatives(bad, flows, ALONG)
        for a, b in zip(jax.tree.leaves(good), jax.tree.leaves(found), strict=True):
            np.testing.assert_array_equal(a[others], b[others])
        np.testing.assert_array_equal(slopes[others], gradient[others])
        assert np.isnan(gradient[2]).all()
        assert np.isinf(found.certificate.gradient_error[2])
        if flow:
            assert (found.certificate.status == STATUS.nonfinite)[2]
            assert (found.result != SUCCESS)[2]
        else:
            assert found.certificate.smallest_singular_value[2] == 0


def test_the_work_is_the_sum_of_the_steps():
    """Loops of 1 and of 50 steps: vmap takes 64 x 50, W lanes Σ s / W and the last ones."""
    taken = []
    steps = np.where(np.arange(64) % 8 == 3, 50, np.arange(64) % 3)

    def body(at):
        jax.debug.callback(lambda: taken.append(1))
        return at[0] + 1, at[1], 2 * at[2]

    def loop(n):
        return refilled_loop(8, lambda at: at[0] < at[1], body, (jnp.array(0), n, jnp.array(1.0)))

    count, _, power = jax.jit(jax.vmap(loop))(jnp.asarray(steps))
    jax.effects_barrier()
    np.testing.assert_array_equal(count, steps)
    np.testing.assert_array_equal(power, 2.0**steps)
    assert steps.sum() / 8 <= len(taken) <= steps.sum() / 8 + 50


def test_every_loop_has_its_own_steps():
    def loop(n):
        cond, body = lambda at: at[0] < at[1], lambda at: (at[0] + 1, at[1])
        return refilled_loop(2, cond, body, (jnp.array(0), n), max_steps=4)[0]

    run = jax.jit(jax.vmap(loop))
    np.testing.assert_array_equal(run(jnp.array([5, 0, 3, 4, 9])), [4, 0, 3, 4, 4])
    np.testing.assert_array_equal(run(jnp.array([5, 3])), [4, 3])
    np.testing.assert_array_equal(run(jnp.zeros(0, int)), [])
    np.testing.assert_array_equal(jax.jit(loop)(9), 4)


def test_roots_in_all_modes_to_second_order_and_the_one_that_fails_by_name():
    """y³ + c y = b, c closed over by all, b each one's own: dy/db = 1/(3y² + c), dy/dc = -y/(3y² + c)."""
    y = np.array([0.5, 2.0, -1.0, 30.0, 0.1])
    c = 1.5
    b = y**3 + c * y

    @jax.jit
    def run(b, c):
        def solve(b, c):
            def cubic(y, b):
                return y**3 + c * y - b, {"slope": 3 * y**2 + c}

            found = batch_solve(
                root,
                cubic,
                optx.Newton(1e-8, 1e-8),
                jnp.ones(5),
                b,
                lanes=2,
                has_aux=True,
                throw=True,
            )
            return found.value, found.aux["slope"]

        def slopes(b, c):
            return jax.jvp(lambda b: solve(b, c), (b,), (jnp.ones(5),))

        found, pull = jax.vjp(slopes, b, c)
        none, ones = jnp.zeros(5), jnp.ones(5)
        mixed, _ = pull(((none, none), (ones, none)))
        _, shared = pull(((ones, none), (none, none)))
        return *found, mixed, shared

    (value, aux), (slope, aux_slope), mixed, shared = run(jnp.asarray(b), jnp.array(c))
    rate = 3 * y**2 + c
    np.testing.assert_allclose(value, y, rtol=20 * EPS)
    np.testing.assert_allclose(aux, rate, rtol=50 * EPS)
    np.testing.assert_allclose(slope, 1 / rate, rtol=50 * EPS)
    np.testing.assert_allclose(aux_slope, 6 * y / rate, rtol=100 * EPS)
    np.testing.assert_allclose(shared, -(y / rate).sum(), rtol=100 * EPS)
    np.testing.assert_allclose(mixed, -6 * y / rate**3, rtol=200 * EPS)
    with pytest.raises(Exception, match="problem 3 is not solved"):
        jax.block_until_ready(run(jnp.asarray(b).at[3].set(jnp.nan), jnp.array(c)))


@pytest.mark.parametrize(
    "solver",
    [
        pytest.param(optx.BFGS(1e-8, 1e-8), id="BFGS"),
        pytest.param(optx.Newton(1e-8, 1e-8), id="Newton", marks=pytest.mark.slow),
    ],
)
def test_minima(solver):
    """(1 - a y₀)² + (y₁ - y₀²)², minimal at (1/a, 1/a²); a root finder looks for it too."""
    a = np.linspace(0.5, 2, 5)

    @jax.jit
    def run(a):
        def f(y, a):
            return (1 - a * y[0]) ** 2 + (y[1] - y[0] ** 2) ** 2

        found = batch_solve(minimise, f, solver, jnp.ones((5, 2)) * 1.2, a, lanes=2, max_steps=100)
        return found.value, found.result == SUCCESS

    value, ok = run(jnp.asarray(a))
    assert ok.all()
    np.testing.assert_allclose(value, np.stack([1 / a, 1 / a**2], 1), rtol=1e-9)


@pytest.mark.slow
def test_none_float32_complex_and_gauss_newton():
    """No solver named; no problems at all; types that optimistix's solvers may not take."""

    @jax.jit
    def run():
        def square(y, a):
            return y**2 - a

        a = jnp.arange(1.0, 4.0)
        newton, gauss = optx.Newton(1e-4, 1e-4), optx.GaussNewton(1e-8, 1e-8)
        return (
            batch_solve(root, square, None, jnp.ones(3), a, lanes=2),
            batch_solve(root, square, newton, jnp.ones(3, "float32"), a.astype("float32"), lanes=2),
            batch_solve(least_squares, square, gauss, jnp.ones(3), a, lanes=2),
            batch_solve(
                least_squares, lambda y, a: y["x"] ** 2 - a, None, {"x": jnp.ones(3)}, a, lanes=2
            ),
            batch_solve(root, square, newton, jnp.full(3, 1.0 + 1j), -a.astype(complex), lanes=2),
            batch_solve(root, square, newton, jnp.ones(0), jnp.ones(0)),
        )

    default, single, gauss, tree, turned, nothing = run()
    truth = np.sqrt([1.0, 2, 3])
    for found in (default.value, gauss.value, tree.value["x"]):
        np.testing.assert_allclose(found, truth, rtol=20 * EPS)
    assert single.value.dtype == jnp.float32
    np.testing.assert_allclose(single.value, truth, rtol=1e-6)
    np.testing.assert_allclose(turned.value, 1j * truth, atol=20 * EPS)
    assert nothing.value.shape == (0,) and nothing.certificate.step.shape == (0,)


@pytest.mark.parametrize(
    "run", [root, *(pytest.param(f, marks=pytest.mark.slow) for f in (least_squares, minimise))]
)
def test_without_a_solver_no_unit_of_f_decides(run):
    """Tolerances are absolute, and solvers ended where they began."""

    def fn(y, a):
        small = 1e-12 * (y - a) * (y + 2 * a)
        return 1e-12 * ((y - a) ** 2 + (y - a) ** 4) if run == minimise else small

    a = jnp.array([1.0, 2.0, 3.0])
    found = batch_solve(run, fn, None, jnp.ones(3), a, lanes=2)
    assert found.certificate.stationary.all()
    np.testing.assert_allclose(found.value, a, rtol=20 * EPS)


def test_a_function_is_traced_once():
    count = []

    def fn(y, a):
        count.append(1)
        return y**2 - a

    def solve(a):
        return batch_solve(root, fn, optx.Newton(1e-8, 1e-8), jnp.ones(5), a, lanes=2).value.sum()

    jax.jit(jax.grad(solve)).trace(jnp.ones(5))
    assert len(count) == 1


def test_bad_input():
    y, solver = jnp.ones(3), optx.Newton(1e-8, 1e-8)
    with pytest.raises(ValueError, match="run is least_squares, root or minimise"):
        batch_solve(optx.root_find, decay, solver, y)
    with pytest.raises(ValueError, match="lanes is a number of problems"):
        batch_solve(root, decay, solver, y, lanes=0)
    with pytest.raises(ValueError, match="close over what all problems share"):
        batch_solve(root, decay, solver, y, jnp.ones(2))
    with pytest.raises(ValueError, match="one axis of problems in front"):
        batch_solve(root, decay, solver, 1.0)

"""Transforms of optax run to a minimum: what they may ask for, when they stop, what success means."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
from optax import contrib
from optax.projections import projection_l2_ball, projection_simplex

from mcjax.solve import REASON, STATUS, run_optax
from mcjax.solve._optax_step import _ask

EPS = jnp.finfo(float).eps
SUCCESS = optx.RESULTS.successful
H = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.0], [0.1, 0.0, 3.0]])
P = np.array([1.0, -1.0, 0.5])
START = np.array([1.0, 1.0, 1.0])


def quartic(x, p):
    """x·Hx/2 + Σ x⁴/4 - p·x, strictly convex: its one minimum has H x + x³ = p."""
    return x @ jnp.asarray(H, x.dtype) @ x / 2 + (x**4).sum() / 4 - p @ x


def minimum(p):
    x = np.zeros(3)
    for _ in range(30):
        x = x - np.linalg.solve(H + np.diag(3 * x**2), H @ x + x**3 - p)
    return x


TRUTH = minimum(P)
SLOPE = np.linalg.inv(H + np.diag(3 * TRUTH**2))  # dx/dp
BEND = -np.einsum("ia,a,aj,ak->ijk", SLOPE, 6 * TRUTH, SLOPE, SLOPE)


def halving(rate, steps):
    return optax.exponential_decay(rate, steps, 0.5)


CRASH_IN_OPTIMISTIX = dict(
    exponential_decay=lambda: optax.sgd(halving(0.3, 100)),
    sam=lambda: contrib.sam(
        optax.sgd(0.2),
        optax.chain(contrib.normalize(), optax.sgd(halving(0.05, 5))),
        reset_state=False,
        opaque_mode=True,
    ),
    sophia=lambda: contrib.sophia(0.5, gamma=1.0, weight_decay=0.0),
)
OTHERS = dict(
    lbfgs=lambda: optax.lbfgs(),
    schedule_free=lambda: contrib.schedule_free_sgd(0.3),
    lookahead=lambda: optax.lookahead(optax.sgd(0.2), 5, 0.5),
)


@pytest.mark.parametrize("name", [*CRASH_IN_OPTIMISTIX, *OTHERS])
def test_runs_to_the_minimum(name):
    make = {**CRASH_IN_OPTIMISTIX, **OTHERS}[name]
    start = optax.LookaheadParams.init_synced(START) if name == "lookahead" else START
    found = run_optax(quartic, make(), start, P)
    assert found.result == SUCCESS and found.stats["reason"] == REASON.converged
    assert 1 < found.stats["num_steps"] < 2000
    np.testing.assert_allclose(found.value, TRUTH, rtol=1e-12)  # (√ε)² and what curvature adds


@pytest.mark.parametrize(
    "name, error",
    [
        ("exponential_decay", "Cell is empty"),
        ("sam", "unexpected keyword argument 'value'"),
        ("sophia", "obj_fn must be provided"),
    ],
)
def test_optimistix_cannot(name, error):
    """Why `run_optax` has a loop of its own."""

    def run(p):
        normalised = optax.chain(contrib.normalize(), optax.sgd(0.05))
        sam = contrib.sam(optax.sgd(0.2), normalised)
        steps = sam if name == "sam" else CRASH_IN_OPTIMISTIX[name]()
        solver = optx.OptaxMinimiser(steps, 1e-8, 1e-8)
        return optx.minimise(quartic, solver, jnp.asarray(START), p).value

    with jax.numpy_dtype_promotion("standard"), pytest.raises((TypeError, ValueError), match=error):
        jax.eval_shape(run, P)


def orders(value):
    """θ ↦ first derivatives in reverse, second ones forward over that, and aux, in one run."""

    def first(*theta):
        slopes, aux = jax.jacrev(value, argnums=tuple(range(len(theta))), has_aux=True)(*theta)
        return slopes, (slopes, aux)

    def run(*theta):
        second, (slopes, aux) = jax.jacfwd(first, has_aux=True)(*theta)
        return slopes, second, aux

    return jax.jit(run)


def test_derivatives_of_every_order_in_args_and_what_is_closed_over():
    def value(p, shift, rate):
        found = run_optax(
            lambda x, p: (quartic(x, p + shift), x @ x), optax.adam(rate), START, p, has_aux=True
        )
        return jnp.append(found.value, found.aux), found.value

    (dp, dshift, drate), (ddp, *_), x = orders(value)(P, jnp.zeros(3), jnp.asarray(0.1))
    np.testing.assert_allclose(x, TRUTH, rtol=1e-12)
    np.testing.assert_allclose(dp[:3], SLOPE, atol=20 * EPS)
    np.testing.assert_allclose(dshift, dp, atol=20 * EPS)
    np.testing.assert_allclose(dp[3], 2 * TRUTH @ SLOPE, atol=20 * EPS)
    np.testing.assert_allclose(ddp[:3], BEND, atol=50 * EPS)
    bent = 2 * (SLOPE.T @ SLOPE + np.einsum("i,ijk->jk", TRUTH, BEND))
    np.testing.assert_allclose(ddp[3], bent, atol=50 * EPS)
    np.testing.assert_array_equal(drate, 0)  # the minimum does not depend on how it was found


def test_an_active_bound_moves_with_the_bound():
    """min x·Ax/2 - p·x with x ≥ l: x₂ = l, x₁ = (p₁ - a l) / A₁₁. The unconstrained rule says 8/7."""
    A, p = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.0])

    def quadratic(x, p):
        return x @ jnp.asarray(A) @ x / 2 - p @ x

    def run(p, low):
        steps = optax.chain(optax.sgd(0.3), optax.keep_params_nonnegative())
        found = run_optax(quadratic, steps, jnp.array([0.3, 0.3]), p, lower=low, throw=False)
        return found.value, found

    p = jnp.stack([p, np.array([1.0, 0.25])])  # the second: a gradient of 0 at the bound
    slopes = jax.jit(jax.vmap(jax.jacrev(run, argnums=(0, 1), has_aux=True), in_axes=(0, None)))
    (dp, dlow), found = slopes(p, jnp.array(0.0))
    np.testing.assert_allclose(found.value, [[0.5, 0], [0.5, 0]], atol=1e-8)
    assert (found.result == SUCCESS).all()
    np.testing.assert_allclose(dp[0], [[0.5, 0], [0, 0]], atol=EPS)
    np.testing.assert_allclose(dlow[0], [-0.25, 1], atol=EPS)
    np.testing.assert_array_equal(found.stats["active_set"].strict, [True, False])
    assert np.isnan(dp[1]).all()


def nearest(project, steps=None):
    """The nearest point of a set of size r to p, and whether it was found."""

    def x(p, r):
        found = run_optax(
            lambda x, p: ((x - p) ** 2).sum(), optax.sgd(0.1) if steps is None else steps,
            jnp.array([0.9, 0.1, 0.0]), p, project=lambda x: project(x, r), throw=False,
        )  # fmt: skip
        return found.value, found.result == SUCCESS

    return x


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_curved_set(order):
    """The nearest point of a ball is r p / ‖p‖."""
    p, r = jnp.array([0.9, 0.4, -2.0]), jnp.array(1.0)
    truth = lambda p: p / jnp.linalg.norm(p)  # noqa: E731
    if order == 1:
        find = jax.jit(jax.jacrev(nearest(projection_l2_ball), argnums=(0, 1), has_aux=True))
        (dp, dr), success = find(p, r)
    else:
        (dp, dr), (ddp, _), success = orders(nearest(projection_l2_ball))(p, r)
        np.testing.assert_allclose(ddp, jax.jacfwd(jax.jacfwd(truth))(p), atol=50 * EPS)
    assert success
    np.testing.assert_allclose(dp, jax.jacfwd(truth)(p), atol=20 * EPS)
    np.testing.assert_allclose(dr, truth(p), atol=20 * EPS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_polyhedral_set(name):
    """p less a constant where that is positive; scaled steps rest elsewhere, and then say so."""
    steps = dict(sgd=optax.sgd(0.1), adam=optax.adam(0.01))[name]
    p = jnp.array([0.9, 0.4, -1.0])
    with jax.numpy_dtype_promotion(
        "standard"
    ):  # the derivative rule of projection_simplex needs it
        slope, success = jax.jit(jax.jacfwd(nearest(projection_simplex, steps), has_aux=True))(
            p, 1.0
        )
    assert success or name == "adam"
    if success:
        truth = [[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]]
        np.testing.assert_allclose(slope, truth, atol=20 * EPS)


@pytest.mark.parametrize(
    "start", [1e-9, *(pytest.param(x, marks=pytest.mark.slow) for x in (1e-5, 100.0))]
)
def test_a_set_and_a_curvature_that_is_another_at_the_start(start):
    """a y - log y has its minimum at 1/a, and 1/y² for its curvature."""

    def solution(a):
        inside = lambda y: jnp.clip(y, 1e-12, 1e3)  # noqa: E731
        f = lambda y, a: a * y - jnp.log(y)  # noqa: E731
        return run_optax(f, optax.lbfgs(), jnp.array(start), a, project=inside, polish=3)

    value, slope = jax.jit(jax.value_and_grad(lambda a: solution(a).value))(2.0)
    np.testing.assert_allclose([value, slope], [0.5, -0.25], rtol=1e-12)


@pytest.mark.slow
def test_a_maximum_along_a_set_is_refused():
    """The start is the worst point of x₁² - x₀² on the line x₁ = 0, and stationary."""
    found = run_optax(
        lambda x, _: x[1] ** 2 - x[0] ** 2, optax.sgd(0.1), np.array([0.0, 0.5]), throw=False,
        project=lambda x: x.at[1].set(0.0), max_steps=300,
    )  # fmt: skip
    assert found.certificate.status == STATUS.saddle and found.certificate.curvature == -1
    assert found.stats["reason"] == REASON.vanished and found.result != SUCCESS


def test_failures_have_reasons():
    """Learning rates that are right, vanish, are too small and too large; a start that is NaN; a saddle."""

    @jax.jit
    @jax.vmap
    def run(rate, decay, start, down):
        steps = optax.sgd(lambda count: rate * decay**count)
        found = run_optax(
            lambda x, p: quartic(x, p) - down * (x**4).sum() / 2, steps, start, P,
            throw=False, max_steps=500,
        )  # fmt: skip
        return found.stats, found.result, found.certificate.stationary, found.value

    rate = jnp.array([0.2, 0.01, 1e-5, 3.0, 0.2, 0.2])
    start = jnp.stack([START] * 4 + [START * np.nan, START * 9])
    decay, down = jnp.array([1.0, 0.5, 1.0, 1.0, 1.0, 1.0]), jnp.array([0.0] * 5 + [1.0])
    stats, result, stationary, value = run(rate, decay, start, down)
    reasons = ["converged", "vanished", "max_steps", "diverged", "nan_start", "diverged"]
    for i, reason in enumerate(reasons):
        assert (stats["reason"] == getattr(REASON, reason))[i], reason
    np.testing.assert_array_equal(stationary, [r == "converged" for r in reasons])
    np.testing.assert_array_equal(result == SUCCESS, stationary)
    np.testing.assert_allclose(value[0], TRUTH, rtol=20 * EPS)


def test_steps_that_gather_gradients_have_not_vanished():
    """200 of them before the first that moves; it halves y, and there are two."""
    steps = optax.MultiSteps(optax.sgd(0.25), 200)
    found = run_optax(lambda y, _: (y**2).sum(), steps, 1.0, max_steps=401, throw=False)
    assert found.value == 0.25 and found.stats["reason"] == REASON.max_steps


def test_what_an_update_may_ask_for():
    """Each offer is what it says, at a point that is no minimum; the state keeps the largest error."""

    def update(grad, state, params, *, value, value_fn, obj_fn, grad_fn, hvp, key):
        v = jax.random.normal(key, params.shape)
        other = params + 0.1 * v
        errors = [
            value - quartic(params, P),
            grad - jax.grad(quartic)(params, P),
            value_fn(other) - quartic(other, P),
            obj_fn(other) - quartic(other, P),
            grad_fn(other, 0) - jax.grad(quartic)(other, P),
            hvp(v) - jax.hessian(quartic)(params, P) @ v,
        ]
        largest = jnp.stack([state[0], *(jnp.abs(e).max() for e in errors)]).max()
        return -0.1 * grad, (largest, v)

    def counted(x, p):
        calls.append(x)
        return quartic(x, p)

    calls = []
    steps = optax.GradientTransformation(lambda y: (0, jnp.zeros(3)), update)
    found = run_optax(counted, steps, START, P, key=jax.random.key(7))
    assert len(calls) == 1
    largest, last = found.state
    assert largest < 50 * EPS and np.abs(last).max() > 0  # the state was an integer before
    refuses = lambda g, state, params, grad_fn: sorted([grad_fn])  # noqa: E731
    assert _ask(refuses, (0, 0, 0), dict(value=1, grad_fn=2, key=3)) == [2]


def test_float32_and_complex():
    def f(y, p):
        z, x = y["z"], y["x"]
        return (jnp.abs(z - 1 - 2j) ** 2).real + (x - p) ** 2 + 3

    y0 = dict(z=jnp.array(0j), x=jnp.array(0.0))
    found = run_optax(f, optax.sgd(0.3), y0, 3.0)
    np.testing.assert_allclose(found.value["z"], 1 + 2j, rtol=4 * EPS)
    single = run_optax(quartic, optax.sgd(0.2), *(a.astype("float32") for a in (START, P)))
    assert single.value.dtype == jnp.float32
    np.testing.assert_allclose(single.value, TRUTH, rtol=1e-5)


def test_bad_input():
    def run(steps=None, y0=START, fn=quartic, **more):
        return run_optax(fn, optax.sgd(0.1) if steps is None else steps, y0, P, **more)

    def growing(grad, state, params):
        return grad, jnp.concatenate([state, state])

    def flat(grad, state, params):
        return jnp.zeros(2), state

    with pytest.raises(TypeError, match="for a solver of optimistix use minimise"):
        run(optx.BFGS(1e-8, 1e-8))
    with pytest.raises(ValueError, match="must return one real number, got 3"):
        run(fn=lambda x, p: x)
    with pytest.raises(ValueError, match="exclude each other"):
        run(lower=0.0, project=lambda x: x)
    with pytest.raises(ValueError, match="project must return what y0 is"):
        run(project=lambda x: x[:2])
    with pytest.raises(ValueError, match="changes its structure or shapes"):
        run(optax.GradientTransformation(lambda y: jnp.zeros(1), growing))
    with pytest.raises(ValueError, match="the updates of the optimiser are not like y0"):
        run(optax.GradientTransformation(lambda y: jnp.zeros(1), flat))
    with pytest.raises(ValueError, match=r"LookaheadParams\.init_synced"):
        run(y0=optax.LookaheadParams.init_synced(START))
    with pytest.raises(ValueError, match="max_steps is a number of steps"):
        run(max_steps=0)
    with pytest.raises(Exception, match="not finite at the start"):
        run(y0=START * np.nan)


def test_shard_map():
    """Each device has problems of its own: values and gradients are those without devices."""
    mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")

    def total(a):
        f = lambda y, a: ((y**2 - a) ** 2).sum()  # noqa: E731
        found = run_optax(f, optax.adam(0.05), jnp.ones_like(a), a, throw=False)
        return found.value.sum(), found.value

    shard = jax.shard_map(jax.grad(total, has_aux=True), mesh=mesh, in_specs=spec, out_specs=spec)
    slope, root = jax.jit(shard)(a := jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(root, np.sqrt(a), rtol=1e-12)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-12)

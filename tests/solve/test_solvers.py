"""root, fixed_point, minimise, least_squares: what success means, and the derivatives of what they find."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

from mcjax.solve import STATUS, Anderson, fixed_point, least_squares, minimise, root, run_optax

from ..helpers._heavy import heavy_but

EPS = jnp.finfo(float).eps
SUCCESS = optx.RESULTS.successful


def rosenbrock(y, a):
    return jnp.stack([10 * (y[1] - y[0] ** 2), 1 - a * y[0]])  # y = (1/a, 1/a²)


START = np.array([-1.2, 1.0])


@pytest.mark.parametrize("name", ["root", "least_squares", "minimise"])
def test_a_solution_with_its_derivatives_and_aux(name):
    solve = {"root": root, "least_squares": least_squares, "minimise": minimise}[name]

    def fn(y, a):
        r = rosenbrock(y, a)
        return (r if name != "minimise" else (r**2).sum()), {"norm": y @ y}

    solver = optx.Newton(1e-8, 1e-8) if name == "root" else None

    @jax.jit
    def run(a):
        def both(a):
            found = solve(fn, solver, START, a, has_aux=True, throw=False)
            return (found.value, found.aux["norm"]), found

        def slope(a):
            _, tangents, found = jax.jvp(both, (a,), (jnp.ones_like(a),), has_aux=True)
            return tangents, found

        first, second, found = jax.jvp(slope, (a,), (jnp.ones_like(a),), has_aux=True)
        _, pull, _ = jax.vjp(both, a, has_aux=True)
        rev = pull((jnp.array([1.0, 0.0]), jnp.zeros(())))[0]
        return first, second, rev, found

    (dy, daux), (ddy, ddaux), rev, found = run(jnp.array(1.0))
    assert isinstance(found, optx.Solution) and found.result == SUCCESS
    assert found.certificate.stationary and found.certificate.gradient_error < 1e-10
    np.testing.assert_allclose(found.value, [1, 1], rtol=1e-12)
    np.testing.assert_allclose(dy, [-1, -2], rtol=1e-10)  # κ of the Hessian is 2500
    np.testing.assert_allclose(ddy, [2, 6], rtol=1e-9)
    np.testing.assert_allclose([daux, ddaux], [-6, 2 * 3 + 4 * 5], rtol=1e-9)  # of a⁻² + a⁻⁴
    np.testing.assert_allclose(rev, -1, rtol=1e-10)


@pytest.mark.parametrize("solve", [root, least_squares])
def test_pytrees_without_a_solver(solve):
    def fn(y, a):
        return {"first": y["u"] ** 2 - a, "second": y["u"] * y["v"] - 1}

    start = {"u": jnp.ones(2), "v": jnp.ones(2)}
    found = jax.jit(lambda a: solve(fn, None, start, a).value)(jnp.array([4.0, 9.0]))
    np.testing.assert_allclose(found["v"], [1 / 2, 1 / 3], rtol=100 * EPS)


def test_newton_passed_to_minimise_finds_no_root_of_f():
    """f = (y - 1)² - 4 has roots -1 and 3; optimistix returns one of them, its minimum is 1."""
    found = jax.jit(lambda: minimise(lambda y, _: (y - 1) ** 2 - 4, optx.Newton(1e-8, 1e-8), 2.5))()
    np.testing.assert_allclose(found.value, 1, rtol=10 * EPS)


@pytest.mark.parametrize("kind", ["minimise", "least_squares"])
def test_without_a_solver_a_saddle_is_left(kind):
    """½ (x² - y²) + ¼ y⁴ + ¼ is half of the squares of x and (y² - 1)/√2; from (1, 0) BFGS and
    Levenberg-Marquardt stay on the axis, where the gradient has no part along y."""

    def residuals(z, a):
        return jnp.stack([z[0], (z[1] ** 2 - a) / 2**0.5])

    def total(z, a):
        return (residuals(z, a) ** 2).sum() / 2

    solve, fn = {"minimise": (minimise, total), "least_squares": (least_squares, residuals)}[kind]
    y, slope = jax.jit(
        jax.value_and_grad(lambda a: jnp.abs(solve(fn, None, jnp.array([1.0, 0.0]), a).value[1]))
    )(1.0)
    np.testing.assert_allclose([y, slope], [1, 0.5], rtol=100 * EPS)  # y = √a


def test_what_is_no_solution_has_a_name():
    def root_of(fn, y0):
        return root(fn, optx.LevenbergMarquardt(1e-8, 1e-8), y0, throw=False)

    @jax.jit
    def run():
        return dict(
            none=root_of(lambda y, _: y**2 + 1, 0.3),
            far=root_of(lambda y, _: jnp.exp(-y), 1.0),
            nan=root_of(lambda y, _: y - 1, jnp.nan),
            steep=root(lambda y, _: jnp.sqrt(y) - 1, optx.Newton(1e-8, 1e-8), 0.0, throw=False),
            saddle=minimise(
                lambda y, _: y[0] ** 2 - y[1] ** 2,
                optx.Newton(1e-8, 1e-8),
                jnp.ones(2),
                throw=False,
            ),
            steps=minimise(lambda y, _: jnp.exp(-y), None, 0.0, max_steps=30, throw=False),
        )

    found = run()
    status = {name: f.certificate.status for name, f in found.items()}
    assert status["none"] == STATUS.singular or status["none"] == STATUS.not_stationary
    assert status["far"] != STATUS.stationary
    assert status["nan"] == STATUS.nonfinite
    assert status["steep"] != STATUS.stationary  # the slope is infinite, and F is not 0
    assert status["saddle"] == STATUS.saddle
    assert status["steps"] != STATUS.stationary
    assert all(f.result != SUCCESS for f in found.values())


def test_a_failure_raises_unless_told_not_to():
    with pytest.raises(Exception, match=r"no root|not solve"):
        jax.block_until_ready(root(lambda y, _: y**2 + 1, optx.Newton(1e-8, 1e-8), 0.3).value)


def test_the_gradient_error_is_known():
    """The estimate is right to a factor, and polish squares the error."""
    t = np.linspace(0, 1, 8)
    data = np.exp(-1.3 * t) + 0.05 * np.cos(9 * t)

    def fit(data, polish):
        found = least_squares(
            lambda y, data: jnp.exp(-y * t) - data,
            optx.LevenbergMarquardt(1e-2, 1e-2),
            0.2,
            data,
            polish=polish,
            throw=False,
        )
        return found.value, found.certificate

    @jax.jit
    def run(data):
        return [jax.grad(lambda d, k=k: fit(d, k), has_aux=True)(data) for k in (0, 1, 5)]

    (rough, before), (polished, after), (truth, _) = run(jnp.asarray(data))
    error = [np.linalg.norm(g - truth) / np.linalg.norm(truth) for g in (rough, polished)]
    assert error[0] > 1e-4
    assert error[0] / 5 < before.gradient_error < 5 * error[0]
    assert error[1] < 10 * error[0] ** 2
    assert error[1] / 10 < after.gradient_error + 1e-13


def test_one_bad_lane_leaves_the_others_bit_identical():
    """(y² - a)² has a double root at a = 0, and none that is real for a < 0."""

    def solve(a):
        found = root(lambda y, a: y**2 - a, optx.Newton(1e-8, 1e-8), 1.0, a, throw=False)
        return found.value, found.result == SUCCESS

    run = jax.jit(jax.vmap(jax.value_and_grad(solve, has_aux=True)))
    (good, ok), slopes = run(jnp.array([1.0, 4.0, 9.0]))
    (bad, flags), bad_slopes = run(jnp.array([1.0, -4.0, 9.0]))
    assert ok.all() and not flags[1]
    np.testing.assert_array_equal(good[::2], bad[::2])
    np.testing.assert_array_equal(slopes[::2], bad_slopes[::2])
    np.testing.assert_allclose(slopes, [1 / 2, 1 / 4, 1 / 6], rtol=10 * EPS)


def test_anderson_is_gmres_on_an_affine_map():
    """n + 1 differences span the space: two more steps than unknowns, where plain iteration diverges."""
    M = np.array([[0.5, 1.0, 0.0], [0.0, -1.5, 0.3], [0.2, 0.0, 0.8]])
    b = jnp.array([1.0, 2.0, 3.0])

    @jax.jit
    def run(b):
        def solve(b):
            found = fixed_point(lambda y, b: jnp.asarray(M) @ y + b, Anderson(1e-12, 1e-12), b, b)
            return found.value, found.stats["num_steps"]

        return solve(b), jax.jacrev(solve, has_aux=True)(b)[0]

    (y, steps), slope = run(b)
    truth = np.linalg.inv(np.eye(3) - M)
    np.testing.assert_allclose(y, truth @ b, rtol=1e-11)
    np.testing.assert_allclose(slope, truth, rtol=1e-11)
    assert steps <= 7


def test_float32_and_complex():
    @jax.jit
    def run():
        single = root(
            lambda y, a: y**2 - a, optx.Newton(1e-4, 1e-4), jnp.float32(1), jnp.float32(2)
        )
        with jax.numpy_dtype_promotion("standard"):
            z = root(lambda z, _: z**2 + z + 1, None, jnp.array(0.1 + 1j), throw=False)
        return single.value, z.value, z.certificate.stationary

    single, z, ok = run()
    assert single.dtype == jnp.float32 and ok
    np.testing.assert_allclose(single, 2**0.5, rtol=1e-6)
    np.testing.assert_allclose(z, np.exp(2j * np.pi / 3), rtol=1e-12)


def test_a_function_is_traced_once():
    count = []

    def fn(y, a):
        count.append(1)
        return y**2 - a

    jax.jit(jax.grad(lambda a: root(fn, optx.Newton(1e-8, 1e-8), 1.0, a).value)).trace(2.0)
    assert len(count) == 1


def test_bad_input():
    with pytest.raises(ValueError, match="2 equations for 1 unknowns"):
        root(lambda y, _: jnp.stack([y, y]), None, 1.0)
    with pytest.raises(ValueError, match="must return one real number, got 2"):
        minimise(lambda y, _: y, None, jnp.ones(2))
    with pytest.raises(ValueError, match="must return what y0 is"):
        fixed_point(lambda y, _: y[:1], None, jnp.ones(2))
    with pytest.raises(TypeError, match="got str in it"):
        least_squares(lambda y, _: y, None, "y")
    for memory in (-1, 2.5):
        with pytest.raises(ValueError, match="memory is a number of changes"):
            Anderson(1e-8, 1e-8, memory=memory)
    with pytest.raises(ValueError, match="polish is a number of Newton steps"):
        root(lambda y, _: y - 1, None, 0.0, polish=-1)
    with pytest.raises(ValueError, match=r"root: y0 has no numbers, its shapes are \[\(0, 3\)\]"):
        root(lambda y, _: y, None, jnp.zeros((0, 3)))


def test_counts_of_numpy():
    """They are the program's, as Python's are, and no arrays."""
    newton, counts = optx.Newton(1e-8, 1e-8), {"max_steps": np.int64(9), "polish": np.int32(1)}
    assert root(lambda y, _: y - 1, newton, 0.0, **counts).value == 1
    assert Anderson(1e-8, 1e-8, memory=np.int64(3)) == Anderson(1e-8, 1e-8, memory=3)


@pytest.mark.parametrize("solve", [root, least_squares])
def test_float32_beside_64_bits(solve):
    """y of a type that is not the default one, which not all of optimistix's solvers take."""
    found = solve(lambda y, a: y**2 - a, None, jnp.ones(2, "float32"), jnp.full(2, 2.0, "float32"))
    assert found.value.dtype == jnp.float32
    np.testing.assert_allclose(found.value, np.sqrt(2), rtol=4e-7)


SHARDED = {
    "root": lambda a: root(lambda y, a: y**2 - a, None, jnp.ones_like(a), a),
    "fixed_point": lambda a: fixed_point(lambda y, a: (y + a / y) / 2, None, jnp.ones_like(a), a),
    "least_squares": lambda a: least_squares(lambda y, a: y**2 - a, None, jnp.ones_like(a), a),
    "minimise": lambda a: minimise(lambda y, a: ((y**2 - a) ** 2).sum(), None, jnp.ones_like(a), a),
}


@pytest.mark.parametrize("check_vma", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", heavy_but(SHARDED, ["minimise"]))
def test_shard_map(name, check_vma):
    """Each device solves its own problems; optimistix and lineax alone refuse the types there."""
    mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")

    def total(a):
        found = SHARDED[name](a)
        return found.value.sum(), found.value

    shard = jax.shard_map(
        jax.grad(total, has_aux=True), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=check_vma
    )
    slope, value = jax.jit(shard)(a := jnp.arange(1.0, 5.0))
    np.testing.assert_allclose(value, np.sqrt(a), rtol=100 * EPS)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=100 * EPS)


def test_failures_inside_shard_map():
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")

    def on_mesh(f):
        return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec))

    def none(a):
        return root(lambda y, a: y**2 + a, optx.Newton(1e-8, 1e-8), 0.3 * a, a).value

    with pytest.raises(Exception, match=r"no root|not solve"):
        jax.block_until_ready(on_mesh(none)(jnp.ones(2)))
    with pytest.raises(ValueError, match="closes over some"):
        on_mesh(lambda a: root(lambda y, _: y**2 - a, None, jnp.ones_like(a)).value)(jnp.ones(2))


@pytest.mark.parametrize("solve", [root, least_squares])
def test_progress(solve, capsys):
    """A line of steps and one of the result, at every call; none under vmap."""

    @jax.jit
    def run(y0):
        return solve(rosenbrock, optx.LevenbergMarquardt(1e-8, 1e-8), y0, 1.0, progress=True).value

    def told(call, *args):
        jax.block_until_ready(call(*args))
        jax.effects_barrier()
        return capsys.readouterr().err

    for _ in range(2):
        text = told(run, START)
        assert text.startswith(f"\r{solve.__name__}: step 1, value 1.2e+01, step length")
        assert "residual" in text.splitlines()[-1] and text.endswith("\n")
    assert told(jax.vmap(run), np.stack([START, 2 * START])) == ""


def test_progress_of_optax(capsys):
    jax.block_until_ready(run_optax(lambda y, _: y**2, optax.sgd(0.1), 1.0, progress=True).value)
    jax.effects_barrier()
    assert "run_optax: step 1, value 1.0e+00, step length 2.0e-01" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["descend", "optax"])
def test_gradients_with_progress(kind, capsys):
    """(y - t)²/2 + y²/2 has its least value at t/2."""

    def fn(y, t):
        return ((y - t) ** 2 + y**2).sum() / 2

    def least(t):
        if kind == "descend":
            return minimise(fn, None, jnp.zeros(2), t, progress=True).value
        return run_optax(fn, optax.sgd(0.3), jnp.zeros(2), t, progress=True).value

    t = jnp.array([1.0, -2.0])
    for slopes in (jax.jacrev(least)(t), jax.jit(jax.jacfwd(jax.jacrev(least)))(t)):
        np.testing.assert_allclose(slopes, np.eye(2) / 2 if slopes.ndim == 2 else 0, atol=1e-12)
    jax.effects_barrier()
    assert "residual" in capsys.readouterr().err

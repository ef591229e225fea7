"""Events: a bouncing ball in closed form, saltation matrices, two guards, and what has no derivative."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode._hybrid import HYBRID_RESULTS, hybrid_solve

TIGHT = diffrax.PIDController(rtol=1e-10, atol=1e-10)
BALL = jnp.array([1.0, 0.3, 9.81, 0.9])  # height, speed, gravity, restitution
END = 3.5  # after five bounces, before the sixth


def fall(t, y, args):
    return jnp.stack([y[1], -args[2]])


def height(t, y, args):
    return y[0]


def bounce(t, y, args):
    return jnp.stack([jnp.zeros_like(y[0]), -args[3] * y[1]])


def ball(p, t1, max_events=6):
    return hybrid_solve(
        fall, height, bounce, 0.0, t1, p[:2], p, max_events=max_events, stepsize_controller=TIGHT
    )


def true_ball(p, t1):
    """The final height and the number of bounces, by the formulas of free fall."""
    (h, v, g, e), t, bounces = p, 0.0, 0
    while True:
        speed = jnp.sqrt(v**2 + 2 * g * h)
        if t + (v + speed) / g > t1:
            return h + v * (t1 - t) - g * (t1 - t) ** 2 / 2, bounces
        t, h, v, bounces = t + (v + speed) / g, 0.0, e * speed, bounces + 1


@jax.jit
def _ball_and_slopes(p, t1):
    value, pull, solution = jax.vjp(_height, p, t1, has_aux=True)
    return solution, pull(jnp.ones_like(value))


def _height(p, t1):
    solution = ball(p, t1)
    return solution.y1[0], solution


def test_bouncing_ball():
    """Five bounces: the final height and its gradient against the closed form."""
    solution, (by_p, by_t1) = _ball_and_slopes(BALL, END)
    want, bounces = true_ball(BALL, END)
    assert bounces == solution.num_events == 5
    assert solution.result == HYBRID_RESULTS.successful
    slopes = jax.grad(lambda p, t1: true_ball(p, t1)[0], (0, 1))(BALL, END)
    # rtol 1e-10, amplified by five saltation matrices
    np.testing.assert_allclose(solution.y1[0], want, rtol=1e-8)
    np.testing.assert_allclose(by_p, slopes[0], rtol=1e-8)
    np.testing.assert_allclose(by_t1, slopes[1], rtol=1e-8)
    assert np.isnan(solution.times[5]) and solution.guards[5] == -1
    np.testing.assert_allclose(solution.before[:5, 0], 0, atol=1e-9)
    np.testing.assert_allclose(solution.after[:5, 1], -0.9 * solution.before[:5, 1], rtol=1e-14)


def test_too_many_events():
    """What comes after the last event is not made up."""
    solution, (by_p, by_t1) = _ball_and_slopes(BALL, 2 * END)
    assert solution.result == HYBRID_RESULTS.too_many_events
    assert "max_events" in HYBRID_RESULTS[solution.result]
    assert np.isnan(solution.y1).all() and np.isfinite(solution.times).all()
    assert np.isnan(by_p).all() and np.isnan(by_t1)


@pytest.mark.slow
def test_bouncing_ball_forwards():
    got = jax.jit(jax.jacfwd(lambda p, t1: ball(p, t1).y1[0], (0, 1)))(BALL, END)
    want = jax.grad(lambda p, t1: true_ball(p, t1)[0], (0, 1))(BALL, END)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-8)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-8)


@pytest.mark.slow
def test_bouncing_ball_second_order():
    got = jax.jit(jax.hessian(lambda p: ball(p, END).y1[0]))(BALL)
    want = jax.hessian(lambda p: true_ball(p, END)[0])(BALL)
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)


@pytest.mark.slow
def test_saltation_matrix():
    """One event with f, g and h that depend on everything, against the formula with diffrax's pieces."""

    def f(t, y, args):
        return jnp.stack([y[1] + 0.1 * t, -jnp.sin(y[0]) - args * y[1]])

    def guard(t, y, args):
        return 0.5 - y[0] + 0.2 * y[1] - 0.1 * t

    def reset(t, y, args):
        return jnp.stack([y[0] - t, 0.5 * y[1] * y[0] + args])

    def run(y0, t1):
        return hybrid_solve(
            f, guard, reset, 0.0, t1, y0, 0.1, max_events=2, stepsize_controller=TIGHT
        )

    def smooth(t0, y0, t1):
        step, solver = diffrax.ConstantStepSize(), diffrax.Dopri8()
        options = dict(stepsize_controller=step, adjoint=diffrax.ForwardMode())
        term = diffrax.ODETerm(f)
        return diffrax.diffeqsolve(term, solver, t0, t1, (t1 - t0) / 50, y0, 0.1, **options).ys[-1]

    y0, t1 = jnp.array([0.0, 1.2]), 1.2
    solution, got = jax.jit(lambda: (run(y0, t1), jax.jacfwd(run)(y0, t1).y1))()
    assert solution.num_events == 1
    t, before, after = solution.times[0], solution.before[0], solution.after[0]
    h_t, h_y = jax.grad(guard, (0, 1))(t, before, 0.1)
    g_t, g_y = jax.jacfwd(reset, (0, 1))(t, before, 0.1)
    minus, plus = f(t, before, 0.1), f(t, after, 0.1)
    S = g_y + jnp.outer(plus - g_y @ minus - g_t, h_y) / (h_t + h_y @ minus)
    first = jax.jit(jax.jacfwd(smooth, 1))(0.0, y0, t)
    second = jax.jit(jax.jacfwd(smooth, 1))(t, after, t1)
    np.testing.assert_allclose(got, second @ S @ first, rtol=1e-8)


def test_two_guards_and_a_surface_that_is_crossed():
    """Walls at 0 and 1 that are met within one step, and a threshold that the state goes on to cross."""

    def free(t, y, args):
        return jnp.stack([y[1], jnp.zeros_like(y[1])])

    def turn(t, y, args):
        return jnp.stack([y[0], -y[1]])

    walls = (lambda t, y, args: y[0], lambda t, y, args: 1 - y[0])

    @jax.jit
    def between(v):
        y0 = jnp.stack([jnp.full_like(v, 0.25), v])
        return hybrid_solve(free, walls, (turn, turn), 0.0, 4.1, y0, max_events=6)

    solution = between(1.0)
    np.testing.assert_array_equal(solution.guards, [1, 0, 1, 0, -1, -1])
    np.testing.assert_allclose(solution.times[:4], [0.75, 1.75, 2.75, 3.75], rtol=1e-7)
    np.testing.assert_allclose(solution.y1, [0.35, 1.0], rtol=1e-6)

    def slower(t, y, args):
        return jnp.stack([y[0], y[1] / 2])

    through = jax.jit(
        lambda: hybrid_solve(free, walls[0], slower, 0.0, 2.0, jnp.array([0.5, -1.0]), max_events=3)
    )()
    assert through.num_events == 1
    np.testing.assert_allclose(through.y1, [-0.75, -0.5], rtol=1e-6)


def test_grazing():
    """A ball thrown at a ceiling, which it meets twice within a step, not at all, or just reaches."""

    def down(t, y, args):
        return jnp.stack([y[0], -y[1]])

    @jax.jit
    def throw(excess):
        speed = jnp.sqrt(2 * 9.81 * (1 + excess))
        y0 = jnp.stack([jnp.zeros_like(speed), speed])
        guard = lambda t, y, args: 1 - y[0]  # noqa: E731
        return hybrid_solve(fall, guard, down, 0.0, 1.0, y0, BALL, max_events=1)

    assert throw(0.1).num_events == 1
    touch = throw(1e-9)
    assert touch.result == HYBRID_RESULTS.grazing and np.isnan(touch.y1).all()
    assert throw(-0.1).num_events == 0


def test_a_ball_that_stays_on_the_floor_and_an_end_before_the_start():
    """Without restitution nothing keeps the ball from falling on, through the floor."""

    @jax.jit
    def run(t1, restitution):
        p = BALL.at[3].set(restitution)
        return hybrid_solve(fall, height, bounce, 0.0, t1, BALL[:2], p, max_events=1)

    on_the_floor, backwards = run(0.6, 0.0), run(-0.6, 0.0)
    assert on_the_floor.result == HYBRID_RESULTS.grazing and on_the_floor.num_events == 1
    assert backwards.result == HYBRID_RESULTS.backwards and backwards.num_events == 0
    assert np.isnan([on_the_floor.y1, backwards.y1]).all()
    assert run(0.6, 0.5).result == HYBRID_RESULTS.successful


def test_two_balls_meet_the_floor_at_once():
    """Both bounce, and the height has the slope of the closed form."""

    def fall(t, y, g):
        return jnp.stack([y[2], y[3], -g, -g])

    floors = tuple(lambda t, y, g, i=i: y[i] for i in (0, 1))
    bounces = tuple(lambda t, y, g, i=i: y.at[i].set(0).at[2 + i].multiply(-0.5) for i in (0, 1))

    def end(g):
        y0 = jnp.array([1.0, 1.0, 0.0, 0.0])
        solution = hybrid_solve(
            fall, floors, bounces, 0.0, 0.6, y0, g, max_events=4, stepsize_controller=TIGHT
        )
        return solution.y1, solution

    y1, slopes, solution = jax.jit(lambda g: jax.jvp(end, (g,), (1.0,), has_aux=True))(9.81)
    height = lambda g: true_ball((1.0, 0.0, g, 0.5), 0.6)[0]  # noqa: E731
    assert solution.num_events == 2 and solution.result == HYBRID_RESULTS.successful
    np.testing.assert_allclose(y1[:2], height(9.81), rtol=1e-8)
    np.testing.assert_allclose(slopes[:2], jax.grad(height)(9.81), rtol=1e-8)


@pytest.mark.slow
def test_a_floor_that_counts_and_a_floor_that_reflects():
    """Two guards of one function: the first is passed, and does not count the ball again."""

    def counted(t, y, args):
        return y.at[2].add(1)

    def falls(t, y, args):
        return jnp.stack([y[1], -args[2], jnp.zeros_like(y[0])])

    def bounces(t, y, args):
        return jnp.stack([jnp.zeros_like(y[0]), -args[3] * y[1], y[2]])

    y0 = jnp.array([1.0, 0.3, 0.0])
    run = jax.jit(
        lambda: hybrid_solve(
            falls, (height, height), (counted, bounces), 0.0, 1.9, y0, BALL, max_events=6
        )
    )
    solution, (want, number) = run(), true_ball(BALL, 1.9)
    np.testing.assert_array_equal(solution.guards, [0, 1] * number + [-1, -1])
    np.testing.assert_allclose(solution.y1[0], want, rtol=1e-6)
    assert solution.y1[2] == number == 2


@pytest.mark.slow
def test_an_endless_chain_of_events():
    """Each reset leaves the other guard at zero and falling."""
    guards = (lambda t, y, args: y[0], lambda t, y, args: -y[0])
    resets = tuple(lambda t, y, args, v=v: jnp.array([0.0, v]) for v in (1.0, -1.0))
    move = lambda t, y, args: jnp.stack([y[1], jnp.zeros_like(y[1])])  # noqa: E731
    y0 = jnp.array([0.5, -1.0])
    run = jax.jit(lambda t1: hybrid_solve(move, guards, resets, 0.0, t1, y0, max_events=4))
    for t1 in (0.5, 1.0):  # at the end, too
        solution = run(t1)
        assert solution.result == HYBRID_RESULTS.too_many_events
        np.testing.assert_array_equal(solution.guards, [0, 1, 0, 1])
        np.testing.assert_allclose(solution.times, 0.5, rtol=1e-7)
        assert np.isnan(solution.y1).all()


@pytest.mark.parametrize(
    ("guard", "times"),
    [
        (lambda t, y, args: 2 - t**2, [2**0.5]),
        (lambda t, y, args: jnp.sin(2 * jnp.pi * t), [0.5, 1.5, 2.5]),
        (lambda t, y, args: jnp.cos(t) * y[0], [jnp.pi / 2]),
    ],
    ids=["square", "sine", "factor"],
)
def test_guards_of_time(guard, times):
    """y' = -a y, y⁺ = y + 1: a guard that y does not move is as far from zero as rounding leaves it."""

    def solve(a, t1):
        return hybrid_solve(
            lambda t, y, a: -a * y, guard, lambda t, y, a: y + 1, 0.1, t1, jnp.array([1.0]), a,
            max_events=4, stepsize_controller=TIGHT,
        )  # fmt: skip

    def truth(a, t1):
        y, t = 1.0, 0.1
        for event in times:
            y, t = y * jnp.exp(-a * (event - t)) + 1, event
        return y * jnp.exp(-a * (t1 - t))

    def height(*p):
        solution = solve(*p)
        return solution.y1[0], solution

    gradient = jax.jit(jax.value_and_grad(height, (0, 1), has_aux=True))
    (height_, solution), slopes = gradient(0.7, 3.3)
    got = height_, slopes
    assert solution.result == HYBRID_RESULTS.successful and solution.num_events == len(times)
    np.testing.assert_allclose(solution.times[: len(times)], times, rtol=1e-9)
    want = jax.value_and_grad(truth, (0, 1))(0.7, 3.3)
    np.testing.assert_allclose(jax.tree.leaves(got), jax.tree.leaves(want), rtol=1e-8)


def test_second_order():
    """y' = -p y from 1, y⁺ = y + 1 at y = 1/2: y(1) = 3 exp(-p). jax 0.10 loses rules in reverse scans."""

    def end(p):
        return hybrid_solve(
            lambda t, y, p: -p * y, lambda t, y, p: y[0] - 0.5, lambda t, y, p: y + 1,
            0.0, 1.0, jnp.ones(1), p, max_events=1,
        ).y1[0]  # fmt: skip

    # The default tolerances are 1.5e-8.
    np.testing.assert_allclose(jax.jit(jax.hessian(end))(1.0), 3 * np.exp(-1.0), rtol=1e-7)


def test_second_order_of_mapped_solves():
    """The same from y: 3 y exp(-p), but from 0.3 there is no event. Mapped, branches are selections."""

    def ends(p):
        return jax.vmap(
            lambda y: hybrid_solve(
                lambda t, y, p: -p * y, lambda t, y, p: y[0] - 0.5, lambda t, y, p: y + 1,
                0.0, 1.0, y[None], p, max_events=1,
            ).y1[0]
        )(jnp.array([1.0, 1.1, 0.3]))  # fmt: skip

    got = jax.jit(jax.jacfwd(jax.jacrev(ends)))(1.0)
    np.testing.assert_allclose(got, np.array([3.0, 3.3, 0.3]) * np.exp(-1.0), rtol=1e-7)


@pytest.mark.parametrize(
    ("guard", "reset", "message"),
    [
        ((height, height), bounce, "2 guards and 1 resets"),
        (lambda t, y, args: y, bounce, "must return a number"),
        (height, lambda t, y, args: y[:1], "shape of y"),
    ],
)
def test_bad_input(guard, reset, message):
    with pytest.raises(ValueError, match=message):
        hybrid_solve(fall, guard, reset, 0.0, 1.0, BALL[:2], BALL, max_events=1)


def test_integers():
    """An initial state of integers is one of floats, of 64 bits here."""
    solve = lambda: hybrid_solve(  # noqa: E731
        fall, height, bounce, 0.0, 1.0, jnp.array([1, 0]), BALL, max_events=1
    )
    assert jax.eval_shape(solve).y1.dtype == jnp.float64

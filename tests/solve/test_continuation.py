"""Branches through their folds, against closed forms."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from mcjax.solve import continuation, fold
from mcjax.verify import differences

EPS = float(jnp.finfo(float).eps)


def parabola(x, p, a):
    return a * x**2 + p


def test_a_parabola_through_its_fold_and_the_derivatives_of_its_points():
    """ds² = (dp² + dx²/R²)/2 with R = |dx/dp| = 1/2 at the start."""

    def points(a):
        branch = continuation(parabola, 1.0, -1.0, a, step=0.1, steps=12)
        return (branch.y, branch.p, *branch.tangent), branch

    @jax.jit
    def run(a):
        first = jax.jacfwd(points, has_aux=True)
        reverse = jax.jacrev(lambda a: points(a)[0])(a)
        (second, slope), branch = (
            jax.jacfwd(lambda a: (first(a)[0],) * 2, has_aux=True)(a),
            points(a)[1],
        )
        return branch, slope, reverse, second[:2]  # those of tangents are third derivatives

    b, (dx, dp, dtx, dtp), reverse, (ddx, ddp) = run(jnp.array(1.0))
    assert b.converged.all() and b.folds.sum() == 1
    k = int(np.argmax(b.folds))
    assert b.y[k] > 0 > b.y[k + 1]
    np.testing.assert_allclose(b.p, -(b.y**2), atol=10 * EPS)
    tx, tp = b.tangent
    np.testing.assert_allclose(2 * b.y * tx + tp, 0, atol=20 * EPS)
    np.testing.assert_allclose((tp**2 + 4 * tx**2) / 2, 1, rtol=20 * EPS)
    np.testing.assert_allclose(b.arclength[1:3] - b.arclength[:2], [0.1, 0.4 / 3], rtol=1e-12)

    # Of the points as they are computed, by differences of order h⁴ (their rounding is ε/h).
    far, near = 2.0**-8, 2.0**-9
    at = {h: run(jnp.array(1 + h)) for h in (-far, far, -near, near)}

    def difference(part):
        wide, narrow = ((part(at[h]) - part(at[-h])) / (2 * h) for h in (far, near))
        return (4 * narrow - wide) / 3

    # h⁴ = 2e-10 times fifth derivatives, which grow along the branch.
    close = dict(rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(dx, difference(lambda r: r[0].y), **close)
    np.testing.assert_allclose(dp, difference(lambda r: r[0].p), **close)
    np.testing.assert_allclose(dtx, difference(lambda r: r[0].tangent[0]), **close)
    np.testing.assert_allclose(dtp, difference(lambda r: r[0].tangent[1]), **close)
    np.testing.assert_allclose(ddx, difference(lambda r: r[1][0]), **close)
    np.testing.assert_allclose(ddp, difference(lambda r: r[1][1]), **close)
    x = np.asarray(b.y)
    np.testing.assert_allclose(dp, -(x**2) - 2 * x * dx, atol=1e-12)  # on a x² + p = 0
    for one, other in zip(reverse, (dx, dp, dtx, dtp), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_a_circle_all_round():
    """A step h turns by arcsin(√2 h): z⁺ is √2 h along the tangent, as ds² = (dx² + dp²)/2."""

    @jax.jit
    def run(r):
        def points(r):
            at = r * jnp.sqrt(0.5)
            return continuation(
                lambda x, p, r: x**2 + p**2 - r**2, at, -at, r, step=0.1, steps=50, max_step=0.1
            )

        slope = jax.jvp(lambda r: (lambda b: (b.y, b.p))(points(r)), (r,), (jnp.ones_like(r),))[1]
        return points(r), slope

    b, (dx, dp) = run(jnp.array(1.0))
    assert b.converged.all()
    np.testing.assert_allclose(b.y**2 + b.p**2, 1, rtol=10 * EPS)
    angle = np.unwrap(np.arctan2(b.p, b.y))
    np.testing.assert_allclose(np.diff(angle), np.arcsin(2**0.5 * np.diff(b.arclength)), rtol=1e-7)
    assert angle[-1] - angle[0] > 2 * np.pi
    np.testing.assert_array_equal(
        np.flatnonzero(b.folds), np.flatnonzero(np.diff(np.sign(np.cos(angle))))
    )
    np.testing.assert_allclose(b.y * dx + b.p * dp, 1, rtol=1e-12)


def cubic(x, p, a):
    return p + a * x - x**3


def test_both_folds_of_a_cubic_and_their_derivatives():
    """x = ∓√(a/3), p = ±2 (a/3)^(3/2): a cusp at a = 0, where they have no derivative."""

    @jax.jit
    def run(a):
        b = continuation(cubic, -2.0, -6.0, a, step=0.5, steps=20)
        k = jnp.flatnonzero(b.folds, size=2)

        def of(a, y, p):
            found = fold(cubic, y, p, a, throw=False)
            return found.value.p, (found.value, found.certificate.stationary)

        def second(a, y, p):
            slope = jax.grad(lambda a: of(a, y, p), has_aux=True)
            return jax.jvp(slope, (a,), (jnp.ones_like(a),), has_aux=True)

        def guesses(x):
            return jnp.append(x[k], jnp.zeros(1))

        return b, jax.vmap(second)(jnp.stack([a, a, 0 * a]), guesses(b.y), guesses(b.p))

    a = 1.2
    b, (first, second, (point, ok)) = run(jnp.array(a))
    assert b.converged.all() and b.folds.sum() == 2 and ok[:2].all()
    u = np.array([1, -1]) * np.sqrt(a / 3)
    np.testing.assert_allclose(point.y[:2], -u, rtol=1e-14)
    np.testing.assert_allclose(point.p[:2], 2 * u**3, rtol=1e-14)
    np.testing.assert_allclose(np.abs(point.v), 1, rtol=1e-14)
    np.testing.assert_allclose(first[:2], u, rtol=1e-13)
    np.testing.assert_allclose(second[:2], 1 / (6 * u), rtol=1e-12)
    assert np.isnan(first[2]) and np.isnan(second[2])


N = 31


def bratu(u, p, theta):
    """u'' + p exp(a u) (1 + b x) = 0, u(0) = u(1) = 0, by differences on n points."""
    a, b = theta
    h, x = 1 / (N + 1), np.arange(1, N + 1) / (N + 1)
    inside = jnp.concatenate([jnp.zeros(1), u, jnp.zeros(1)])
    return (inside[2:] - 2 * u + inside[:-2]) / h**2 + p * jnp.exp(a * u) * (1 + b * x)


def bratu_fold_by_shooting():
    """The greatest p for b = 0, a = 1: from the middle, m, the recurrence to u_0(m, p) = 0 = ∂u_0/∂m."""
    h2 = mpmath.mpf(1) / (N + 1) ** 2

    def at_the_wall(m, p):
        u, above = m - h2 * p * mpmath.exp(m) / 2, m
        du, dabove = 1 - h2 * p * mpmath.exp(m) / 2, mpmath.mpf(1)
        for _ in range((N - 1) // 2):
            e = h2 * p * mpmath.exp(u)
            u, above = 2 * u - above - e, u
            du, dabove = 2 * du - dabove - e * du, du
        return u, du

    with mpmath.workdps(30):
        m, p = mpmath.findroot(at_the_wall, (1.2, 3.5))
        return float(m), float(p)


def test_the_fold_of_bratu_and_its_derivatives():
    """Scaled, u a, the problem has p a: p_fold is proportional to 1/a."""

    @jax.jit
    def run(theta):
        b = continuation(bratu, jnp.zeros(N), 0.0, theta, step=0.5, steps=16)
        k = jnp.argmax(b.folds)

        def of(theta):
            found = fold(bratu, b.y[k], b.p[k], theta, throw=False)
            return found.value.p, (found.value, found.certificate)

        return b, jax.value_and_grad(of, has_aux=True)(theta)

    theta = jnp.array([1.0, 0.0])
    b, ((p, (point, certificate)), slope) = run(theta)
    assert b.converged.all() and b.folds.sum() == 1 and certificate.stationary
    m, truth = bratu_fold_by_shooting()
    assert abs(truth - 3.5138307191) < 0.01  # the differential equation's, O(h²) away
    np.testing.assert_allclose(p, truth, rtol=1e-12)
    np.testing.assert_allclose(point.y[N // 2], m, rtol=1e-10)
    np.testing.assert_allclose(slope[0], -truth, rtol=1e-10)
    want = differences.jacobian(lambda t: run(t)[1][0][0], theta)
    assert np.all(want.error < 1e-8 * np.abs(want.value))
    assert np.all(np.abs(slope - want.value) < 1e-10 + want.error)


def test_no_unit_decides():
    """Units that are powers of two change no digit; R follows the first change of each leaf of y."""

    def fn(y, p, s):
        x, w = y["x"] / s[0], y["w"] / s[1]
        return cubic(x, p / s[2], 1.2), w - x**2

    @jax.jit
    def run(s):
        y0 = {"x": -2 * s[0], "w": 4 * s[1]}
        b = continuation(fn, y0, -5.6 * s[2], s, step=0.5 * s[2], steps=15)
        return b.y["x"] / s[0], b.y["w"] / s[1], b.p / s[2], b.arclength / s[2], b.converged

    plain, scaled = run(jnp.ones(3)), run(jnp.array([2.0**10, 2.0**-20, 2.0**-8]))
    assert plain[-1].all()
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_complex_and_float32_branches():
    def fn(y, p, c):
        z, x = y
        return z - c * x.astype(complex) ** 2, parabola(x, p, 1.0)

    @jax.jit
    def run(c):
        double = continuation(fn, (c, jnp.array(1.0)), -1.0, c, step=0.1, steps=12)
        one = jnp.float32(1)
        single = continuation(parabola, one, -1.0, one, step=0.1, steps=12)
        return double, single, fold(parabola, one, 1.0, one, throw=False).value

    double, single, turn = run(jnp.array(1 - 2j))
    z, x = double.y
    assert double.converged.all() and double.folds.sum() == 1
    np.testing.assert_allclose(z, (1 - 2j) * np.asarray(x) ** 2, rtol=1e-12, atol=1e-14)
    assert single.y.dtype == single.p.dtype == jnp.float32
    assert single.converged.all() and single.folds.sum() == 1
    np.testing.assert_allclose(single.p, -(single.y**2), atol=1e-6)
    assert turn.y.dtype == turn.p.dtype == jnp.float32
    np.testing.assert_allclose([turn.y, turn.p, turn.v], [0, 0, 1], atol=1e-6)


def test_a_start_where_a_leaf_does_not_move():
    """On y² + p² = r² from the top: y and p are r times what they are for r = 1, if the steps are."""

    def points(r):
        def fn(y, p, r):
            return {"y": y["y"] ** 2 + p**2 - r**2, "still": y["still"] - r}

        start = {"y": jnp.asarray(1.0), "still": jnp.asarray(1.0)}
        branch = continuation(fn, start, 0.0, r, step=0.2, steps=2)
        return branch.y, branch.p

    (y, p), (dy, dp) = jax.jit(lambda r: jax.jvp(points, (r,), (1.0,)))(1.0)
    np.testing.assert_allclose(y["y"] * dy["y"] + p * dp, 1, rtol=1e-12)
    np.testing.assert_allclose(dy["still"], 1, rtol=1e-12)
    np.testing.assert_allclose(dy["y"][0], 1, rtol=1e-12)


def test_where_a_branch_ends_the_rest_is_nan():
    def fn(y, p, c):
        return jnp.where(p > 2, jnp.nan, y**2 - p + c)

    run = jax.jit(jax.vmap(lambda c: continuation(fn, 1.0, 1.0, c, step=0.2, steps=40)))
    b = run(jnp.array([0.0, 3.0]))  # y = √p for p ≤ 2, and none
    count = int(b.converged[0].sum())
    assert 5 < count < 41 and b.converged[0, :count].all()
    np.testing.assert_allclose(b.y[0, :count] ** 2, b.p[0, :count], rtol=10 * EPS)
    # Twice the shortest step, 0.2 / 65536, would have gone beyond; ds² = (dp² + ...)/2.
    np.testing.assert_allclose(b.p[0, count - 1], 2, atol=2 * 2**0.5 * 0.2 / 2**16)
    for values in (b.y, b.p, b.tangent[0], b.tangent[1], b.arclength):
        assert np.isfinite(values[0, :count]).all() and np.isnan(values[0, count:]).all()
        assert np.isnan(values[1]).all()
    assert not b.folds.any() and not b.converged[1].any()


def test_a_function_is_traced_once():
    count = []

    def fn(y, p, c):
        count.append(1)
        return y**2 + c * p

    jax.jit(jax.grad(lambda c: continuation(fn, 1.0, -1.0, c, step=0.1, steps=3).y[2])).trace(1.0)
    assert len(count) == 1


def test_bad_input():
    with pytest.raises(ValueError, match="2 equations for 1 unknowns and p"):
        continuation(lambda y, p, _: jnp.stack([y, p]), 0.0, 0.0, step=0.1, steps=2)
    with pytest.raises(ValueError, match=r"continuation: p is one real number, got float64\[2\]"):
        continuation(lambda y, p, _: y - p[0], 0.0, jnp.zeros(2), step=0.1, steps=2)
    with pytest.raises(ValueError, match=r"fold: p is one real number, got float64\[2\]"):
        fold(lambda y, p, _: y * y - p, 0.1, jnp.zeros(2))
    for step in (0.0, np.nan, -np.inf):
        with pytest.raises(ValueError, match="step is finite and not 0"):
            continuation(lambda y, p, _: y - p, 0.0, 0.0, step=step, steps=2)
    for longest in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="max_step is positive"):
            continuation(lambda y, p, _: y - p, 0.0, 0.0, step=1, steps=2, max_step=longest)
    with pytest.raises(ValueError, match="steps is a number of points"):
        continuation(lambda y, p, _: y - p, 0.0, 0.0, step=0.1, steps=0)
    with pytest.raises(ValueError, match="continuation: y0 has no numbers"):
        continuation(lambda y, p, _: y, jnp.zeros(0), 0.0, step=0.1, steps=2)


def test_a_count_of_numpy():
    branch = continuation(lambda y, p, _: y - p, 0.0, 0.0, step=0.1, steps=np.int64(3))
    assert branch.p.shape == (4,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_point_where_f_is_steep_is_on_the_branch(dtype):
    """y = log p towards p = 0, where a step that is short beside y leaves most of F."""
    one = jnp.ones((), dtype)
    branch = continuation(lambda y, p, _: y - jnp.log(p), 0 * one, one, step=-0.2, steps=20)
    assert branch.converged.all() and branch.p[-1] < 1e-2
    close = 10 * jnp.finfo(dtype).eps * np.abs(branch.y).max()
    np.testing.assert_allclose(branch.y, np.log(branch.p), rtol=0, atol=close)


def test_a_point_at_infinity_is_none():
    """y is in no equation: Newton's step for it is infinite."""
    b = continuation(lambda y, p, _: p - 2 + 0 * y, 2.0, 2.0, step=0.2, steps=1)
    assert not b.converged.any() and np.isnan(b.y).all()


def test_a_fold_in_any_unit():
    """Of the unit circle, at (0, 1): an F of 1e-12 was solved to a tolerance at the start."""
    found = fold(lambda y, p, unit: unit * (y**2 + p**2 - 1), 0.1, 0.95, 1e-12)
    np.testing.assert_allclose([*found.value], [0, 1, 1], atol=4 * EPS)


def test_no_step_leads_nowhere():
    zero = jnp.array(0.0)
    branch = continuation(lambda y, p, _: y**2 + p, jnp.array(1.0), -1.0, step=zero, steps=3)
    assert not branch.converged.any()

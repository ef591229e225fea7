"""ReplayAdjoint with steps of one length, or cut at given times: boundaries move with t0, t1 and dt0."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.ode import ReplayAdjoint

from .problems import pid


@pytest.mark.parametrize("dt0", [0.2, 1.03 / 5], ids=["remainder", "divides"])
def test_constant_steps_move_with_the_times(dt0):
    """Of (t0, t1, dt0) as in diffrax.DirectAdjoint: the first step is dt0, the others share t1 - t0."""
    field = lambda t, y, a: -a * jnp.sin(y) * t  # noqa: E731
    pair = (
        diffrax.ODETerm(lambda t, y, a: y * t),
        diffrax.ODETerm(lambda t, y, a: -a * jnp.sin(y)),
    )
    kinds = [(diffrax.Euler(), diffrax.ODETerm(field), 1.2)]
    kinds += [(diffrax.SemiImplicitEuler(), pair, (jnp.array(1.2), jnp.array(0.7)))]

    def end(moments, adjoint, solver, terms, y0):
        t0, t1, dt0 = moments
        sol = diffrax.diffeqsolve(
            terms, solver, t0, t1, dt0, y0, 1.3, adjoint=adjoint, max_steps=16
        )
        return jax.tree.leaves(sol.ys)[0][-1]

    moments = jnp.array([0.1, 1.13, dt0])
    for kind in kinds:
        got, want = (
            jax.grad(end)(moments, adjoint, *kind)
            for adjoint in (ReplayAdjoint(), diffrax.DirectAdjoint())
        )
        np.testing.assert_allclose(got, want, atol=1e-12)


def test_an_event_is_all_that_ends_a_solve():
    """t1 infinite, constant steps of dt0: as diffrax.DirectAdjoint."""

    def end(x, adjoint):
        y0, a, t0, dt0 = x
        event = diffrax.Event(lambda t, y, args, **_: y < 0.5)
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: -a * y * t), diffrax.Euler(), t0, jnp.inf, dt0, y0, a,
            event=event, adjoint=adjoint, max_steps=64,
        )  # fmt: skip
        return sol.ys[-1] * sol.ts[-1]

    x = jnp.array([1.2, 0.7, 0.1, 0.1])
    got, want = (
        jax.value_and_grad(end)(x, adjoint)
        for adjoint in (ReplayAdjoint(), diffrax.DirectAdjoint())
    )
    np.testing.assert_allclose(got[0], want[0], rtol=1e-14)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-12)


@pytest.mark.parametrize("kind", ["step_ts", "jump_ts", "store_rejected_steps"])
def test_steps_up_to_a_given_time(kind):
    """As diffrax.DirectAdjoint, up to the first time that is stepped to; from there on fixed."""
    stop = 3 if kind == "store_rejected_steps" else jnp.array([0.9])
    controller = diffrax.ClipStepSizeController(pid(1e-3), **{kind: stop})

    def steps(x, adjoint):
        y0, a, t0, t1, dt0 = x
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, a: -a * y * t), diffrax.Tsit5(), t0, t1, dt0, y0, a,
            stepsize_controller=controller, saveat=diffrax.SaveAt(steps=True), adjoint=adjoint,
            max_steps=16,
        )  # fmt: skip
        return sol.ts, sol.ys

    x = jnp.array([1.2, 0.7, 0.1, 3.0, 0.05])
    (ts, dts), (_, want) = (
        (steps(x, adjoint), jax.jit(jax.jacfwd(lambda x, a=adjoint: steps(x, a)))(x))
        for adjoint in (ReplayAdjoint(), diffrax.DirectAdjoint())
    )
    same = np.isfinite(ts[0]) & ((ts[0] < 0.9 + 1e-9) | (kind == "store_rejected_steps"))
    assert same.sum() >= 3
    np.testing.assert_allclose(dts[0][0], [0, 0, 1, 0, 1], atol=1e-12)
    for got, like in zip(dts, want, strict=True):
        np.testing.assert_allclose(got[same], like[same], atol=1e-10)
    later = np.isfinite(ts[0]) & ~same & (ts[0] < 3)
    np.testing.assert_array_equal(dts[0][later], 0)


def test_steps_that_are_cut_to_dtmin_or_dtmax():
    """As diffrax.DirectAdjoint: from the first of them on, boundaries move with its start, which is dt0's."""

    def steps(moments, limits, adjoint):
        t0, t1, dt0 = moments
        controller = diffrax.PIDController(1e-3, 1e-3, dtmin=limits[0], dtmax=limits[1])
        bump = lambda t, y, a: 20 * jnp.exp(-((25 * (t - 0.55)) ** 2)) - a * y  # noqa: E731
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(bump), diffrax.Bosh3(), t0, t1, dt0, 1.0, 0.7,
            stepsize_controller=controller, saveat=diffrax.SaveAt(steps=True), adjoint=adjoint,
            max_steps=32,
        )  # fmt: skip
        return (sol.ts, sol.ys), sol.stats["num_rejected_steps"]

    ours, theirs = (
        jax.jit(jax.jacfwd(lambda x, limits, a=adjoint: steps(x, limits, a), has_aux=True))
        for adjoint in (ReplayAdjoint(), diffrax.DirectAdjoint())
    )
    cases = {  # (t0, t1, dt0), (dtmin, dtmax)
        "longest": ([0.0, 1.03, 0.05], [0.0, 0.1]),
        "longest at once": ([0.0, 1.03, 0.3], [0.0, 0.1]),
        "longest, rejected": ([0.25, 1.03, 0.04], [0.0, 0.3]),
        "shortest": ([0.0, 1.03, 0.11], [0.03, 9.0]),
        "both": ([0.1, 1.03, 0.05], [0.02, 0.09]),
    }
    for name, (moments, limits) in cases.items():
        got, rejected = ours(jnp.array(moments), jnp.array(limits))
        want, _ = theirs(jnp.array(moments), jnp.array(limits))
        assert name not in ("longest, rejected", "both") or rejected > 1
        for g, w in zip(got, want, strict=True):
            # y' is up to 20, and y'' up to 500: a few thousand roundings.
            np.testing.assert_allclose(g, w, atol=1e-10, err_msg=name)

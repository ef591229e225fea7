"""What `mcjax.ode` takes from diffrax that its documentation does not promise.

Supported: diffrax 0.7.2, and later versions as long as this file passes. A failure here says that diffrax
has moved a part of the ground that the adjoints stand on; the lists say which.
"""

import inspect
from dataclasses import fields
from importlib.metadata import version

import diffrax
import equinox.internal as eqxi
import jax.numpy as jnp

# The keywords that diffeqsolve passes to `AbstractAdjoint.loop`, all of which ReplayAdjoint names or
# passes on to `AbstractAdjoint._loop`.
LOOP = {
    "args",
    "terms",
    "solver",
    "stepsize_controller",
    "event",
    "saveat",
    "t0",
    "t1",
    "dt0",
    "max_steps",
    "throw",
    "init_state",
    "passed_solver_state",
    "passed_controller_state",
    "progress_meter",
}
# What `_loop` takes beside them, and those of LOOP that it does not take.
LOOPS = {"inner_while_loop", "outer_while_loop"}
NOT_FOR_LOOP = {"throw", "passed_solver_state", "passed_controller_state"}
# Fields of the state that are read, and of what its save_state holds.
STATE = {"y", "tprev", "tnext", "made_jump", "solver_state", "save_state"}
STATE |= {"num_steps", "num_accepted_steps"}
SAVE_STATE = {"ts", "ys", "save_index", "saveat_ts_index"}
# Arguments of a solver's step, in order.
STEP = ["self", "terms", "t0", "t1", "y0", "args", "solver_state", "made_jump"]


class Seen(Exception):
    pass


class Spy(diffrax.AbstractAdjoint):
    def loop(self, **keywords):
        raise Seen(keywords)


def seen():
    term = diffrax.ODETerm(lambda t, y, args: -y)
    try:
        diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            0.0,
            1.0,
            0.1,
            jnp.ones(2),
            saveat=diffrax.SaveAt(ts=jnp.array([0.5])),
            adjoint=Spy(),
        )
    except Seen as spied:
        return spied.args[0]
    raise AssertionError("diffeqsolve no longer calls AbstractAdjoint.loop")


def test_version():
    assert tuple(map(int, version("diffrax").split(".")[:3])) >= (0, 7, 2)


def test_signatures_of_the_loops():
    declared = inspect.signature(diffrax.AbstractAdjoint.loop).parameters
    assert {*declared} - {"self"} == LOOP
    inner = inspect.signature(diffrax.DirectAdjoint()._loop).parameters
    assert {*inner} == (LOOP - NOT_FOR_LOOP) | LOOPS
    assert all(p.kind is p.KEYWORD_ONLY for p in inner.values())


def test_what_the_loop_is_given():
    keywords = seen()
    assert {*keywords} == LOOP
    state = keywords["init_state"]
    assert {f.name for f in fields(state)} >= STATE
    assert {f.name for f in fields(state.save_state)} == SAVE_STATE


def test_solvers():
    for solver in (diffrax.Tsit5, diffrax.Kvaerno5, diffrax.ImplicitEuler, diffrax.Heun):
        assert [*inspect.signature(solver.step).parameters] == STEP
    for solver in (diffrax.Tsit5(), diffrax.Kvaerno5()):
        assert isinstance(solver, diffrax.AbstractRungeKutta)
        assert solver.scan_kind is None


def test_loops_of_equinox():
    loop = inspect.signature(eqxi.while_loop).parameters
    assert {"max_steps", "buffers", "kind"} <= {*loop}
    assert {"pred"} <= {*inspect.signature(eqxi.buffer_at_set).parameters}
    for name in ("unvmap_any", "unvmap_max"):
        assert callable(getattr(eqxi, name))

"""python -m benchmarks.ode [lotka_volterra,robertson,...] [--rounds 20] [--hessian]

Gradients of ODE solutions by the adjoints of `mcjax.ode`, against diffrax's default (RCA, short for
RecursiveCheckpointAdjoint), as ratios of times: above 1 is faster than diffrax. Beside them, temporaries of
the compiled program. With --hessian, Hessian-vector products against DirectAdjoint.

The adjoints take turns, round after round; a time is the processor time of the best round, which a busy
machine disturbs least. `difference` is that of the gradients, relative to diffrax's.
"""

import argparse
import time
from functools import partial

MAX_STEPS = 4096


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ode", description=__doc__)
    parser.add_argument("problems", nargs="?", default=",".join(PROBLEMS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--hessian", action="store_true")
    arguments = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)
    print(f"jax {jax.__version__}, {jax.default_backend()}")
    print(f"{'':40}{'steps':>12}{'ms':>10}{'ratio':>8}{'difference':>12}{'temporaries, MB':>17}")
    for name in arguments.problems.split(","):
        (hessian_table if arguments.hessian else gradient_table)(name, arguments.rounds)


# name: what of tests/ode/problems.py, the solver, rtol, atol, the number of save times (0: the end)
PROBLEMS = {
    "lotka_volterra": ("Tsit5", 1e-6, 1e-8, 101),
    "pendulum": ("Tsit5", 1e-6, 1e-8, 101),
    "robertson": ("Kvaerno5", 1e-6, 1e-10, 0),
    "brusselator_1d": ("Tsit5", 1e-6, 1e-6, 0),
    "brusselator_2d": ("Tsit5", 1e-6, 1e-6, 0),
    "neural_ode": ("Tsit5", 1e-6, 1e-6, 0),
}


def adjoints():
    import diffrax

    from mcjax import ode

    ours = {"ReplayAdjoint": ode.ReplayAdjoint(), "Replay, 1024 rows": ode.ReplayAdjoint(1024)}
    if hasattr(ode, "GaussAdjoint"):
        ours["GaussAdjoint"] = ode.GaussAdjoint()
    return {"RCA": diffrax.RecursiveCheckpointAdjoint()} | ours


def loss(name, adjoint, x):
    import diffrax
    import jax.numpy as jnp

    from tests.ode import problems

    solver, rtol, atol, count = PROBLEMS[name]
    p = getattr(problems, name)()
    y0, args = x
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(p.field),
        getattr(diffrax, solver)(),
        p.t0,
        p.t1,
        p.dt0,
        y0,
        args,
        saveat=diffrax.SaveAt(ts=p.times(count)) if count else diffrax.SaveAt(t1=True),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=adjoint,
        max_steps=MAX_STEPS,
    )
    counts = [sol.stats[f"num_{kind}_steps"] for kind in ("accepted", "rejected")]
    return jnp.sin(sol.ys).sum(), counts


def gradient_table(name, rounds):
    import jax

    point = start(name)
    compiled = {
        label: jax.jit(jax.grad(partial(loss, name, adjoint), has_aux=True)).lower(point).compile()
        for label, adjoint in adjoints().items()
    }
    table(name, compiled, point, rounds, "RCA")


def hessian_table(name, rounds):
    import diffrax
    import jax

    from mcjax import ode

    point = start(name)

    def product(adjoint, x):
        gradient = jax.grad(partial(loss, name, adjoint), has_aux=True)
        _, product, counts = jax.jvp(gradient, (x,), (x,), has_aux=True)
        return product, counts

    peers = {"DirectAdjoint": diffrax.DirectAdjoint(), "ReplayAdjoint": ode.ReplayAdjoint()}
    compiled = {
        label: jax.jit(partial(product, adjoint)).lower(point).compile()
        for label, adjoint in peers.items()
    }
    table(name, compiled, point, rounds, "DirectAdjoint")


def start(name):
    from tests.ode import problems

    p = getattr(problems, name)()
    return p.y0, p.args


def table(name, compiled, point, rounds, reference):
    import jax
    import numpy as np
    from jax.flatten_util import ravel_pytree

    results = {label: jax.block_until_ready(f(point)) for label, f in compiled.items()}
    times = {label: [] for label in compiled}
    for _ in range(rounds):
        for label, f in compiled.items():
            began = time.process_time()
            jax.block_until_ready(f(point))
            times[label].append(time.process_time() - began)
    best = {label: min(seconds) for label, seconds in times.items()}
    flat = lambda label: ravel_pytree(results[label][0])[0]  # noqa: E731
    for label, f in compiled.items():
        accepted, rejected = results[label][1]
        difference = np.linalg.norm(flat(label) - flat(reference)) / np.linalg.norm(flat(reference))
        print(
            f"{name:18}{label:22}{int(accepted):6} +{int(rejected):4}{1e3 * best[label]:10.3f}"
            f"{best[reference] / best[label]:8.2f}{difference:12.1e}"
            f"{f.memory_analysis().temp_size_in_bytes / 1e6:17.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""python -m benchmarks.ode [lotka_volterra,robertson,...] [--rounds 20] [--keep]

Gradients of ODE solutions by the adjoints of `mcjax.ode`, against diffrax's default (RCA, short for
RecursiveCheckpointAdjoint), as ratios of times: above 1 is faster than diffrax. Beside them, temporaries of
the compiled program. Then Hessian-vector products against DirectAdjoint.

The adjoints take turns, round after round; a time is that of the best round, which a busy machine disturbs
least. `difference` is that of the gradients, relative to diffrax's. A ratio with a limit beside it is
claimed to be at least that.
"""

import argparse
import datetime
import os
import time
from functools import partial
from pathlib import Path

from ._report import splice

MAX_STEPS = 4096
MOST_SECONDS = 60  # a problem for which a round takes minutes has one
HEAD = f"{'':46}{'steps':>12}{'ms':>10}{'ratio':>8}{'limit':>7}{'difference':>12}{'temporaries, MB':>17}"
BEGIN, END = "<!-- begin: written by benchmarks.ode --keep -->", "<!-- end: ode -->"
README = Path(__file__).with_name("README.md")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ode", description=__doc__)
    parser.add_argument("problems", nargs="?", default=",".join(PROBLEMS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="write the table into README.md")
    arguments = parser.parse_args()
    import diffrax
    import jax

    jax.config.update("jax_enable_x64", True)
    versions = f"jax {jax.__version__}, diffrax {diffrax.__version__}, {jax.default_backend()}"
    lines = [f"{versions}, {os.cpu_count()} cores, {datetime.date.today()}", "", HEAD]
    print(*lines, sep="\n")
    for table in (gradient_table, hessian_table):
        for name in arguments.problems.split(","):
            for line in table(name, arguments.rounds):
                print(line, flush=True)
                lines.append(line)
    if arguments.keep:
        text = "\n".join(f"    {line}".rstrip() for line in lines)
        README.write_text(splice(README.read_text(), BEGIN, END, text))


# name: what of tests/ode/problems.py, parameters in place of its own, the solver, rtol, atol, the
# number of save times (0: the end)
PROBLEMS = {
    "lotka_volterra": ("lotka_volterra", None, "Tsit5", 1e-6, 1e-8, 101),
    "pendulum": ("pendulum", None, "Tsit5", 1e-6, 1e-8, 101),
    "robertson": ("robertson", None, "Kvaerno5", 1e-6, 1e-10, 0),
    "brusselator_1d": ("brusselator_1d", None, "Tsit5", 1e-6, 1e-6, 0),
    "brusselator_2d": ("brusselator_2d", None, "Tsit5", 1e-6, 1e-6, 0),
    "stiff_brusselator_2d": ("brusselator_2d", [3.4, 1.0, 10.0], "Kvaerno5", 1e-6, 1e-6, 0),
    "neural_ode": ("neural_ode", None, "Tsit5", 1e-6, 1e-6, 0),
}

# Least ratios, of a gradient against RCA and of a Hessian-vector product against DirectAdjoint.
GRADIENT = {
    ("lotka_volterra", "ReplayAdjoint"): 1.8,
    ("pendulum", "ReplayAdjoint"): 1.8,
    ("robertson", "ReplayAdjoint"): 1.8,
    ("brusselator_1d", "ReplayAdjoint"): 1.8,
    ("brusselator_1d", "GaussAdjoint"): 1 / 1.2,
    ("brusselator_2d", "ReplayAdjoint"): 1.5,
    ("stiff_brusselator_2d", "GaussAdjoint"): 1.5,
    ("neural_ode", "ReplayAdjoint"): 1.25,
}
HESSIAN = {(p, "ReplayAdjoint"): 2.0 for p in PROBLEMS if p != "stiff_brusselator_2d"}


def adjoints():
    import diffrax

    from mcjax import ode

    return {
        "RCA": diffrax.RecursiveCheckpointAdjoint(),
        "ReplayAdjoint": ode.ReplayAdjoint(max_accepted=1024),
        "GaussAdjoint": ode.GaussAdjoint(),
    }


def loss(name, adjoint, x):
    import diffrax
    import jax.numpy as jnp

    from tests.ode import problems

    problem, _, solver, rtol, atol, count = PROBLEMS[name]
    p = getattr(problems, problem)()
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


def start(name):
    import jax.numpy as jnp

    from tests.ode import problems

    problem, args, *_ = PROBLEMS[name]
    p = getattr(problems, problem)()
    return p.y0, p.args if args is None else jnp.array(args)


def gradient_table(name, rounds):
    import jax

    point = start(name)
    compiled = {
        label: jax.jit(jax.grad(partial(loss, name, adjoint), has_aux=True)).lower(point).compile()
        for label, adjoint in adjoints().items()
    }
    return table(name, compiled, point, rounds, "RCA", GRADIENT)


def hessian_table(name, rounds):
    import diffrax
    import jax

    from mcjax import ode

    if not any(name == problem for problem, _ in HESSIAN):
        return
    point = start(name)

    def product(adjoint, x):
        gradient = jax.grad(partial(loss, name, adjoint), has_aux=True)
        _, product, counts = jax.jvp(gradient, (x,), (x,), has_aux=True)
        return product, counts

    peers = {"DirectAdjoint": diffrax.DirectAdjoint(), "ReplayAdjoint": ode.ReplayAdjoint(1024)}
    compiled = {
        label: jax.jit(partial(product, adjoint)).lower(point).compile()
        for label, adjoint in peers.items()
    }
    yield from table(f"{name}, H v", compiled, point, rounds, "DirectAdjoint", HESSIAN)


def table(name, compiled, point, rounds, reference, limits):
    import jax
    import numpy as np
    from jax.flatten_util import ravel_pytree

    results, times = {}, {label: [] for label in compiled}
    for _ in range(rounds):
        for label, f in compiled.items():
            began = time.perf_counter()
            results[label] = jax.block_until_ready(f(point))
            times[label].append(time.perf_counter() - began)
        if sum(map(sum, times.values())) > MOST_SECONDS:
            break
    best = {label: min(seconds) for label, seconds in times.items()}
    flat = {label: ravel_pytree(result)[0] for label, (result, _) in results.items()}
    for label, f in compiled.items():
        accepted, rejected = results[label][1]
        difference = np.linalg.norm(flat[label] - flat[reference]) / np.linalg.norm(flat[reference])
        limit = limits.get((name.split(",")[0], label))
        yield (
            f"{name:24}{label:22}{int(accepted):6} +{int(rejected):4}{1e3 * best[label]:10.3f}"
            f"{best[reference] / best[label]:8.2f}{'' if limit is None else f'{limit:.2f}':>7}"
            f"{difference:12.1e}{f.memory_analysis().temp_size_in_bytes / 1e6:17.2f}"
        )


if __name__ == "__main__":
    main()

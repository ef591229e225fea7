"""python -m benchmarks.batch_solve [--count 1024] [--lanes 8,32,128] [--rounds 15]

Fits of decays whose rates differ a thousandfold, by Levenberg-Marquardt: `batch_solve` against `vmap` and
`lax.map` (one after the other) of optimistix's `least_squares`, which certifies nothing, and of ours.

The peers take turns, round after round. A time is the median; a ratio is the median of those of single
rounds, above 1 where `batch_solve` with that many lanes is faster. `difference` is the largest of the
parameters', relative, where both say that they succeeded.

Claims, of the first number of lanes that has them: at least 3 against vmap of optimistix, and at least 1
against lax.map of ours.
"""

import argparse
import time


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_solve", description=__doc__)
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--lanes", default="8,32,128")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)
    print(f"jax {jax.__version__}, {jax.default_backend()}, {arguments.count} fits")
    lanes = [int(number) for number in arguments.lanes.split(",")]
    data = decays(arguments.count)
    runs = {name: jax.jit(f).lower(data).compile() for name, f in peers(lanes).items()}
    results = {name: jax.block_until_ready(f(data)) for name, f in runs.items()}
    report(lanes, results, measure(runs, data, arguments.rounds))


def times():
    import numpy as np

    return np.linspace(0, 4, 24)


def decays(count):
    """a exp(-b t) + c with noise: b from 0.01 to 10, from easy to hardly there."""
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    a, c = rng.uniform(0.5, 3, (2, count, 1))
    rate = 10.0 ** rng.uniform(-2, 1, (count, 1))
    clean = a * np.exp(-rate * times()) + c
    return jnp.asarray(clean + 0.01 * rng.normal(size=clean.shape))


def peers(lanes):
    """data ↦ parameters, success and steps of every fit."""
    import jax
    import jax.numpy as jnp
    import optimistix as optx

    from mcjax.solve import batch_solve, least_squares

    solver, start, t = optx.LevenbergMarquardt(1e-8, 1e-8), jnp.ones(3), jnp.asarray(times())

    def residuals(y, data):
        return y[0] * jnp.exp(-y[1] * t) + y[2] - data

    def told(found):
        return found.value, found.result == optx.RESULTS.successful, found.stats["num_steps"]

    def one(solve, data):
        return told(solve(residuals, solver, start, data, max_steps=512, throw=False))

    def refilled(lanes):
        def run(data):
            starts = jnp.broadcast_to(start, (len(data), 3))
            return told(batch_solve(least_squares, residuals, solver, starts, data, lanes=lanes))

        return run

    kinds = {"optimistix": optx.least_squares, "mcjax": least_squares}
    mapped = {f"vmap, {k}": jax.vmap(lambda d, s=s: one(s, d)) for k, s in kinds.items()}
    looped = {
        f"lax.map, {k}": lambda data, s=s: jax.lax.map(lambda d: one(s, d), data)
        for k, s in kinds.items()
    }
    return mapped | looped | {batch_name(n): refilled(n) for n in lanes}


def batch_name(lanes):
    return f"batch_solve, {lanes} lanes"


def measure(runs, data, rounds):
    """Seconds of every run of every peer; nobody always follows the same neighbour."""
    import jax

    seconds, order = {name: [] for name in runs}, list(runs)
    for _ in range(rounds):
        for name in order:
            began = time.perf_counter()
            jax.block_until_ready(runs[name](data))
            seconds[name].append(time.perf_counter() - began)
        order = order[1:] + order[:1]
    return seconds


def report(lanes, results, seconds):
    import numpy as np

    steps = np.asarray(results[batch_name(lanes[0])][2])
    print(f"steps: median {np.median(steps):.0f}, mean {steps.mean():.1f}, most {steps.max()}")
    print(f"{'':24}{'ms':>10}{'solved':>8}{'difference':>12}" + f"{'ratio at lanes':>16} {lanes}")
    value, ok = (np.asarray(x) for x in results[batch_name(lanes[0])][:2])
    for name, times_ in seconds.items():
        ratios = [np.median(np.divide(times_, seconds[batch_name(n)])) for n in lanes]
        other, other_ok = (np.asarray(x) for x in results[name][:2])
        both = ok & other_ok
        difference = (np.abs(other - value) / (0.1 + np.abs(value)))[both].max(initial=0)
        print(
            f"{name:24}{1e3 * np.median(times_):10.2f}{other_ok.sum():8}{difference:12.1e}{'':16}"
            + "".join(f"{r:8.2f}" for r in ratios),
            flush=True,
        )


if __name__ == "__main__":
    main()

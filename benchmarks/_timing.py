"""Fair ratios on a machine that is shared: the peers take turns, round after round.

Within a round every peer runs the same operation, one after the other, each in its own process, so
a slow spell of the machine falls on all of them. The ratio of two peers is taken round by round, and
what is reported is its median and quartiles.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np

from . import PEERS, _worker

PAUSE = 0.02  # seconds for the spinning threads of the peer before to fall asleep


@contextmanager
def processes(peers=PEERS):
    """Peers by name, each a process; those that are not installed are left out."""
    pools = {
        peer: ProcessPoolExecutor(1, get_context("spawn"), initializer=_worker.start)
        for peer in peers
    }
    try:
        facts = {peer: pool.submit(_worker.describe, peer).result() for peer, pool in pools.items()}
        if facts["mcjax"]["device"] != "cpu":
            facts["scipy"] = None  # it has no other device to run on
        yield {p: pools[p] for p in peers if facts[p]}, {p: f for p, f in facts.items() if f}
    finally:
        for pool in pools.values():
            pool.shutdown()


def compare(pools, case, operation, seconds, turn, count):
    """One row of the table: the time of mcjax, and in units of every peer's, round by round.

    A row takes about `seconds` in all, and a turn `turn` seconds or one call. `count` says whether
    to count matrix products, which takes as long again.
    """
    prepared = {}
    for peer, pool in pools.items():
        if hasattr(case.module, peer):
            prepared[peer] = pool.submit(_worker.prepare, peer, case, operation).result()
    runs = {peer: facts for peer, facts in prepared.items() if "missing" not in facts}
    if "mcjax" not in runs:
        raise RuntimeError(f"mcjax fails at {case}, {operation}: {prepared['mcjax']['missing']}")
    if count:
        for peer, facts in runs.items():
            facts["products"] = pools[peer].submit(_worker.count, peer, case, operation).result()
    calls = {peer: max(1, round(turn / facts["seconds"])) for peer, facts in runs.items()}
    each = sum(PAUSE + facts["seconds"] * (1 + calls[peer]) for peer, facts in runs.items())
    rounds = int(np.clip(seconds / each, 3, 41))
    times = {peer: [] for peer in runs}
    order = list(runs)
    for _ in range(rounds):
        for peer in order:
            time.sleep(PAUSE)
            job = pools[peer].submit(_worker.measure, peer, case, operation, calls[peer])
            times[peer].append(job.result())
        order = order[1:] + order[:1]  # nobody always follows the same neighbour
    ours = np.array(times["mcjax"])
    return {
        "input": case.input,
        "batch": case.batch,
        "n": case.n,
        "operation": operation,
        "rounds": rounds,
        "peers": {
            peer: {
                "milliseconds": 1e3 * float(np.median(times[peer])),
                "ratio": np.quantile(ours / times[peer], [0.25, 0.5, 0.75]).tolist(),
                "temporaries": facts.get("temporaries"),
                "products": facts.get("products"),
                "difference": _difference(facts["value"], runs["mcjax"]["value"]),
            }
            for peer, facts in runs.items()
        },
        "missing": {p: f["missing"] for p, f in prepared.items() if "missing" in f},
    }


def _difference(values, ours):
    """The largest relative difference between two results, or inf where one is not finite."""
    norms = [
        np.linalg.norm(x - y) / max(np.linalg.norm(y), np.finfo(float).tiny)
        for x, y in zip(values, ours, strict=True)
    ]
    return float(np.nan_to_num(max(norms), nan=np.inf))

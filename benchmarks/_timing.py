"""Fair ratios on a machine that is shared: the peers take turns, round after round.

Within a round every peer runs the same operation, one after the other, each in its own process, so
a slow spell of the machine falls on all of them. What is reported is the ratio of the best times: a
disturbance only ever adds to a time, and most to a library whose threads wait for one another. The
quartiles of the ratios of single rounds show how far the machine was disturbed.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from . import PEERS, _worker

PAUSE = 0.02  # seconds for the spinning threads of the peer before to fall asleep


class Effort(NamedTuple):
    """At least 3 rounds and about `seconds` a row, in turns of `turn` seconds or one call."""

    seconds: float
    turn: float = 0.02


@contextmanager
def processes():
    """Peers by name, each a process, and facts about them; the ones not installed are left out."""
    pools = {
        peer: ProcessPoolExecutor(1, get_context("spawn"), initializer=_worker.start)
        for peer in PEERS
    }
    try:
        facts = {peer: pool.submit(_worker.describe, peer).result() for peer, pool in pools.items()}
        if facts["mcjax"]["device"] != "cpu":
            facts["scipy"] = None  # it has no other device to run on
        yield {p: pools[p] for p in PEERS if facts[p]}, {p: f for p, f in facts.items() if f}
    finally:
        for pool in pools.values():
            pool.shutdown()


def compare(pools, case, operation, effort):
    """One row of a table: the time of mcjax, and in units of every peer's."""
    peers = [peer for peer in pools if hasattr(_worker.load(case.function), peer)]
    prepared = {p: pools[p].submit(_worker.prepare, p, case, operation).result() for p in peers}
    missing = {p: facts.pop("missing") for p, facts in prepared.items() if "missing" in facts}
    if "mcjax" in missing:
        raise RuntimeError(f"mcjax fails at {case}, {operation}: {missing['mcjax']}")
    runs = {p: facts for p, facts in prepared.items() if p not in missing}
    times = _take_turns({p: pools[p] for p in runs}, case, operation, effort)
    best = {p: min(map(min, turns)) for p, turns in times.items()}
    medians = {p: np.array([*map(np.median, turns)]) for p, turns in times.items()}
    return {
        "input": case.input,
        "batch": case.batch,
        "n": case.n,
        "operation": operation,
        "rounds": len(medians["mcjax"]),
        "peers": {
            p: {
                "best ms": _short(1e3 * best[p]),
                "median ms": _short(1e3 * np.median(medians[p])),
                "ratio": _short(best["mcjax"] / best[p]),
                "quartiles": [
                    _short(q) for q in np.quantile(medians["mcjax"] / medians[p], (0.25, 0.75))
                ],
                "temporaries": facts.get("temporaries"),
                "products": facts.get("products"),
                "difference": _difference(facts["value"], runs["mcjax"]["value"]),
            }
            for p, facts in runs.items()
        },
        "missing": missing,
    }


def _take_turns(pools, case, operation, effort):
    """For each peer a list of turns, a turn being a list of seconds."""
    times = {p: [] for p in pools}
    order = list(pools)
    began = time.monotonic()
    while len(times["mcjax"]) < 3 or time.monotonic() < began + effort.seconds:
        for p in order:
            time.sleep(PAUSE)
            job = pools[p].submit(_worker.measure, p, case, operation, effort.turn)
            times[p].append(job.result())
        order = order[1:] + order[:1]  # nobody always follows the same neighbour
    return times


def _short(x):
    return float(f"{x:.4g}")


def _difference(values, ours):
    """The largest difference between two results, relative; None where one is not finite."""
    pairs = [
        (x, y, max(np.abs(y).max(), np.finfo(float).tiny))
        for x, y in zip(values, ours, strict=True)
    ]
    worst = max(np.linalg.norm(x / m - y / m) / np.linalg.norm(y / m) for x, y, m in pairs)
    return float(f"{worst:.1e}") if np.isfinite(worst) else None

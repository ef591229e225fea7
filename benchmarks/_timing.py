"""Fair ratios on a machine that is shared: the peers take turns, round after round.

Within a round every peer runs the same operation, one after the other, each in its own process, so
a slow spell of the machine falls on all of them. The ratio of two peers is taken round by round, and
what is reported is its median and quartiles.
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
    """About `seconds` a row in all, in turns of `turn` seconds or one call, whichever is longer."""

    seconds: float
    turn: float = 0.02
    rounds: tuple[int, int] = (3, 41)


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
    """One row of a table: the time of mcjax, and in units of every peer's, round by round."""
    peers = [peer for peer in pools if hasattr(_worker.load(case.function), peer)]
    prepared = {p: pools[p].submit(_worker.prepare, p, case, operation).result() for p in peers}
    missing = {p: facts.pop("missing") for p, facts in prepared.items() if "missing" in facts}
    if "mcjax" in missing:
        raise RuntimeError(f"mcjax fails at {case}, {operation}: {missing['mcjax']}")
    runs = {p: facts for p, facts in prepared.items() if p not in missing}
    turns = {p: max(1, round(effort.turn / facts["seconds"])) for p, facts in runs.items()}
    times = _take_turns(pools, case, operation, turns, _rounds(runs, turns, effort))
    ours = times["mcjax"]
    return {
        "input": case.input,
        "batch": case.batch,
        "n": case.n,
        "operation": operation,
        "rounds": len(ours),
        "peers": {
            p: {
                "milliseconds": _quartiles(1e3 * times[p]),
                "ratio": _quartiles(ours / times[p]),
                "temporaries": facts.get("temporaries"),
                "products": facts.get("products"),
                "difference": _difference(facts["value"], runs["mcjax"]["value"]),
            }
            for p, facts in runs.items()
        },
        "missing": missing,
    }


def _rounds(runs, turns, effort):
    each = sum(PAUSE + facts["seconds"] * (1 + turns[p]) for p, facts in runs.items())
    return int(np.clip(effort.seconds / each, *effort.rounds))


def _take_turns(pools, case, operation, turns, rounds):
    """Seconds a call, an array of one number a round for each peer."""
    times = {p: [] for p in turns}
    order = list(turns)
    for _ in range(rounds):
        for p in order:
            time.sleep(PAUSE)
            job = pools[p].submit(_worker.measure, p, case, operation, turns[p])
            times[p].append(job.result())
        order = order[1:] + order[:1]  # nobody always follows the same neighbour
    return {p: np.array(seconds) for p, seconds in times.items()}


def _quartiles(x):
    return [float(f"{q:.4g}") for q in np.quantile(x, [0.25, 0.5, 0.75])]


def _difference(values, ours):
    """The largest relative difference between two results; None where one is not finite."""
    norms = [
        np.linalg.norm(x - y) / max(np.linalg.norm(y), np.finfo(float).tiny)
        for x, y in zip(values, ours, strict=True)
    ]
    worst = float(max(norms))
    return float(f"{worst:.1e}") if np.isfinite(worst) else None

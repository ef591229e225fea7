"""python -m benchmarks.checker [--seeds 20] [--every 3] [--only NAME] [--keep]

`mcjax.check` and `jax.test_util.check_grads` on the planted rules of tests/verify/rules: which wrong
rules are caught, named and diagnosed, and which right rules are refused, in float64 and float32.
"""

import argparse
import datetime
import json
import re
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from ._report import splice

KEPT = Path(__file__).with_suffix(".json")
README = KEPT.with_name("README.md")
BEGIN, END = "<!-- begin: written by benchmarks.checker --keep -->", "<!-- end: checker -->"
DTYPES = ("float64", "float32")
KINDS = ("wrong", "right")
REFUSES = "   check_grads refuses"


def main():
    arguments = parse()
    plan = [
        (kind, dtype, i)
        for kind in KINDS
        for dtype in DTYPES
        for i in _chosen(kind, dtype, arguments.only)[:: arguments.every]
    ]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn"), _start) as pool:
        jobs = [pool.submit(examine, *row, arguments.seeds) for row in plan]
        rows = []
        for k, job in enumerate(jobs):
            row = job.result()
            rows.append(row)
            if row["surprise"]:
                print(f"\r{row['kind']} {row['dtype']} {row['name']}: {row['surprise']}")
            print(f"\r{k + 1} of {len(jobs)}", end="", flush=True)
    print()
    found = {
        "versions": _versions(),
        "date": datetime.date.today().isoformat(),
        "seeds": arguments.seeds,
        "every": arguments.every,
        "summary": summary(rows),
        "rules": rows,
    }
    for line in table(found["summary"]):
        print(line)
    if arguments.keep:
        KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        README.write_text(readme(README.read_text(), found))


def parse():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checker", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="random directions per rule")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="rules whose name has this in it"
    )
    parser.add_argument("--every", type=int, default=1, help="one rule of so many")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.name}")
    return parser.parse_args()


def _chosen(kind, dtype, only):
    _start()
    return [
        i
        for i, rule in enumerate(_rules(kind))
        if only in rule.name and not (rule.double_only and dtype == "float32")
    ]


def _start():
    """Every process: 64 bits, and the strict promotion under which the rules are written."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")


def _rules(kind):
    from tests.verify import rules

    return rules.WRONG if kind == "wrong" else rules.RIGHT


def examine(kind, dtype, i, seeds) -> dict:
    """One rule in one precision: what both checkers say."""
    import jax

    from mcjax import check
    from tests.verify.rules import in_precision

    rule = _rules(kind)[i]
    args = in_precision(rule.args, dtype)
    start = time.process_time()
    first = check(rule.f, *args, **rule.options)
    seconds = time.process_time() - start
    others = [check(rule.f, *args, **rule.options, seed=seed) for seed in range(1, seeds)]
    verdicts = Counter(r.verdict for r in (first, *others))
    headline = first.wrong[0].name if first.wrong else ""
    row = {
        "kind": kind,
        "dtype": dtype,
        "name": rule.name,
        "verdicts": dict(verdicts),
        "part": headline,
        "named": headline in rule.parts,
        "diagnosis": first.diagnosis,
        "diagnosed": bool(rule.diagnosis and re.search(rule.diagnosis, first.diagnosis)),
        "cpu s": round(seconds, 2),
        "check_grads": {order: _check_grads(rule, args, order) for order in (1, 2)},
    }
    jax.clear_caches()  # or the programs of hundreds of rules fill the memory
    return row | {"surprise": _surprise(row, rule, first)}


def _surprise(row, rule, report):
    """What is not as it should be."""
    if list(row["verdicts"]) != [row["kind"]]:
        why = [f"{p.name}: {p.detail}" for p in (*report.wrong, *report.undecided)][:3]
        return f"{row['verdicts']} {why}"
    if row["kind"] == "wrong" and not row["named"]:
        return f"named {row['part']}, expected {', '.join(rule.parts)}"
    if rule.diagnosis and not row["diagnosed"]:
        return f"diagnosed {row['diagnosis']!r}, expected {rule.diagnosis!r}"
    return ""


def _check_grads(rule, args, order) -> str:
    """ "passed", or the kind of exception; reverse mode alone where there is no forward mode."""
    import warnings

    from jax.test_util import check_grads

    from mcjax.verify._function import flatten

    function, leaves, _ = flatten(rule.f, args)
    for modes in (("fwd", "rev"), ("rev",)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_grads(function, (leaves,), order, modes)
            return "passed"
        except AssertionError:
            return "refused"
        except Exception as error:
            if "forward-mode" not in str(error) and "custom_lin" not in str(error):
                return type(error).__name__
    return "no mode"


def summary(rows) -> list[dict]:
    """Counts by kind and precision."""
    return [
        _counts(kind, dtype, [r for r in rows if (r["kind"], r["dtype"]) == (kind, dtype)])
        for kind in KINDS
        for dtype in DTYPES
    ]


def _counts(kind, dtype, rows):
    verdicts = Counter(
        v for r in rows for v in (r["verdicts"] if len(r["verdicts"]) == 1 else ["mixed"])
    )
    refused = {order: sum(r["check_grads"][order] != "passed" for r in rows) for order in (1, 2)}
    return {
        "kind": kind,
        "dtype": dtype,
        "rules": len(rows),
        "verdicts": dict(verdicts),
        "named": sum(r["named"] for r in rows),
        "diagnosed": sum(r["diagnosed"] for r in rows),
        "median cpu s": round(median([r["cpu s"] for r in rows] or [0.0]), 2),
        "check_grads refuses": refused,
    }


def table(summary):
    """The counts, one line a kind and precision."""
    verdicts = ("wrong", "right", "undecided", "mixed")
    heads = (*verdicts, "named", "diagnosed", "cpu s")
    yield f"{'rules':16}{'number':>8}" + "".join(f"{h:>11}" for h in heads) + REFUSES
    for s in summary:
        counts = [s["verdicts"].get(v, 0) for v in verdicts]
        refuses = ", ".join(map(str, s["check_grads refuses"].values()))
        cells = (*counts, s["named"], s["diagnosed"], s["median cpu s"])
        yield (
            f"{s['kind'] + ' ' + s['dtype']:16}{s['rules']:8}"
            + "".join(f"{c:>11}" for c in cells)
            + f"{refuses:>{len(REFUSES)}}"
        )


def readme(text, found) -> str:
    """README.md with the table of what was found."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    head = (
        f"one rule of {found['every']}, seeds 0..{found['seeds'] - 1}; {versions}; {found['date']}"
    )
    lines = "\n".join(f"    {line}" for line in table(found["summary"]))
    return splice(text, BEGIN, END, f"{head}\n\n{lines}")


def _versions():
    import platform

    import jax
    import numpy

    return {"python": platform.python_version(), "jax": jax.__version__, "numpy": numpy.__version__}


if __name__ == "__main__":
    main()

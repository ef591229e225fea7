"""The command line of `python -m mcjax verify`."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ._check import report
from ._function import flatten
from ._inputs import bind, load_function, load_input
from ._point import Point
from ._summary import CAPTION, Row, faults, head, line

_AT_A_TIME = 6  # functions, between which compiled programs are forgotten

DESCRIPTION = """Verify derivatives on this machine's devices: all of mcjax's own, or, given
module:function and inputs, those of any JAX function."""
EXAMPLES = """examples:
  python -m mcjax verify
  python -m mcjax verify --only 'expm*' --report report.html
  python -m mcjax verify my_module:my_function --input A=matrix.mtx --input b=vector.npy

exit status: 0 if all is right, 1 if anything is wrong, 2 for a question that cannot be asked"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 only if nothing is wrong."""
    options = _parse(arguments)
    jax.config.update("jax_enable_x64", True)
    errors = Console(stderr=True)
    console = Console(soft_wrap=True)
    try:
        points = list(_users_point(options) if options.function else _catalogue(options))
    except ValueError as error:
        errors.print(f"mcjax verify: {error}", style="bold red", markup=False, highlight=False)
        return 2
    rows = _run(points, console if console.is_terminal else errors)
    if options.function:
        rows = list(rows)
        console.print(str(rows[0].reports[0]), markup=False, highlight=False)
    else:
        rows = _table(rows, points, _where(options.dtype), console)
    if options.json:
        _write_json(options.json, rows)
    if options.report:
        from ._html import page

        Path(options.report).write_text(page(_where(options.dtype), rows, _first_points(points)))
    return 0 if all(row.ok for row in rows) else 1


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m mcjax",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["verify"])
    parser.add_argument("function", nargs="?", help="module:function; left out, all of mcjax")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE", help=".mtx, .npy or .npz"
    )
    parser.add_argument("--only", metavar="PATTERN", help="functions of mcjax, like expm or 'log*'")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured")
    parser.add_argument("--report", metavar="FILE.html", help="write a page with V-curves")
    options = parser.parse_args(arguments)
    if options.function and options.only:
        parser.error("--only selects functions of mcjax; it means nothing with a function of yours")
    if options.input and not options.function:
        parser.error("--input needs a function: python -m mcjax verify module:function --input ...")
    return options


def _catalogue(options) -> Iterator[tuple]:
    """(name of the function, title, point, parts) for every input of every function chosen."""
    from ._catalogue import ENTRIES

    pattern = options.only or "*"
    chosen = [e for e in ENTRIES if fnmatch(e.name, pattern) or pattern in e.name]
    if not chosen:
        names = ", ".join(e.name for e in ENTRIES)
        raise ValueError(f"--only {pattern}: no such function; there are {names}")
    for entry in chosen:
        for case in entry.cases(options.dtype):
            function, x, names = flatten(entry.function, case.args)
            point = Point(function, x, names, 0, entry.reference)
            if case.parts is None or "truth" in case.parts:  # it is exact, so for small matrices
                point = replace(point, truth=entry.truth, truth_jvp=entry.truth_jvp)
            yield entry.name, f"{entry.name}, {case.name}", point, case.parts


def _users_point(options) -> Iterator[tuple]:
    function = load_function(options.function)
    inputs = dict(map(load_input, options.input))
    args = bind(function, {name: _cast(a, options.dtype) for name, a in inputs.items()})
    flat, x, names = flatten(function, args)
    yield options.function, options.function, Point(flat, x, names), None


def _cast(a, dtype):
    if np.iscomplexobj(a):
        return a.astype(np.result_type(dtype, np.complex64))
    return a.astype(dtype) if a.dtype.kind == "f" else a


def _table(rows, points, title, console) -> list[Row]:
    """Print each row as soon as it is there, for all of them take long, and then what is wrong."""
    show = partial(console.print, markup=False, highlight=False)
    width = max(len(name) for name, *_ in points)
    show(title)
    show(head(width))
    finished = []
    for row in rows:
        show(line(row, width))
        finished.append(row)
    show(CAPTION)
    for fault in faults(finished):
        show(fault, style="red")
    return finished


def _run(points, console) -> Iterator[Row]:
    """Check every point, a function to a thread (most of the time goes into compiling)."""
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(points))

        def row(group):
            name, its_points = group
            reports = []
            for _, title, point, parts in its_points:
                progress.update(task, description=title[:28])
                reports.append(report(point, title, "full", parts))
                progress.advance(task)
            return Row(name, tuple(reports))

        groups = [(name, list(group)) for name, group in groupby(points, key=itemgetter(0))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for i in range(0, len(groups), _AT_A_TIME):
                yield from pool.map(row, groups[i : i + _AT_A_TIME])
                jax.clear_caches()  # or the programs of all checks exhaust the process's mappings


def _first_points(points) -> dict[str, Point]:
    first: dict[str, Point] = {}
    for name, _, point, _ in points:
        first.setdefault(name, point)
    return first


def _where(dtype) -> str:
    device = jax.devices()[0]
    kind = "" if device.device_kind == device.platform else f" ({device.device_kind})"
    return f"jax {jax.__version__} on {jax.device_count()} {device.platform}{kind}, {dtype}"


def _write_json(file, rows):
    found = {
        "versions": {"python": sys.version.split()[0], "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
        "ok": all(row.ok for row in rows),
        "functions": [
            {"name": row.name, "ok": row.ok, "inputs": [r.to_dict() for r in row.reports]}
            for row in rows
        ],
    }
    Path(file).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

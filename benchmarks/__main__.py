"""python -m benchmarks {expm,sqrtm,funm,solve_sylvester,det,logdet,all} [--quick] [--write]"""

import argparse
import datetime
import os
import platform
import shlex
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import track

from . import FUNCTIONS, OPERATIONS, _report
from ._timing import compare, processes
from ._worker import Case


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("functions", nargs="+", choices=[*FUNCTIONS, "all"])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each row of a table")
    parser.add_argument("--write", action="store_true", help="keep results/, rewrite README.md")
    arguments = parser.parse_args()
    if arguments.quick and arguments.write:
        parser.error("--quick measures nothing worth writing")
    functions = FUNCTIONS if "all" in arguments.functions else arguments.functions
    modules = {function: import_module(f"benchmarks.{function}") for function in FUNCTIONS}
    console = Console()
    width = None if console.is_terminal else 160
    console = Console(width=width)
    found = []
    with processes() as (pools, facts):
        for function in functions:
            rows = run(pools, function, modules[function], arguments)
            console.print(_report.rich_table(function, rows))
            found += [(function, *claim) for claim in _report.claims(modules[function], rows)]
            if arguments.write:
                _report.save(function, results(function, rows, facts))
    if found:
        console.print(_report.claims_table(found))
    if arguments.write:
        _report.write_readme(modules)


def run(pools, function, module, arguments):
    plan = [
        (Case(function, input_, batch, n), operation)
        for i, input_ in enumerate(module.INPUTS)
        if i == 0 or not arguments.quick
        for batch, n in shapes(module, arguments.quick)
        for operation in OPERATIONS
        if n <= getattr(module, "LARGEST", {}).get(operation, n) and (operation != "hvp" or i == 0)
    ]
    effort = (0.0, 0.0, False) if arguments.quick else (arguments.seconds, 0.02, True)
    return [
        compare(pools, *row, *effort)
        for row in track(plan, function, console=Console(stderr=True), transient=True)
    ]


def shapes(module, quick):
    """(batch, n): single matrices, and a thousand tiny ones."""
    if quick:
        return [((), 6), ((5,), 3)]
    return [*(((), n) for n in getattr(module, "SIZES", (64, 256, 512))), ((1000,), 4)]


def results(function, rows, facts):
    return {
        "function": function,
        "device": facts["mcjax"]["device"],
        "machine": f"{os.cpu_count()} x {processor()}",
        "python": facts["mcjax"]["python"],
        "versions": {peer: fact["version"] for peer, fact in facts.items()},
        "date": datetime.date.today().isoformat(),
        "load": round(LOAD, 1),
        "command": "python -m benchmarks " + shlex.join(sys.argv[1:]),
        "rows": rows,
    }


LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def processor():
    """The processor's name, which `platform` does not know on Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()

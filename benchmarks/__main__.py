"""python -m benchmarks [expm sqrtm funm solve_sylvester det logdet] [--json FILE] [--keep]"""

import argparse
import json
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import track

from . import FUNCTIONS, OPERATIONS, _report
from ._claims import check
from ._timing import Effort, compare, processes
from ._worker import Case, load


def main():
    arguments = parse()
    if arguments.readme:
        return _report.write_readme()
    effort = Effort(seconds=0, turn=0) if arguments.quick else Effort(arguments.seconds)
    console = Console() if Console().is_terminal else Console(width=160)
    found = []
    with processes() as (pools, facts):
        for function in arguments.functions or FUNCTIONS:
            plan = list(cases(function, arguments.quick))
            bar = track(plan, function, console=Console(stderr=True), transient=True)
            with closing(bar):  # or its thread outlives an error
                rows = [compare(pools, *row, effort) for row in bar]
            claims = check(getattr(load(function), "CLAIMS", ()), rows)
            found.append(_report.result(function, rows, claims, facts, effort))
            _report.show(console, found[-1])
            if arguments.keep:  # at once: a long run may be interrupted
                _report.keep(found[-1:])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if arguments.keep:
        _report.write_readme()


def parse():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=", ".join(FUNCTIONS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row, about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    parser.add_argument("--keep", action="store_true", help="keep it in results/ and README.md")
    parser.add_argument("--readme", action="store_true", help="only rewrite README.md")
    arguments = parser.parse_args()
    if unknown := {*arguments.functions} - {*FUNCTIONS}:
        parser.error(f"no benchmark of {', '.join(sorted(unknown))}; one of {', '.join(FUNCTIONS)}")
    if arguments.quick and arguments.keep:
        parser.error("--quick measures nothing worth keeping")
    return arguments


def cases(function, quick):
    """The first input at every size and as a batch of tiny matrices, the others at one size."""
    module = load(function)
    first, *others = module.INPUTS
    shapes = [((), n) for n in module.SIZES] + [((1000,), getattr(module, "TINY", 4))]
    if quick:
        shapes, others = [((), 6), ((5,), 3)], []
    for operation in OPERATIONS:
        for batch, n in shapes:
            yield Case(function, first, batch, n), operation
        for input_ in others:
            yield Case(function, input_, (), 256), operation


if __name__ == "__main__":
    main()

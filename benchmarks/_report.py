"""What was measured, as tables on the terminal, as JSON in results/, and in README.md."""

import datetime
import json
import os
import platform
from pathlib import Path

from rich.table import Table

from . import FUNCTIONS, OPERATIONS, PEERS
from ._claims import size

HERE = Path(__file__).parent
NAMES = {"jax": "jax", "scipy": "SciPy", "torch": "PyTorch"}
HEADS = ("input", "n", "operation", "mcjax, ms", *NAMES.values(), "temporaries, n²", "products")
CLAIM_HEADS = ("claim", "measured", "limit", "")
LEFT = {"input", "operation", "claim", ""}
BEGIN, END = "<!-- begin: written by --readme -->", "<!-- end -->"
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def result(function, rows, claims, facts, effort):
    """All that is kept of a run."""
    return {
        "function": function,
        "device": facts["mcjax"]["device"],
        "machine": f"{os.cpu_count()} x {_processor()}",
        "python": facts["mcjax"]["python"],
        "versions": {peer: fact["version"] for peer, fact in facts.items()},
        "date": datetime.date.today().isoformat(),
        "load before": LOAD,
        "seconds a row": effort.seconds,
        "claims": list(claims),
        "rows": rows,
    }


def _processor():
    """The processor's name, which `platform` does not know on Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(console, result):
    rows = [_cells(row) for row in result["rows"]]
    console.print(
        _table(f"{result['function']}: our best time / theirs (quartiles of rounds)", HEADS, rows)
    )
    if claims := [_claim_cells(claim) for claim in result["claims"]]:
        console.print(_table(f"{result['function']}: what is claimed", CLAIM_HEADS, claims))


def _table(title, heads, rows):
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, justify="left" if head in LEFT else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _cells(row):
    peers = row["peers"]
    return (
        row["input"],
        size(row),
        row["operation"],
        f"{peers['mcjax']['best ms']:.3g}",
        *(_ratio(peers.get(peer)) for peer in NAMES),
        _against_jax(peers, "temporaries"),
        _against_jax(peers, "products"),
    )


def _claim_cells(claim):
    verdict = "holds" if claim["holds"] else "fails"
    return claim["claim"], f"{claim['measured']:.2f}", f"{claim['limit']:.2f}", verdict


def _ratio(peer):
    if peer is None:
        return "–"
    low, high = peer["quartiles"]
    agrees = peer["difference"] is not None and peer["difference"] < 1e-8
    return f"{peer['ratio']:.2f} ({low:.2f}–{high:.2f})" + ("" if agrees else " ≠")


def _against_jax(peers, key):
    """Ours, and in brackets jax's."""
    ours, jax = (peers.get(peer, {}).get(key) for peer in ("mcjax", "jax"))
    if ours is None:
        return "–"
    return f"{ours}" + (f" ({jax})" if jax is not None else "")


def keep(found):
    for result in found:
        path = HERE / "results" / f"{result['function']}-{result['device']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def write_readme():
    path = HERE / "README.md"
    path.write_text(readme(path.read_text()))


def readme(text):
    """The text, with the tables of results/ between its two markers."""
    paths = [p for f in FUNCTIONS for p in sorted((HERE / "results").glob(f"{f}-*.json"))]
    parts = [_markdown(json.loads(path.read_text())) for path in paths]
    return splice(text, BEGIN, END, "\n\n".join(parts))


def splice(text, begin, end, inside):
    """The text, with other lines between two markers."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{inside}\n\n{end}{after}"


def _markdown(result):
    versions = ", ".join(f"{peer} {version}" for peer, version in result["versions"].items())
    parts = [
        f"### {result['function']}, {result['device']}",
        f"{result['machine']}, load {result['load before']:.1f} before the run; {versions}, "
        f"Python {result['python']}; {result['date']}",
    ]
    if result["claims"]:
        parts.append(_markdown_table(CLAIM_HEADS, map(_claim_cells, result["claims"])))
    parts.append(_markdown_table(HEADS, map(_cells, result["rows"])))
    for operation in OPERATIONS:
        rows = [row for row in result["rows"] if row["operation"] == operation]
        if without := [NAMES[p] for p in PEERS if any(p in row["missing"] for row in rows)]:
            parts.append(f"No {operation}: {', '.join(without)}.")
    return "\n\n".join(parts)


def _markdown_table(heads, rows):
    align = ["---" if head in LEFT else "--:" for head in heads]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, align, *rows))

"""Tables of what was measured: on the terminal, in results/, and in README.md."""

import json
from pathlib import Path

from rich.table import Table

from . import FUNCTIONS, OPERATIONS, PEERS

HERE = Path(__file__).parent
NAMES = {"jax": "jax", "scipy": "SciPy", "torch": "PyTorch"}
HEADS = ("input", "n", "operation", "mcjax, ms", *NAMES.values(), "temporaries, n²", "products")
BEGIN, END = "<!-- begin: written by --write -->", "<!-- end -->"


def size(row):
    """256, or 1000x4 for a batch of 1000 matrices 4 x 4."""
    return "x".join(map(str, (*row["batch"], row["n"])))


def name(row):
    return f"{row['input']} {size(row)} {row['operation']}"


def cells(row):
    peers = row["peers"]
    ours = peers["mcjax"]
    return (
        row["input"],
        size(row),
        row["operation"],
        f"{ours['milliseconds']:.3g}",
        *(_ratio(peers.get(peer)) for peer in NAMES),
        _against(peers, "temporaries", lambda x: f"{x:.3g}"),
        _against(peers, "products", str),
    )


def _ratio(peer):
    if peer is None:
        return "–"
    low, median, high = peer["ratio"]
    differs = "" if peer["difference"] < 1e-8 else " ≠"
    return f"{median:.2f} ({low:.2f}–{high:.2f}){differs}"


def _against(peers, key, show):
    """Ours, and in brackets jax's."""
    ours, jax = (peers.get(peer, {}).get(key) for peer in ("mcjax", "jax"))
    if ours is None:
        return "–"
    return show(ours) + (f" ({show(jax)})" if jax is not None else "")


def rich_table(function, rows):
    table = Table(title=f"{function}: our time divided by theirs (quartiles)", title_justify="left")
    for i, head in enumerate(HEADS):
        table.add_column(head, justify="left" if i in (0, 2) else "right", no_wrap=i < 4)
    for before, row in zip([None, *rows], rows, strict=False):
        if before and (before["input"], before["n"]) != (row["input"], row["n"]):
            table.add_section()
        table.add_row(*cells(row))
    return table


def claims(module, rows):
    """(what is claimed, what was measured, what is allowed) for the claims that were measured."""
    rows = {name(row): row for row in rows}
    for text, row_name, quantity, bound in getattr(module, "CLAIMS", ()):
        row = rows.get(row_name)
        measured = _measured(rows, row, quantity) if row else None
        if measured is not None:
            yield text, measured, bound


def _measured(rows, row, quantity):
    peers = row["peers"]
    if quantity == "fastest":
        return max((peers[p]["ratio"][1] for p in peers if p != "mcjax"), default=None)
    if quantity == "memory" and "jax" in peers:
        return peers["mcjax"]["temporaries"] / peers["jax"]["temporaries"]
    if quantity == "forward":
        forward = rows[name({**row, "operation": "forward"})]
        return peers["mcjax"]["milliseconds"] / forward["peers"]["mcjax"]["milliseconds"]
    return peers[quantity]["ratio"][1] if quantity in peers else None


def claims_table(found):
    table = Table(title="claims", title_justify="left")
    for head in ("function", "claim", "measured", "allowed", ""):
        table.add_column(head)
    for function, text, measured, bound in found:
        table.add_row(function, text, f"{measured:.2f}", f"{bound:.2f}", _verdict(measured, bound))
    return table


def _verdict(measured, bound):
    return "holds" if measured <= bound else "fails"


def save(function, results):
    path = HERE / "results" / f"{function}-{results['device']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def write_readme(modules):
    """Replace what stands between the markers of README.md by the tables of results/."""
    paths = [p for f in FUNCTIONS for p in sorted((HERE / "results").glob(f"{f}-*.json"))]
    parts = [_markdown(json.loads(path.read_text()), modules) for path in paths]
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    readme.write_text("\n\n".join([before + BEGIN, *parts, END]) + after)


def _markdown(results, modules):
    function, rows = results["function"], results["rows"]
    versions = ", ".join(f"{p} {v}" for p, v in results["versions"].items())
    lines = [
        f"### {function}, {results['device']}",
        "",
        f"{results['machine']}; {versions}; {results['date']}; load {results['load']} before the run;"
        f" `{results['command']}`",
        "",
    ]
    found = list(claims(modules[function], rows))
    if found:
        lines += ["| claim | measured | allowed | |", "|---|--:|--:|---|"]
        lines += [f"| {t} | {m:.2f} | {b:.2f} | {_verdict(m, b)} |" for t, m, b in found]
        lines += [""]
    align = ["---" if i in (0, 2) else "--:" for i in range(len(HEADS))]
    lines += [f"| {' | '.join(HEADS)} |", f"|{'|'.join(align)}|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    missing = {(p, row["operation"]): why for row in rows for p, why in row["missing"].items()}
    for operation in OPERATIONS:
        without = [p for p in PEERS if (p, operation) in missing]
        if without:
            lines += ["", f"No {operation}: {', '.join(NAMES[p] for p in without)}."]
    return "\n".join(lines)

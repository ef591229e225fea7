"""What is claimed of a measurement, and whether it holds."""

from typing import NamedTuple


class Claim(NamedTuple):
    """A `quantity` of the first input's row of this size and operation is at most `limit`.

    The quantity is mcjax's time in units of a peer's, by name, of the fastest peer's ("fastest") or
    of its own forward time ("forward"), or its temporaries in units of jax's ("temporaries") or of a
    matrix ("own temporaries").
    """

    text: str
    size: str
    operation: str
    quantity: str
    limit: float


def size(row):
    """256, or 1000x4x4 for a batch of 1000 matrices 4 x 4."""
    return (
        "x".join(map(str, (*row["batch"], row["n"], row["n"]))) if row["batch"] else str(row["n"])
    )


def check(claims, rows):
    """Every claim with what was measured, for those that were."""
    input_ = rows[0]["input"]
    rows = {(size(row), row["operation"]): row["peers"] for row in rows if row["input"] == input_}
    for claim in claims:
        peers = rows.get((claim.size, claim.operation), {})
        measured = _measure(claim.quantity, peers, rows.get((claim.size, "forward")))
        if measured is not None:
            yield {
                "claim": claim.text,
                "measured": round(measured, 3),
                "limit": claim.limit,
                "holds": measured <= claim.limit,
            }


def _measure(quantity, peers, forward):
    if quantity == "fastest":
        return max((facts["ratio"] for p, facts in peers.items() if p != "mcjax"), default=None)
    if quantity == "forward" and forward:
        return peers["mcjax"]["best ms"] / forward["mcjax"]["best ms"]
    if quantity == "temporaries" and "jax" in peers:
        return peers["mcjax"]["temporaries"] / peers["jax"]["temporaries"]
    if quantity == "own temporaries" and peers:
        return peers["mcjax"]["temporaries"]
    return peers[quantity]["ratio"] if quantity in peers else None

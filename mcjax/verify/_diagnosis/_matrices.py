"""Small derivatives as matrices of outputs by inputs, compared block by block and row by row.

With T the wrong matrix and J the right one, of one output by one argument:

    T = c Jᵀ,    T = c J in this block alone,    T = diag J,    T = R J with a diagonal R,
    T - J of rank one: what a mean, a norm or a constraint takes away.
"""

from collections.abc import Iterator

import numpy as np

from ._fault import Fault

_RANK = 1e-6  # relative size of a second singular value that is none


def by_block(fault: Fault) -> Iterator[str]:
    """What happened to the derivative of one output by one argument."""
    blocks = list(_blocks(fault))
    for where, said, true in blocks:
        if fault.same(said, true):
            continue
        if len(blocks) > 1 and np.any(true):
            if fault.same(said, 0 * said):
                yield f"missing: {where} is zero"
            if (c := fault.ratio(said, true)) is not None:
                yield f"{factor(c)} in {where}"
        if true.shape[0] == true.shape[1] > 1:
            if (c := fault.ratio(said, true.T)) is not None:
                yield f"missing transpose of {where}{_and(c)}"
            if (c := fault.ratio(said, np.diag(np.diag(true)))) is not None:
                yield f"missing: all but the diagonal of {where}{_and(c)}"


def by_row(fault: Fault) -> Iterator[str]:
    """What happened to the derivatives of single entries of an output, or to all of them."""
    for where, said, true in _blocks(fault):
        if fault.same(said, true):
            continue
        rows = [fault.ratio(*row, zero=True) for row in zip(said, true, strict=True)]
        wrong = [k for k, c in enumerate(rows) if c is None or abs(c - 1) > 1e-4]
        if 0 < len(wrong) < len(rows):
            yield f"wrong in {where}, at entries {wrong[:4]} of the output"
        if None not in rows:
            yield f"wrong elementwise factor of the output, in {where}"
        if _rank_of(said - true) == 1 < min(true.shape):
            yield f"missing term of rank one, as of a mean or a norm, in {where}"


def _blocks(fault) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A name, the matrix as the rule has it and as it is, for every output and every argument."""
    if fault.matrices is None:
        return
    names = fault.point.names
    rows = np.cumsum([np.size(y) for y in fault.true(fault.point.probe.v)])[:-1]
    columns = np.cumsum([a.size for a in fault.point.x])[:-1]
    split = [[np.split(r, columns, 1) for r in np.split(m, rows)] for m in fault.matrices]
    for k, output in enumerate(fault.outputs):
        for i, name in enumerate(names):
            yield f"the derivative of {output} by {name}", split[0][k][i], split[1][k][i]


def factor(c) -> str:
    """A factor in words."""
    c = c.real if abs(np.imag(c)) <= 1e-5 * abs(c) else c
    return "wrong sign" if abs(c + 1) < 1e-4 else f"wrong factor {c:.6g}"


def _and(c):
    return "" if abs(c - 1) < 1e-4 else f", and {factor(c)}"


def _rank_of(matrix):
    sizes = np.linalg.svd(matrix, compute_uv=False)
    return int(np.sum(sizes > _RANK * sizes.max(initial=0)))

"""All first derivatives, or all second ones: the shapes and trees of jax.jacobian and jax.hessian."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ._arguments import floating
from ._derivative import along
from ._estimate import Estimate, Status, judge
from ._line import namespace, natural_step, wide


def jacobian(f: Callable, x, *, method: str = "richardson", domain=None, noise=0.0) -> Estimate:
    """The derivative of every output of f by every entry of x.

    value, error and status are trees like jax.jacobian's: outputs outside, inputs inside, each leaf of
    shape output.shape + input.shape. About 90 evaluations of f for every entry of x. For the
    arguments see `derivative`; for complex x, f is taken to be holomorphic.
    """
    x = floating(x)
    columns = _over(
        lambda row: along(f, x, _as_tree(row, x), 1, method, domain, noise), np.eye(_count(x)), x
    )
    return Estimate(*(_blocks(part, x) for part in (columns.value, columns.error, columns.status)))


def hessian(f: Callable, x, *, method: str = "richardson", domain=None, noise=0.0) -> Estimate:
    """The second derivatives of a function with one number as its value, straight from its values.

    value, error and status are trees like jax.hessian's: symmetric, and each leaf of shape
    input.shape + input.shape. With S(v) the second derivative along v,

        H_ij = (S(e_i + e_j) - S(e_i - e_j)) / 4 = (S(e_i + e_j) - S(e_i) - S(e_j)) / 2 = ...,

    whichever has the smallest bar, with every e_i as large as x. About 90 n² evaluations of f.
    """
    x = floating(x)
    n, size = _count(x), _sizes(x)
    i, j = np.triu_indices(n, 1)
    unit = np.eye(n)

    def second(rows):
        found = _over(
            lambda row: along(f, x, _as_tree(row * size, x), 2, method, domain, noise), rows, x
        )
        return _only_number(found)

    with np.errstate(all="ignore"), jax.numpy_dtype_promotion("standard"):
        pure = second(unit)
        parts = [pure]
        if len(i):
            pair = second(unit[i] + unit[j]), second(unit[i] - unit[j])
            parts += [_mixed(*pair, _take(pure, i), _take(pure, j))]
        where = np.diag(np.arange(n))
        where[i, j] = where[j, i] = n + np.arange(len(i))
        scale = size[:, None] * size[None, :]
        value, error, status = (
            part[0].__array_namespace__().concatenate(part)[where]
            for part in zip(*((p.value, p.error, p.status) for p in parts), strict=True)
        )
        parts = value / scale, error / scale, status
    return Estimate(*(_square(part, x) for part in parts))


def _mixed(plus, minus, pure_i, pure_j):
    """H_ij from second derivatives along e_i + e_j, e_i - e_j, e_i and e_j, as well as they are known."""
    xp = plus.value.__array_namespace__()
    apart = pure_i.value + pure_j.value, pure_i.error + pure_j.error
    values = xp.stack(
        [(plus.value - minus.value) / 4, (plus.value - apart[0]) / 2, (apart[0] - minus.value) / 2]
    )
    errors = xp.stack(
        [(plus.error + minus.error) / 4, (plus.error + apart[1]) / 2, (apart[1] + minus.error) / 2]
    )
    best = errors.argmin(0)[None]
    value, error = (xp.take_along_axis(a, best, 0)[0] for a in (values, errors))
    finite = xp.maximum(pure_i.status, pure_j.status) != int(Status.NOT_FINITE)
    scale = xp.maximum(xp.abs(pure_i.value), xp.abs(pure_j.value))
    return Estimate(value, error, judge(value, error, finite, scale))


def _only_number(found):
    """The one output of a function that has one number as its value."""
    leaves = jax.tree.leaves(found.value)
    if len(leaves) != 1 or leaves[0].ndim != 1:
        raise ValueError(
            "hessian: expected a function with one number as its value; of others take the jacobian of "
            "a gradient, or the hessian of one output at a time"
        )
    return Estimate(
        *(jax.tree.leaves(part)[0] for part in (found.value, found.error, found.status))
    )


def _take(estimate, rows):
    return jax.tree.map(lambda part: part[rows], estimate)


def _over(function, rows, x):
    """function of every row, stacked: a loop on the host, lax.map in a trace."""
    if namespace(x) is jnp:
        return jax.lax.map(function, jnp.asarray(rows))
    results = [function(row) for row in rows]
    return jax.tree.map(lambda *leaves: namespace(leaves).stack(leaves), *results)


def _count(x):
    n = sum(np.size(leaf) for leaf in jax.tree.leaves(x))
    if n == 0:
        raise ValueError("x: has no entries, so there is nothing to differentiate by")
    return n


def _sizes(x):
    """For every entry of x the size of the array that it is in."""
    xp = namespace(x)
    leaves = jax.tree.leaves(x)
    sizes = [natural_step(a, xp.ones_like(wide(a, xp)), xp) for a in leaves]
    return xp.concatenate([xp.full(np.size(a), s) for a, s in zip(leaves, sizes, strict=True)])


def _split(rows, x, axis):
    """Blocks of entries along an axis, one for every leaf of x."""
    ends = np.cumsum([np.size(leaf) for leaf in jax.tree.leaves(x)])[:-1]
    return rows.__array_namespace__().split(rows, ends.tolist(), axis=axis)


def _as_tree(row, x):
    """A vector of all entries as a tree like x."""
    leaves, tree = jax.tree.flatten(x)
    parts = zip(_split(row, x, 0), leaves, strict=True)
    return tree.unflatten([part.reshape(np.shape(leaf)) for part, leaf in parts])


def _blocks(columns, x):
    """A tree of (n, *output) arrays as a tree of trees of (*output, *input) arrays."""
    leaves, tree = jax.tree.flatten(x)

    def block(a):
        a = a.__array_namespace__().moveaxis(a, 0, -1)
        parts = zip(_split(a, x, -1), leaves, strict=True)
        return tree.unflatten([p.reshape((*a.shape[:-1], *np.shape(leaf))) for p, leaf in parts])

    return jax.tree.map(block, columns)


def _square(matrix, x):
    """An (n, n) matrix as a tree of trees of (*input, *input) arrays."""
    leaves, tree = jax.tree.flatten(x)
    rows = zip(_split(matrix, x, 0), leaves, strict=True)
    return tree.unflatten(
        [_blocks(part.T.reshape((-1, *np.shape(leaf))), x) for part, leaf in rows]
    )

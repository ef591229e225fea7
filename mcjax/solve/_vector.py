"""Pytrees of real and complex arrays as vectors of real numbers, and back.

A complex number is a pair of reals here, so that equations in complex unknowns need not be
holomorphic: the Jacobian is that of ℝ²ⁿ, and z̄ or |z|² in an equation are as good as z².
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.sharding import get_abstract_mesh
from jaxtyping import Array, PyTree


class Packing(NamedTuple):
    """How a pytree lies in a vector of real numbers.

    dtype: of the vector, that of the highest precision in the tree; coarsest: of the lowest. plain: the tree
    has one type, and that is real.
    """

    pack: Callable[[PyTree], Array]
    unpack: Callable[[Array], PyTree]
    size: int
    dtype: np.dtype
    coarsest: np.dtype
    plain: bool


def packing(tree: PyTree, name: str) -> Packing:
    """The packing of trees like `tree`, whose leaves are inexact arrays or their shapes."""
    leaves, structure = jax.tree.flatten(tree)
    if not leaves:
        raise ValueError(f"{name}: expected at least one array, got {structure}")
    shapes = [leaf.shape for leaf in leaves]
    dtypes = [leaf.dtype for leaf in leaves]
    real = _real_dtype(dtypes, name)
    counts = [int(np.prod(s)) * (1 + _complex(d)) for s, d in zip(shapes, dtypes, strict=True)]
    ends = np.cumsum(counts).tolist()

    def pack(tree):
        parts = [
            _reals(leaf, d, real) for leaf, d in zip(jax.tree.leaves(tree), dtypes, strict=True)
        ]
        return jnp.concatenate(parts)

    def unpack(vector):
        pieces = [vector[end - count : end] for end, count in zip(ends, counts, strict=True)]
        leaves = [_of_reals(p, s, d) for p, s, d in zip(pieces, shapes, dtypes, strict=True)]
        return jax.tree.unflatten(structure, leaves)

    coarsest = max((jnp.finfo(d) for d in dtypes), key=lambda info: info.eps).dtype
    return Packing(pack, unpack, ends[-1], real, coarsest, {*dtypes} == {real})


def inexact(tree: PyTree, name: str) -> PyTree:
    """The tree with jax arrays of inexact type for leaves; integers become floating point."""
    leaves = jax.tree.leaves(tree, is_leaf=lambda x: x is None)
    if not leaves or not all(_is_number(x) for x in leaves):
        kinds = sorted({type(x).__name__ for x in leaves if not _is_number(x)}) or ["nothing"]
        raise TypeError(
            f"{name}: expected a pytree of arrays, got {', '.join(kinds)} in it; what is no number "
            "goes into `args` or is closed over"
        )
    return jax.tree.map(_inexact, tree)


def unknown(y0: PyTree, name: str) -> PyTree:
    """`inexact` of a start, which has at least one number."""
    y0 = inexact(y0, name)
    if not any(leaf.size for leaf in jax.tree.leaves(y0)):
        shapes = [leaf.shape for leaf in jax.tree.leaves(y0)]
        raise ValueError(f"{name}: y0 has no numbers, its shapes are {shapes}: nothing is unknown")
    return y0


def arrays(tree: PyTree) -> PyTree:
    """The tree with its NumPy arrays, Python numbers that are traced, and NaN, as jax arrays.

    Equinox compares Python numbers by ==, and NaN is not equal to itself.
    """
    return jax.tree.map(lambda x: jnp.asarray(x) if _is_numpy(x) or _is_nan(x) else solid(x), tree)


def solid(x):
    """x; an array if it is the tracer of a Python number, which outside jit jax leaves a number: without
    its tangent equinox would take it for a constant of the program.
    """
    bare = isinstance(x, Tracer) and not eqx.is_array(lax.stop_gradient(x))
    return jax.device_put(x) if bare else x


def _is_numpy(x):
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc"


def _is_nan(x):
    return isinstance(x, float | complex) and x != x


def _is_number(x):
    return eqx.is_array(x) or isinstance(x, bool | int | float | complex) or _is_numpy(x)


def _inexact(x):
    x = jnp.asarray(x)
    inexact = jnp.issubdtype(x.dtype, jnp.inexact)
    return on_its_mesh(x if inexact else x.astype(jnp.result_type(float)))


def on_its_mesh(x: Array) -> Array:
    """x of the mesh around it: inside `shard_map` a constant is of none until something is done to it."""
    return x * 1 if on_mesh() else x


def on_mesh() -> bool:
    """Whether types tell of a mesh, here."""
    mesh = get_abstract_mesh()
    return bool(mesh.manual_axes or mesh.explicit_axes)


def _complex(dtype):
    return bool(jnp.issubdtype(dtype, jnp.complexfloating))


def _real_dtype(dtypes, name):
    if wrong := sorted({str(d) for d in dtypes if not jnp.issubdtype(d, jnp.inexact)}):
        raise TypeError(f"{name}: expected floating point or complex, got {', '.join(wrong)}")
    with jax.numpy_dtype_promotion("standard"):
        return jnp.finfo(jnp.result_type(*dtypes)).dtype


def _reals(x, dtype, real):
    x = jnp.asarray(x).reshape(-1)
    if _complex(dtype):
        x = jnp.concatenate([x.real, x.imag])
    return x.astype(real)


def _of_reals(x, shape, dtype):
    if _complex(dtype):
        half = len(x) // 2
        x = jax.lax.complex(x[:half], x[half:])
    return x.astype(dtype).reshape(shape)

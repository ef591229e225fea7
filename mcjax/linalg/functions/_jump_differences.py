"""Divided differences of a function that is constant but for jumps at cuts between the nodes.

    f[x₀..x_k] = (f[x₁..x_k] - f[x₀..x_{k-1}]) / (x_k - x₀)  across a cut,   0  on one side of all.

The quotients are those across a cut alone: other nodes may be as close as they like.
"""

import jax.numpy as jnp


def jump_differences(x, values, side, nodes):
    """f[x_i0, ..., x_ik] at ascending index arrays i0 <= ... <= ik, k >= 0.

    Args:
      x: the nodes. values: f there. side: what differs at nodes with a cut between them.
    """
    value = [values[i] for i in nodes]
    for j in range(1, len(nodes)):
        ends = zip(nodes[:-j], nodes[j:], value[:-1], value[1:], strict=True)
        value = [_quotient(side[a] != side[b], x[b] - x[a], w - v) for a, b, v, w in ends]
    return value[0]


def _quotient(apart, gap, difference):
    return jnp.where(apart, difference / jnp.where(apart, gap, 1), 0)

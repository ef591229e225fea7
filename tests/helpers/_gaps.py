"""Gradient, Hessian and third derivatives at any distance of the eigenvalues."""

from functools import cache

import jax
import numpy as np

from ._cases import _rng
from ._jets import derivative
from ._promise import along, assert_relative, pull, random_like

GAPS = (0.0, 1e-14, 1e-7, 1e-3, 1.0)


@cache
def _all_orders(f):
    def all_orders(A, E, F, G, w):
        return {
            "gradient": pull(f, w)(A)[0],
            "forward over reverse": along(pull(f, w), (E,))(A)[0],
            "reverse over reverse": pull(pull(f, w), (E,))(A)[0],
            "third": along(along(along(f, (E,)), (F,)), (G,))(A),
        }

    return jax.jit(all_orders), jax.jit(jax.vmap(all_orders, (0, None, None, None, None)))


def assert_right_at_gaps(f, truth, matrices, *, symmetric):
    """Gradient, Hessian in both modes and a third derivative within 1e-12, jitted and mapped.

    The gradient of Σ w f is D f(Aᵀ)[w], and its derivative along E is D²f(Aᵀ)[w, Eᵀ]: both are
    compared entry by entry. A function of (A + Aᴴ)/2 has the Hermitian parts of them.
    """

    def part(X):
        return (X + X.conj().T) / 2 if symmetric else X

    rng = _rng(len(matrices))
    E, F, G, w = (random_like(rng, matrices[0]) for _ in range(4))
    truths = []
    for A in matrices:
        K = [part(X) for X in (E, F, G)]
        gradient = part(derivative(truth, (A.T,), (w,)))
        hessian = part(derivative(truth, (A.T,), (w,), (K[0].T,)))
        third = derivative(truth, (A,), *((X,) for X in K))
        truths.append(
            {
                "gradient": gradient,
                "forward over reverse": hessian,
                "reverse over reverse": hessian,
                "third": third,
            }
        )
    jitted, vmapped = _all_orders(f)
    mapped = vmapped(np.stack(matrices), E, F, G, w)
    for i, (A, true) in enumerate(zip(matrices, truths, strict=True)):
        single = jitted(A, E, F, G, w)
        for order in true:
            assert_relative(single[order], true[order], 1e-12, f"{order}, matrix {i}")
            assert_relative(mapped[order][i], true[order], 1e-12, f"{order}, matrix {i}, vmap")

"""A x = b with every assumption, against elimination in 60 digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import solve

from ...helpers import GENERAL, SYMMETRIC, assert_close, assert_promise, assert_relative, true_solve
from ...helpers import hermitian as of_hermitian_part
from ...helpers._heavy import heavy_but

RNG = np.random.default_rng(0)


def solve_pos(A, b):
    return solve(A, b, assume_a="pos")


def true_solve_pos(A, b):
    return true_solve(of_hermitian_part(lambda A: A)(A), b)


@pytest.mark.parametrize("name", heavy_but(["repeated", "hermitian"], ["hermitian"]))
def test_pos_promise(name):
    A = SYMMETRIC[name]
    assert_promise(solve_pos, A, RNG.normal(size=(4, 2)).astype(A.dtype), truth=true_solve_pos)


def test_gen_promise():
    assert_promise(solve, GENERAL["defective"], RNG.normal(size=(4, 2)), truth=true_solve)


def test_gradient_at_a_complex_hermitian_matrix():
    """jax.scipy.linalg.solve(assume_a="pos") returns the conjugate."""
    A, b = jnp.array([[2, 1j], [-1j, 3]]), jnp.array([1.0 + 0j, 1.0])
    for kind in ("pos", "her", "gen"):
        gradient = jax.grad(lambda b, kind=kind: solve(A, b, assume_a=kind)[0].real)(b)
        assert_close(gradient, [0.6, -0.2j], 1e-15)
    got, truth = (
        jax.grad(lambda A, f=f: f((A + A.conj().T) / 2)[0].real)(A)
        for f in (lambda A: solve_pos(A, b), lambda A: jnp.linalg.solve(A, b))
    )
    assert_close(got, truth, 1e-15)


@pytest.mark.parametrize("kind", ["gen", "sym", "her", "pos"])
def test_shapes(kind):
    A = SYMMETRIC["batched"]
    for b in (RNG.normal(size=4), RNG.normal(size=(4, 2)), RNG.normal(size=(3, 1, 4, 2))):
        expected = np.linalg.solve(
            A, np.broadcast_to(b, (3, 2, 4))[..., None] if b.ndim == 1 else b
        )
        got = solve(A, b, assume_a=kind)
        assert_relative(got, expected[..., 0] if b.ndim == 1 else expected, 1e-12)
    assert solve(np.zeros((0, 0)), np.zeros((0, 2)), assume_a=kind).shape == (0, 2)
    assert_close(
        solve(2 * np.eye(2, dtype=int), np.array([2, 4]), assume_a=kind), [1.0, 2.0], 1e-15
    )


def test_bad_arguments():
    for call, said in {
        lambda: solve(np.eye(2), np.ones(3)): "solve: A x = b needs b of 2 rows",
        lambda: solve(np.eye(2), np.ones(2), assume_a="spd"): "solve: assume_a must be one of",
    }.items():
        with pytest.raises(ValueError, match=said):
            call()

"""Bad input: a clear error at trace time, or NaN out; never a finite wrong number."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcjax.linalg import (
    adjugate,
    charpoly,
    cholesky,
    cosm,
    det,
    eigh,
    eigvalsh,
    expm,
    expm1m,
    expm_frechet,
    fractional_matrix_power,
    funm,
    ldl,
    log1pm,
    logdet,
    logm,
    numerical_radius,
    phim,
    signm,
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_quadratic,
    solve_sylvester,
    sqrtm,
    tanhm,
    unpivoted_lu,
)

GOOD = np.array([[3.0, 1.0, 0.5], [1.0, 4.0, -1.0], [0.5, -1.0, 5.0]])

FUNCTIONS = {  # by the name that errors give; every one maps one (..., n, n) array
    "expm": expm,
    "expm hermitian": lambda A: expm(A, hermitian=True),
    "expm_frechet": lambda A: expm_frechet(A, A, compute_expm=False),
    "expm1m": expm1m,
    "phim": lambda A: phim(2, A),
    "cosm": cosm,
    "tanhm": tanhm,
    "sqrtm": sqrtm,
    "sqrtm hermitian": lambda A: sqrtm(A, hermitian=True),
    "logm": logm,
    "log1pm": log1pm,
    "fractional_matrix_power": lambda A: fractional_matrix_power(A, 0.3),
    "signm": signm,
    "funm": lambda A: funm(A, jnp.tanh),
    "solve_sylvester A": lambda A: solve_sylvester(A, GOOD, GOOD),
    "solve_sylvester B": lambda B: solve_sylvester(GOOD, B, GOOD),
    "solve_continuous_lyapunov": lambda A: solve_continuous_lyapunov(A, A),
    "solve_discrete_lyapunov": lambda A: solve_discrete_lyapunov(A, A),
    "solve_continuous_are": lambda A: solve_continuous_are(A, A, A, A),
    "solve_discrete_are": lambda A: solve_discrete_are(A, A, A, A),
    "solve_quadratic": lambda A: solve_quadratic(A, A, A),
    "det": det,
    "adjugate": adjugate,
    "charpoly": charpoly,
    "cholesky": cholesky,
    "ldl": lambda A: ldl(A)[1],
    "unpivoted_lu": lambda A: unpivoted_lu(A)[1],
    "numerical_radius": numerical_radius,
    "eigh": lambda A: eigh(A)[0],
    "eigvalsh": eigvalsh,
    "logdet": logdet,
    "logdet pos": lambda A: logdet(A, assume_a="pos"),
}

REJECTED = {
    "2 x 3": (np.ones((2, 3)), "square"),
    "3 x 1": (np.ones((3, 1)), "square"),
    "0 x 2": (np.ones((0, 2)), "square"),
    "batch of 2 x 3": (np.ones((5, 2, 3)), "square"),
    "vector": (np.ones(3), "(..., n, n)"),
    "empty vector": (np.ones(0), "(..., n, n)"),
    "number": (np.float64(2.0), "(..., n, n)"),
    "python number": (2.0, "array"),
    "None": (None, "array"),
    "string": ("A", "array"),
    "object": (object(), "array"),
    "dictionary": ({"A": 1}, "array"),
    "set": ({1.0}, "array"),
    "function": (np.sin, "array"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), "numbers"),
    "objects": (np.array([[object()] * 2] * 2), "numbers"),
    "dates": (np.zeros((2, 2), "datetime64[s]"), "numbers"),
    "float16": (np.eye(2, dtype=np.float16), "float32"),
    "bfloat16": (np.eye(2, dtype=jnp.bfloat16), "float32"),
    "ragged list": ([[1.0], [1.0, 2.0]], "numbers"),
}
CAST = {
    "integers": np.array([[2, 1], [1, 3]]),
    "unsigned": np.array([[2, 1], [1, 3]], np.uint8),
    "booleans": np.eye(2, dtype=bool),
    "list": [[2.0, 1.0], [1.0, 3.0]],
    "tuple": ((2, 1), (1, 3)),
}
FLOATS = {kind: np.asarray(A, float) for kind, A in CAST.items()}
DEFECTS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
PLACES = {"diagonal": (1, 1), "upper": (0, 2), "lower": (2, 0)}

PAIRS = {
    "expm_frechet": lambda A, E: expm_frechet(A, E),
    "expm_frechet reversed": lambda A, E: expm_frechet(E, A),
}
MISMATCHED = [(3, 2), (3, 1), (1, 3), (2, 4), (0, 1)]
BATCHES = [(), (2,), (3, 1), (1, 2)]
SYLVESTER = [  # n, m and a Q that does not fit
    (n, m, shape)
    for n, m in ((3, 2), (2, 3), (1, 2), (4, 4), (2, 0))
    for shape in ((m, n), (n, m + 1), (n + 1, m), (n, 1), (1, m), (m, m), (n, n))
    if shape != (n, m)
]

REJECTIONS = [*product(FUNCTIONS, REJECTED)]
INFECTIONS = [*product(FUNCTIONS, DEFECTS, PLACES)]
# One of each kind for every run; the others share their primitives, and each takes a compilation.
EVERY_RUN = {"expm", "logm", "sqrtm hermitian", "solve_sylvester A", "solve_continuous_are", "det"}
EVERY_RUN |= {"logdet pos", "cholesky", "funm"}


def message(error):
    with pytest.raises((TypeError, ValueError)) as caught:
        error()
    return str(caught.value)


@pytest.mark.parametrize("name, kind", REJECTIONS)
def test_rejected(name, kind):
    """What came, what is allowed, and who says so; before anything is computed."""
    bad, allowed = REJECTED[kind]
    said = message(lambda: jax.eval_shape(lambda: FUNCTIONS[name](bad)))
    assert said.startswith(name.split()[0]) and allowed in said, said


@pytest.mark.parametrize("kind", CAST)
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "sylvester" not in name])
def test_promoted(name, kind):
    np.testing.assert_array_equal(FUNCTIONS[name](CAST[kind]), FUNCTIONS[name](FLOATS[kind]))


@pytest.mark.parametrize(
    "name, defect, place",
    [
        pytest.param(*row, marks=() if row[0] in EVERY_RUN else (pytest.mark.slow,))
        for row in INFECTIONS
    ],
)
def test_not_finite(name, defect, place):
    """No finite number for the matrix that is infected, and for its neighbour the right ones."""
    batch = np.stack([GOOD, GOOD])
    batch[0][PLACES[place]] = DEFECTS[defect]
    value, gradient = _value_and_gradient(name)(batch)
    clean_value, clean_gradient = _value_and_gradient(name)(np.stack([GOOD, GOOD]))
    assert not np.isfinite(value[0]).all()
    assert not np.isfinite(gradient[0]).all()
    np.testing.assert_allclose(value[1], clean_value[1], rtol=1e-13)
    np.testing.assert_allclose(gradient[1], clean_gradient[1], rtol=1e-12, atol=1e-14)


_compiled = {}


def _value_and_gradient(name):
    if name not in _compiled:

        def both(A):
            value, pullback = jax.vjp(jax.vmap(FUNCTIONS[name]), A)
            return value, pullback(jnp.ones_like(value))[0]

        _compiled[name] = jax.jit(both)
    return _compiled[name]


@pytest.mark.parametrize("name, sizes, batch", [*product(PAIRS, MISMATCHED, BATCHES)])
def test_frechet_shapes(name, sizes, batch):
    n, m = sizes
    said = message(lambda: PAIRS[name](np.ones((n, n)), np.ones((*batch, m, m))))
    assert "expm_frechet" in said and str((n, n)) in said and str((*batch, m, m)) in said


@pytest.mark.parametrize("n, m, shape", SYLVESTER)
def test_sylvester_shapes(n, m, shape):
    said = message(lambda: solve_sylvester(np.eye(n), np.eye(m), np.ones(shape)))
    assert "solve_sylvester" in said and str((n, m)) in said and str(shape) in said


@pytest.mark.parametrize("Q", [np.ones(3), None, "Q", np.eye(3, dtype=np.float16)], ids=str)
def test_sylvester_right_hand_side(Q):
    assert "solve_sylvester" in message(lambda: solve_sylvester(GOOD, GOOD, Q))


@pytest.mark.parametrize("f", [None, 3.0, "exp", GOOD], ids=["None", "number", "string", "array"])
def test_funm_wants_a_function(f):
    assert "funm: f must be a function" in message(lambda: funm(GOOD, f))


@pytest.mark.parametrize(
    "f",
    [lambda x: (x, x), lambda x: jnp.ones(3) * x, lambda x: {}],
    ids=["pair", "vector", "empty"],
)
def test_funm_wants_a_scalar_function(f):
    with jax.numpy_rank_promotion("allow"):
        assert "funm: f must map a number to a number" in message(lambda: funm(GOOD, f))


def test_funm_not_hermitian():
    with pytest.raises(NotImplementedError, match=r"funm: hermitian=False .*expm or sqrtm"):
        funm(GOOD, jnp.exp, hermitian=False)


@pytest.mark.parametrize("assume_a", ["sym", "", None, 1, "POS"])
def test_logdet_assumptions(assume_a):
    said = message(lambda: logdet(GOOD, assume_a=assume_a))
    assert said.startswith("logdet: assume_a must be one of") and repr(assume_a) in said


def test_at_least_200_bad_inputs_were_tried():
    frechet = len(PAIRS) * len(MISMATCHED) * len(BATCHES)
    assert len(REJECTIONS) + len(INFECTIONS) + frechet + len(SYLVESTER) >= 200

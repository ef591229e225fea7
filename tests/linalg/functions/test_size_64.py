"""Matrix functions at n = 64, in all orders, against 120 digits (`helpers/_blocks`)."""

import numpy as np
import pytest

import mcjax.linalg as la

from ...helpers._blocks import (
    CLOSE,
    DOUBLE,
    SIGNS,
    N,
    assert_right_when_large,
    of_general,
    of_symmetric,
    thin,
)
from ...helpers._large import Jets, fixed, mp, primary, symmetric

pytestmark = pytest.mark.slow


FUNCTIONS = {
    "expm": (mp.exp, 0),
    "expm1m": (mp.expm1, -1),
    "logm": (mp.log, 0),
    "log1pm": (mp.log1p, -1.25),
    "sqrtm": (mp.sqrt, 0),
    "cosm": (mp.cos, 0),
    "sinm": (mp.sin, 0),
    "tanm": (mp.tan, -1.25),
    "coshm": (mp.cosh, 0),
    "sinhm": (mp.sinh, -1.25),
    "tanhm": (mp.tanh, -1.25),
}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, kind):
    f, shift = FUNCTIONS[name]
    values = (CLOSE if kind is np.float64 else DOUBLE) + shift
    assert_right_when_large(getattr(la, name), of_general(f, values), kind)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_symmetric(name):
    f, shift = FUNCTIONS[name]
    function = getattr(la, name)
    assert_right_when_large(lambda A: function(A, hermitian=True), of_symmetric(f, CLOSE + shift))


def test_signm():
    values = CLOSE * SIGNS
    assert_right_when_large(la.signm, of_general(mp.sign, values))
    assert_right_when_large(lambda A: la.signm(A, hermitian=True), of_symmetric(mp.sign, values))


def test_phim():
    phi = of_general(lambda x: (mp.expm1(x) - x) / x**2, CLOSE)
    assert_right_when_large(lambda A: la.phim(2, A), phi)


@pytest.mark.parametrize("t", [-0.25, 1.375])
@pytest.mark.parametrize("hermitian", [False, True])
def test_power(t, hermitian):
    """In t too: x^{t + τ} = x^t (1 + τ log x + τ²/2 log² x) for τ³ = 0."""

    def problem(blocks):
        eigen = (blocks.symmetric if hermitian else blocks.general)(CLOSE)
        base = fixed(t)

        def truth(A, s):
            A = symmetric(A) if hermitian else A
            terms = [primary(lambda x, k=k: x**t * mp.log(x) ** k, eigen, A) for k in range(3)]
            small = Jets({i: x for i, x in s.c.items() if i})
            return terms[0] + terms[1] * small + (terms[2] * small * small).half

        return (eigen.matrix, base), truth

    power = la.fractional_matrix_power
    assert_right_when_large(lambda A, s: power(A, s, hermitian=hermitian), problem)


def test_funm():
    f = of_symmetric(lambda x: x / (1 + x * x), CLOSE)
    assert_right_when_large(lambda A: la.funm(A, lambda x: x / (1 + x * x)), f)


@pytest.mark.parametrize("name", ["expm_multiply", "solve"])
def test_action(name):
    f = {"expm_multiply": mp.exp, "solve": lambda x: 1 / x}[name]

    def problem(blocks):
        eigen = blocks.general(CLOSE)
        return (eigen.matrix, thin(blocks, N, 3)), lambda A, B: primary(f, eigen, A) @ B

    assert_right_when_large(getattr(la, name), problem)

"""One promise for every function: its values and derivatives, against truth of 60 digits.

Truth. Write ε₁, ε₂, ... for numbers with ε_i² = 0. The coefficient of ε₁...ε_k in
f(A + ε₁E₁ + ... + ε_kE_k) is D^k f(A)[E₁..E_k]: the corner block of f([[A, E], [0, A]]), nested k
times, without the zeros. `derivative` evaluates plain algorithms on arrays of such numbers (`Jet`),
whose coefficients have 60 digits. Nothing of it is shared with mcjax or with JAX.

Tolerance. A stable algorithm returns what belongs to data perturbed by a few eps, so D^k f may be
wrong by

    UNITS n² eps (|T_k| + |T_{k+1}[..., r]|),      r a random perturbation of the data's size,

with T_k the true D^k f: the condition number is computed, from the truth's own next derivative. At
n = 1 it is as for n = 2, since there too an algorithm is a chain of products, each of which rounds.
"""

from functools import cache, partial, reduce

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from jax import lax

UNITS = 8
mp = mpmath.MPContext()
mp.dps = 60


# Numbers ----------------------------------------------------------------------------------------


class Jet:
    """Σ c_S ε_S over sets S of directions (bits of an integer): a number with its derivatives."""

    __slots__ = ("c",)

    def __init__(self, coefficients):
        self.c = coefficients

    def __add__(self, other):
        c = dict(self.c)
        for s, y in _jet(other).c.items():
            c[s] = c[s] + y if s in c else y
        return Jet(c)

    def __mul__(self, other):
        c = {}
        for s, x in self.c.items():
            for t, y in _jet(other).c.items():
                if not s & t:
                    c[s | t] = c[s | t] + x * y if s | t in c else x * y
        return Jet(c)

    def __rtruediv__(self, other):
        y = Jet({0: 1 / self.value})
        for _ in range(2):  # Newton's steps are exact up to the third direction
            y = y * (2 - self * y)
        return other * y

    __radd__, __rmul__ = __add__, __mul__
    __neg__ = lambda self: self * -1  # noqa: E731
    __sub__ = lambda self, other: self + -_jet(other)  # noqa: E731
    __rsub__ = lambda self, other: other + -self  # noqa: E731
    __truediv__ = lambda self, other: self * (1 / _jet(other))  # noqa: E731

    @property
    def value(self):
        return self.c.get(0, mp.zero)


def _jet(x):
    return x if isinstance(x, Jet) else Jet({0: x})


def exact(x):
    """The number x itself, in 60 digits."""
    return mp.mpc(x) if isinstance(x, complex) else mp.mpf(x)


def derivative(function, args, *directions, number=exact):
    """D^k function(args)[d₁..d_k]; every direction is a tuple like args. Batches lead."""
    args, directions = _arrays(args), [_arrays(d) for d in directions]
    if args[0].ndim > 2:
        elements = ([a[i] for a in args] for i in range(len(args[0])))
        return np.stack(
            [
                derivative(function, a, *([x[i] for x in d] for d in directions), number=number)
                for i, a in enumerate(elements)
            ]
        )

    def jets(a, *ds):
        entries = np.empty(a.shape, object)
        for i in np.ndindex(a.shape):
            numbers = ((1 << k >> 1, number(x[i].item())) for k, x in enumerate((a, *ds)))
            entries[i] = Jet({s: x for s, x in numbers if x})
        return entries

    result = np.asarray(function(*map(jets, args, *directions)), object)
    full = (1 << len(directions)) - 1
    corner = [_jet(x).c.get(full, 0) for x in result.flat]
    is_complex = any(map(np.iscomplexobj, args)) or any(isinstance(x, mp.mpc) for x in corner)
    kind = complex if is_complex else float
    return np.array([kind(x) for x in corner], kind).reshape(result.shape)


def _arrays(args):
    return [np.asarray(a).astype(complex if np.iscomplexobj(a) else float) for a in args]


# Truth: plain algorithms, for arrays of any kind of number --------------------------------------


def identity(n):
    return np.array([[mp.mpf(i == j) for j in range(n)] for i in range(n)], object).reshape(n, n)


def size(X):
    return max((abs(_jet(x).value) for x in X.flat), default=mp.zero)


def true_solve(A, B):
    """A⁻¹ B by elimination with partial pivoting."""
    M, n = np.concatenate([A, B], 1), len(A)
    for j in range(n):
        pivot = max(range(j, n), key=lambda i: abs(_jet(M[i, j]).value))
        M[[j, pivot]] = M[[pivot, j]]
        M[j] = M[j] / M[j, j]
        for i in range(n):
            if i != j:
                M[i] = M[i] - M[j] * M[i, j]
    return M[:, n:]


def true_expm(A):
    """(Σ X^j / j!)^{2^s},  X = A / 2^s."""
    s = max(0, int(mp.ceil(mp.log(size(A) * len(A) + 1, 2)))) + 12
    X, term = A * (mp.mpf(2) ** -s), identity(len(A))
    P = term
    for j in range(1, 16):
        term = term @ X * (mp.one / j)
        P = P + term
    return reduce(lambda P, _: P @ P, range(s), P)


def true_sqrtm(A):
    """Denman and Beavers: Y, Z ← (Y + Z⁻¹)/2, (Z + Y⁻¹)/2 from A, I; scaled to the size of A."""
    scale, half = mp.sqrt(size(A)) if size(A) else mp.one, mp.mpf(0.5)
    one = identity(len(A))
    Y, Z = A * (1 / scale**2), one
    for _ in range(60):
        previous = Y
        Y, Z = (Y + true_solve(Z, one)) * half, (Z + true_solve(Y, one)) * half
        if size(Y - previous) < mp.mpf(10) ** -25:  # it is quadratic, and jets lag by two steps
            break
    for _ in range(3):
        Y, Z = (Y + true_solve(Z, one)) * half, (Z + true_solve(Y, one)) * half
    return Y * scale


def true_funm(f, centre=1.5, terms=50):
    """Σ f^(j)(c)/j! (A - c I)^j: at 1 <= λ <= 2 to 20 digits if f is analytic in Re z > 0."""

    def function(A):
        shifted = A - identity(len(A)) * mp.mpf(centre)
        total = identity(len(A)) * mp.zero
        for c in reversed(_taylor(f, centre, terms)):
            total = total @ shifted + identity(len(A)) * c
        return total

    return function


@cache
def _taylor(f, centre, terms):
    return mp.taylor(f, centre, terms)


def true_solve_sylvester(A, B, Q):
    """(I ⊗ A + Bᵀ ⊗ I) vec X = vec Q, columns stacked."""
    (n, m), zero = Q.shape, mp.zero
    if not Q.size:
        return Q
    K = np.full((m, n, m, n), zero, object)
    for j in range(m):
        K[j, :, j, :] = K[j, :, j, :] + A
    for i in range(n):
        K[:, i, :, i] = K[:, i, :, i] + B.T
    x = true_solve(K.reshape(m * n, m * n), Q.T.reshape(m * n, 1))
    return x.reshape(m, n).T


def true_det(A):
    """Expansion by the first row: no division, so exact in fractions and at singular matrices."""
    if not len(A):
        return mp.one
    minors = (true_det(np.delete(A[1:], j, 1)) for j in range(len(A)))
    return sum((-1) ** j * A[0, j] * minor for j, minor in enumerate(minors))


def hermitian(truth):
    """The truth for a function that reads (A + Aᴴ)/2."""

    def function(A):
        return truth((A + _adjoint(A)) * mp.mpf(0.5))

    return function


def _adjoint(A):
    conj = np.vectorize(lambda x: Jet({s: mp.conj(y) for s, y in x.c.items()}), otypes=[object])
    return conj(A.T) if A.size else A.T


# Cases ------------------------------------------------------------------------------------------


def reflect(*eigenvalues):
    """H diag(λ) H with the reflection H = I - ½ 1 1ᵀ of four dimensions: dyadic, so exact."""
    H = np.eye(4) - 0.5
    return H @ np.diag(eigenvalues) @ H


def gap_matrix(gap):
    """Eigenvalues 1, 1 + gap and, apart from them, 1.25 and 1.5."""
    return reflect(1.0, 1.0 + gap, 1.25, 1.5)


def unitary_phases(A):
    """D A D⁻¹ with D of powers of i: complex Hermitian, with the spectrum of the symmetric A."""
    phases = np.array([1, 1j, -1, -1j])[: len(A)]
    return phases[:, None] * A * phases.conj()[None, :]


def grcar(n):
    return np.eye(n) - np.eye(n, k=-1) + sum(np.eye(n, k=k) for k in (1, 2, 3))


def hidden_jordan():
    """Jordan blocks of size 3 for 2 and of size 1 for 3, under an integer similarity of det 1."""
    J = np.diag([2.0, 2.0, 2.0, 3.0]) + np.diag([1.0, 1.0, 0.0], 1)
    P = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]], float)
    P_inverse = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [1, -1, 1, 0], [-2, 1, -1, 1]], float)
    return P @ J @ P_inverse


def _rng(*seed):
    return np.random.default_rng(seed)


def _spd(*batch, n=4, seed=0):
    X = _rng(seed).normal(size=(*batch, n, n))
    return X @ X.swapaxes(-1, -2) / n + np.eye(n)


def _bad_scale(A):
    d = 2.0 ** np.array([0, 7, -7, 3])
    return d[:, None] * A / d[None, :]


SYMMETRIC = {
    "spd": _spd(),
    "repeated": reflect(1.0, 1.0, 1.0, 2.0),
    "nearly repeated": gap_matrix(1e-10),
    "hermitian": unitary_phases(_spd(seed=1)),
    "batched": _spd(3, 2, seed=2),
    "float32": _spd(seed=3).astype(np.float32),
    "n=1": np.array([[1.5]]),
    "n=0": np.zeros((0, 0)),
}
GENERAL = SYMMETRIC | {
    "defective": hidden_jordan(),
    "non-normal": grcar(4),
    "complex": grcar(4) + 0.25j * _rng(4).normal(size=(4, 4)),
    "badly scaled": _bad_scale(_spd(seed=5)),
}
SINGULAR = reflect(0.0, 0.0, 2.0, 3.0)


# The promise ------------------------------------------------------------------------------------


def along(f, d):
    """The derivative of f along d, forwards."""
    return lambda *args: jax.jvp(f, args, d)[1]


def pull(f, w):
    """The gradient of Re Σ w f, in reverse."""
    return lambda *args: jax.vjp(f, *args)[1](w)


REVERSE = {
    "reverse": 1,
    "checkpoint": 1,
    "scan": 1,
    "forward over reverse": 2,
    "reverse over reverse": 2,
}
MAIN = {1: "reverse", 2: "forward over reverse"}


@cache
def _orders(f):
    """All that can be asked of derivatives up to the second order, compiled together."""

    def repeated(*args):
        return lax.scan(lambda c, _: (c, f(*c)), args, length=2)[1][1]

    def orders(args, d, e, w):
        return _main_orders(f, args, d, e, w) | {
            "forward over forward": along(along(f, d), e)(*args),
            "reverse over reverse": pull(pull(f, w), e)(*args),
            "checkpoint": pull(jax.checkpoint(f), w)(*args),
            "scan": pull(repeated, w)(*args),
        }

    return jax.jit(orders)


def _main_orders(f, args, d, e, w):
    return {
        "value": f(*args),
        "forward": along(f, d)(*args),
        "reverse": pull(f, w)(*args),
        "forward over reverse": along(pull(f, w), e)(*args),
    }


@cache
def _mapped(f):
    return jax.jit(jax.vmap(partial(_main_orders, f)))


_lowered = set()


def assert_lowers_for_cuda(f, *args):
    """Value, gradient and Hessian exist for a GPU, which the lowering does not need."""

    def loss(*args):
        return f(*args).real.sum()

    argnums = tuple(range(len(args)))
    kinds = [jax.typeof(a).dtype for a in args]
    functions = [f, jax.grad(loss, argnums)]
    if not any(jnp.issubdtype(kind, jnp.complexfloating) for kind in kinds):
        functions.append(jax.hessian(loss, argnums))
    for function in functions:
        jax.jit(function).trace(*args).lower(lowering_platforms=("cuda",))


def random_like(rng, a, scale=1.0):
    x = np.asarray(rng.normal(size=np.shape(a)))
    if np.iscomplexobj(a):
        x = x + 1j * rng.normal(size=np.shape(a))
    return (scale * x).astype(np.asarray(a).dtype)


def pairing(xs, ys):
    """Re Σ x y, over tuples of arrays, summed without loss."""
    exact = np.clongdouble
    products = [(np.asarray(x, exact) * np.asarray(y, exact)).real.sum() for x, y in zip(xs, ys)]  # noqa: B905
    return float(sum(products))


def assert_close(got, truth, tolerance, what=""):
    got, truth = np.asarray(got), np.asarray(truth)
    assert got.shape == truth.shape, f"{what}: shape {got.shape}, not {truth.shape}"
    error = _largest(got - truth)
    assert error <= tolerance, f"{what}: error {error:.1e} > {tolerance:.1e}: {got} != {truth}"


def assert_nan(x):
    assert np.isnan(np.asarray(x)).all(), x


def assert_relative(got, truth, relative, what=""):
    """Within `relative` of the largest entry of the truth."""
    assert_close(got, truth, relative * _largest(truth), what)


def rounding(args, units=UNITS):
    args = tuple(map(np.asarray, args))
    n = max(a.shape[-1] for a in args if a.ndim)
    return max(2, n) ** 2 * units * np.finfo(np.result_type(*args)).eps


def judge(truth, args, *directions, units=UNITS):
    """(D^k f(args)[directions], what rounding may make of it): see the head of this file."""
    args = tuple(map(np.asarray, args))
    r = [random_like(_rng(7), a, np.abs(a).max(initial=0.0)) for a in args]
    value, change = (derivative(truth, args, *directions, *more) for more in ((), (r,)))
    return value, rounding(args, units) * (_largest(value) + _largest(change))


def _largest(x):
    return np.abs(x).max(initial=0.0)


def assert_promise(f, *args, truth, reference=None, seed=0, units=UNITS):
    """Check all that f promises, at the point args.

    Args:
      truth: f itself as a plain algorithm on arrays of exact numbers.
      reference: f by another library, for the value.
    """
    rng = _rng(seed)
    args = tuple(map(np.asarray, args))
    dtype = np.result_type(*args)
    d, e, r = (tuple(random_like(rng, a) for a in args) for _ in range(3))
    T, tolerance = zip(
        *(judge(truth, args, *ds, units=units) for ds in ((), (d,), (d, e))), strict=True
    )
    eps = rounding(args, units)

    shape = jax.eval_shape(f, *args)
    assert shape.shape == T[0].shape
    assert shape.dtype == (dtype if np.iscomplexobj(T[0]) else np.finfo(dtype).dtype)
    w = random_like(rng, np.zeros(shape.shape, shape.dtype))
    got = jax.device_get(_orders(f)(args, d, e, w))

    assert_close(got["value"], T[0], tolerance[0], "value")
    assert_close(got["forward"], T[1], tolerance[1], "forward")
    assert_close(got["forward over forward"], T[2], tolerance[2], "forward over forward")
    if reference is not None:
        assert_close(got["value"], reference(*args), 4 * tolerance[0], "reference")

    # In reverse: <Jᵀw, d> = <w, J d>, and for the Hessian likewise.
    weight = np.abs(w).sum()
    for mode, k in REVERSE.items():
        limit = weight * tolerance[k]
        assert_close(pairing(got[mode], d), pairing([w], [T[k]]), limit, mode)
        # ... and in every entry as the first such mode.
        for x, y, a in zip(got[mode], got[MAIN[k]], args, strict=True):
            assert (x.shape, x.dtype) == (a.shape, a.dtype)
            assert_close(x, y, limit + eps * _largest(y), f"{mode} = {MAIN[k]}")

    # Not jitted, and mapped, it is the same.
    assert_close(f(*args), got["value"], tolerance[0], "not jitted")
    both = jax.tree.map(lambda x, y: np.stack([x, y]), (args, d, e, w), (args, d, r, w / 2))
    mapped = jax.device_get(_mapped(f)(*both))
    for i, single in enumerate((got, jax.device_get(_orders(f)(args, d, r, w / 2)))):
        for mode in mapped:
            pairs = zip(jax.tree.leaves(mapped[mode]), jax.tree.leaves(single[mode]), strict=True)
            for x, y in pairs:
                limit = max(1.0, weight) * tolerance[REVERSE.get(mode, mode == "forward")]
                assert_close(x[i], y, limit + eps * _largest(y), f"vmap, {mode}")

    signature = (f, *((a.shape, a.dtype.name) for a in args))
    if signature not in _lowered:
        assert_lowers_for_cuda(f, *args)
        _lowered.add(signature)


# At the gaps ------------------------------------------------------------------------------------

GAPS = (0.0, 1e-14, 1e-7, 1e-3, 1.0)


def assert_right_at_gaps(f, truth, matrices, *, symmetric):
    """Gradient, Hessian in both modes and a third derivative within 1e-12, jitted and mapped.

    The gradient of Σ w f is D f(Aᵀ)[w], and its derivative along E is D²f(Aᵀ)[w, Eᵀ]: both are
    compared entry by entry. A function of (A + Aᴴ)/2 has the Hermitian parts of them.
    """

    def all_orders(A, E, F, G, w):
        return {
            "gradient": pull(f, w)(A)[0],
            "forward over reverse": along(pull(f, w), (E,))(A)[0],
            "reverse over reverse": pull(pull(f, w), (E,))(A)[0],
            "third": along(along(along(f, (E,)), (F,)), (G,))(A),
        }

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
    jitted = jax.jit(all_orders)
    mapped = jax.jit(jax.vmap(all_orders, (0, None, None, None, None)))(
        np.stack(matrices), E, F, G, w
    )
    for i, (A, true) in enumerate(zip(matrices, truths, strict=True)):
        single = jitted(A, E, F, G, w)
        for order in true:
            assert_relative(single[order], true[order], 1e-12, f"{order}, matrix {i}")
            assert_relative(mapped[order][i], true[order], 1e-12, f"{order}, matrix {i}, vmap")

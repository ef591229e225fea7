"""One promise for every function, checked in one line a case.

Tolerance. A stable algorithm returns what belongs to data perturbed by a few eps, so D^k f may be
wrong by

    min(8 n², 50) eps (|T_k| + |T_{k+1}[..., r]|),      r a random perturbation of the data's size,

with T_k the true D^k f: the condition number is computed, from the truth's own next derivative. At
n = 1 it is as for n = 2, since there too an algorithm is a chain of products, each of which rounds.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from ._cases import _rng
from ._jets import derivative

UNITS = 8
MOST = 50 / UNITS


def along(f, d):
    """The derivative of f along d, forwards."""
    return lambda *args: jax.jvp(f, args, d)[1]


def pull(f, w):
    """The gradient of Re Σ w f, in reverse."""
    return lambda *args: jax.vjp(f, *args)[1](w)


REVERSE = {
    "reverse": 1,
    "forward over reverse": 2,
    "reverse over reverse": 2,
}
MAIN = {1: "reverse", 2: "forward over reverse"}


@cache
def _orders(f):
    """Derivatives up to the second order, compiled together. (Under scan and checkpoint: test_potential,
    and `python -m mcjax verify` for every function.)"""

    def orders(args, d, e, w):
        return _main_orders(f, args, d, e, w) | {
            "forward over forward": along(along(f, d), e)(*args),
            "reverse over reverse": pull(pull(f, w), e)(*args),
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
    return min(max(2, n) ** 2, MOST) * units * np.finfo(np.result_type(*args)).eps


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

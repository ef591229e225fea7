"""A batch over eight devices: nothing is communicated, and a replicated argument's gradient is summed."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mcjax.linalg import (
    adjugate,
    best_rank,
    charpoly,
    cholesky,
    det,
    eigvalsh,
    eigvalsh_sum,
    expm,
    expm_frechet,
    fractional_matrix_power,
    funm,
    ky_fan_norm,
    ldl,
    logdet,
    logm,
    nuclear_norm,
    numerical_radius,
    phim,
    polar,
    qr,
    riesz_projector,
    schatten_norm,
    signm,
    solve,
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
    solve_quadratic,
    solve_sylvester,
    spectral_norm,
    spectral_projector,
    sqrtm,
    svd_function,
    tanhm,
    unpivoted_lu,
)

from ..helpers import assert_relative

pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")

BATCH, N = 16, 3
COLLECTIVES = re.compile(
    "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
)
MESHES = {  # by the type of their axes; jax 0.12 makes them explicit unless told otherwise
    "auto": lambda: Mesh(np.array(jax.devices()[:8]), ("b",)),
    "made": lambda: jax.make_mesh((8,), ("b",)),
}
FUNCTIONS = {
    "expm": expm,
    "expm hermitian": lambda A: expm(A, hermitian=True),
    "expm_frechet": lambda A: expm_frechet(jax.lax.stop_gradient(A), A, compute_expm=False),
    "phim": lambda A: phim(2, A),
    "tanhm": tanhm,
    "sqrtm": sqrtm,
    "sqrtm hermitian": lambda A: sqrtm(A, hermitian=True),
    "logm": logm,
    "fractional_matrix_power": lambda A: fractional_matrix_power(A, 0.3),
    "signm": lambda A: signm(A - 3 * jnp.broadcast_to(jnp.eye(N), A.shape)),
    "funm": lambda A: funm(A, jnp.tanh),
    "solve_sylvester": lambda A: solve_sylvester(A, A, A),
    "solve_continuous_lyapunov": lambda A: solve_continuous_lyapunov(A, A * A),
    "solve_discrete_lyapunov": lambda A: solve_discrete_lyapunov(A / 20, A * A),
    "solve_continuous_are": lambda A: solve_continuous_are(A, A, A, A),
    "solve_discrete_are": lambda A: solve_discrete_are(A, A, A, A),
    "solve_quadratic": lambda A: solve_quadratic(A / 50, A, A * A / 50),
    "det": det,
    "adjugate": adjugate,
    "charpoly": charpoly,
    "cholesky": cholesky,
    "ldl": lambda A: ldl(A)[1],
    "unpivoted_lu": lambda A: unpivoted_lu(A)[1],
    "ky_fan_norm": lambda A: ky_fan_norm(A, 2),
    "nuclear_norm": nuclear_norm,
    "spectral_norm": spectral_norm,
    "schatten_norm": lambda A: schatten_norm(A, 3),
    "numerical_radius": numerical_radius,
    "qr": lambda A: qr(A[..., :2], "complete", pivoting=True)[1],
    "solve": lambda A: solve(A, A),
    "solve pos": lambda A: solve(A, A, assume_a="pos"),
    "logdet": logdet,
    "logdet pos": lambda A: logdet(A, assume_a="pos"),
    "svd_function": lambda A: svd_function(A, jnp.tanh),
    "polar": lambda A: sum(polar(A)),
    "polar without an SVD": lambda A: sum(polar(A, method="qdwh")),
    "best_rank": lambda A: best_rank(A, 1),
    "riesz_projector": lambda A: riesz_projector(A, 0.0, 3.0),
    "spectral_projector": lambda A: spectral_projector(A, slice(0, 1)),
    "eigvalsh": eigvalsh,
    "eigvalsh_sum": lambda A: eigvalsh_sum(A, (0.5, jnp.inf)),
}
meshes = pytest.mark.parametrize("mesh", MESHES)
# One of each kind for every run: a loop of its own, a spectrum, a sealed equation, no loop.
EVERY_RUN = {
    "expm",
    "funm",
    "solve_sylvester",
    "det",
    "parameter",
    "right-hand side",
}


def for_every_run(names):
    slow = pytest.mark.slow
    return [pytest.param(n, marks=() if n in EVERY_RUN else (slow,)) for n in names]


functions = pytest.mark.parametrize("name", for_every_run(FUNCTIONS))


def batch():
    X, E = np.random.default_rng(0).normal(size=(2, BATCH, N, N))
    return X @ X.swapaxes(-1, -2) + np.eye(N) + 0.1 * E, E


def everything(f, A, E):
    """Value, gradient and Hessian-vector product, and the gradient under vmap."""

    def gradient(A):
        return jax.grad(lambda A: (f(A) ** 3).sum())(A)

    derivatives = jax.jvp(gradient, (A,), (E,))
    return f(A), *derivatives, jax.vmap(gradient)(A)


def assert_same(got, truth):
    for x, y in zip(got, truth, strict=True):
        assert_relative(np.asarray(x), np.asarray(y), 1e-11)


@functions
@meshes
def test_no_collective(name, mesh):
    """Under jit with a sharded batch axis, and in shard_map, as on one device."""
    mesh, compute = MESHES[mesh](), partial(everything, FUNCTIONS[name])
    truth = _alone(name)
    shards = [jax.device_put(x, NamedSharding(mesh, P("b"))) for x in batch()]
    mapped = jax.shard_map(compute, mesh=mesh, in_specs=(P("b"), P("b")), out_specs=P("b"))
    for f in (compute, mapped):
        program = jax.jit(f).lower(*shards).compile()
        assert not COLLECTIVES.findall(program.as_text())
        got = program(*shards)
        assert_same(got, truth)
        for x in got:
            assert x.sharding.spec[0] == "b"


_truths = {}


def _alone(name):
    if name not in _truths:
        _truths[name] = jax.jit(partial(everything, FUNCTIONS[name]))(*batch())
    return _truths[name]


def summed_over_devices(mesh, local):
    """(replicated, sharded) ↦ the sum over devices of local."""

    def on_each(replicated, sharded):
        return jax.lax.psum(local(replicated, sharded), "b")

    return jax.shard_map(on_each, mesh=mesh, in_specs=(P(), P("b")), out_specs=P())


REPLICATED = {
    name: (lambda A, E, f=f: f(A[None] + 0.01 * E).sum()) for name, f in FUNCTIONS.items()
}
REPLICATED |= {
    "direction": lambda A, E: jax.vmap(lambda e: expm_frechet(A, e, compute_expm=False))(E).sum(),
    "parameter": lambda A, E: funm(E, lambda x: jnp.sin(A[0, 0] * x)).sum(),
    "right-hand side": lambda A, E: jax.vmap(lambda e: solve_sylvester(A, A, e))(E).sum(),
}


@pytest.mark.parametrize("name", for_every_run(REPLICATED))
@meshes
def test_a_replicated_argument(name, mesh):
    """Its gradient is the sum over the devices, with the gradient of the sharded argument beside."""
    mesh, (A, E) = MESHES[mesh](), batch()
    A, E = A[0], jax.device_put(E, NamedSharding(mesh, P("b")))
    total = summed_over_devices(mesh, REPLICATED[name])
    got = jax.jit(jax.grad(total, (0, 1)))(A, E)
    assert_same(got, jax.jit(jax.grad(REPLICATED[name], (0, 1)))(A, np.asarray(E)))
